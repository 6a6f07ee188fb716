"""bfloat16 and float8."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

import interop
from hidden import hide_ml_dtypes
from strategies import EXOTIC

from .upstream import may_fail


def write(x: Any, index: tuple[int, int], number: float) -> None:
    """Write one element. torch 2.5 cannot fill an array of an 8-bit float."""
    if isinstance(x, torch.Tensor):
        x[index].copy_(torch.tensor(number))
    else:
        x[index] = number


class TestSmallFloats:
    """Trap 14: NumPy has no bfloat16 and no float8. By DLPack they raise `RuntimeError`
    (`BufferError` since NumPy 2.5), and `Tensor.numpy()` raises `TypeError`.

    interop passes them as integers, zero-copy, and NumPy gets the dtypes of `ml_dtypes`. If
    `ml_dtypes` is not installed, the error names it, and `dtype="float32"`, which works without it.
    """

    EVERY = pytest.mark.parametrize("dtype", EXOTIC)
    LAYOUTS = pytest.mark.parametrize(
        "take",
        [
            lambda x: x,
            lambda x: x.T,
            lambda x: x[:, ::2],
            lambda x: x[1:, 1:],
            lambda x: x[1, 1],
            lambda x: x[:0],
        ],
        ids=["contiguous", "transposed", "sliced", "offset", "0-d", "empty"],
    )

    @staticmethod
    def powers(dtype: str) -> torch.Tensor:
        """Powers of two: exact in every one of them."""
        return torch.tensor([[0.25, 0.5, 1], [2, 4, 8]]).to(getattr(torch, dtype))

    @EVERY
    def test_plain_torch_and_numpy_may_reject_small_floats(self, dtype: str) -> None:
        tensor = self.powers(dtype)
        may_fail(lambda: np.from_dlpack(tensor), RuntimeError, BufferError)
        may_fail(tensor.numpy, TypeError)

    @pytest.mark.requires("ml_dtypes")
    @EVERY
    @LAYOUTS
    def test_convert_small_floats_round_trip_shares_memory(
        self, dtype: str, take: Callable[[Any], Any]
    ) -> None:
        import ml_dtypes

        tensor = take(self.powers(dtype))
        array = interop.to_numpy(tensor, copy=False)
        assert array.dtype == getattr(ml_dtypes, dtype)
        assert array.astype("float32").tolist() == tensor.float().tolist()
        back = interop.to_torch(array, copy=False)
        assert (back.dtype, back.tolist()) == (tensor.dtype, tensor.tolist())
        if tensor.numel():
            assert tensor.data_ptr() == array.ctypes.data == back.data_ptr()
            assert back.stride() == tensor.stride()
            assert array.strides == tuple(
                stride * tensor.element_size() for stride in tensor.stride()
            )
        assert back.shape == tensor.shape

    @pytest.mark.requires("ml_dtypes")
    @EVERY
    def test_to_numpy_small_floats_share_writes_both_ways(self, dtype: str) -> None:
        tensor = self.powers(dtype)
        array = interop.to_numpy(tensor)
        array[0, 0] = 4
        write(tensor, (1, 1), 1)
        assert (
            tensor.float().tolist() == array.astype("float32").tolist() == [[4, 0.5, 1], [2, 1, 8]]
        )

    @pytest.mark.requires("ml_dtypes")
    @EVERY
    @pytest.mark.parametrize("to", ["numpy", "torch"])
    def test_convert_copy_of_small_floats_is_independent(self, dtype: str, to: str) -> None:
        source: Any = self.powers(dtype)
        source = source if to == "numpy" else interop.to_numpy(source)
        result = interop.convert(source, to, copy=True)
        write(result, (0, 0), 8)
        assert float(source[0, 0]) == 0.25
        assert float(result[0, 1]) == 0.5

    @pytest.mark.requires("ml_dtypes")
    @EVERY
    def test_convert_small_floats_follow_the_stride_and_readonly_rules(self, dtype: str) -> None:
        array = interop.to_numpy(self.powers(dtype))
        assert interop.to_torch(array[:, ::-1]).float().tolist() == [[1, 0.5, 0.25], [8, 4, 2]]
        assert not interop.to_numpy(self.powers(dtype)[0, 0].expand(3)).flags.writeable
        array.flags.writeable = False
        write(interop.to_torch(array), (0, 0), 8)
        assert float(array[0, 0]) == 0.25
        assert interop.to_torch(array, readonly="share").data_ptr() == array.ctypes.data

    @EVERY
    @pytest.mark.parametrize("ml_dtypes", ["here", "missing"])
    def test_convert_small_floats_as_float32_works_without_ml_dtypes(
        self, dtype: str, ml_dtypes: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        if ml_dtypes == "missing":
            hide_ml_dtypes(monkeypatch)
        array = interop.to_numpy(self.powers(dtype), dtype="float32")
        assert (array.dtype, array.tolist()) == (np.dtype("float32"), [[0.25, 0.5, 1], [2, 4, 8]])
        tensor = interop.to_torch(array, dtype=dtype)
        assert (tensor.dtype, tensor.tolist()) == (
            getattr(torch, dtype),
            self.powers(dtype).tolist(),
        )

    @EVERY
    @pytest.mark.parametrize(
        "keywords", [{}, {"copy": True}, {"copy": False}, {"dtype": torch.bfloat16}], ids=str
    )
    def test_convert_small_floats_without_ml_dtypes_error_names_the_package(
        self, dtype: str, keywords: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        hide_ml_dtypes(monkeypatch)
        for convert in (interop.convert, interop.explain):
            with pytest.raises(
                interop.UnsupportedArrayError, match=r'pip install ml-dtypes.*dtype="float32"'
            ):
                convert(self.powers(dtype), "numpy", **keywords)

    @EVERY
    def test_to_torch_small_float_tensor_needs_no_ml_dtypes(
        self, dtype: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        hide_ml_dtypes(monkeypatch)
        tensor = self.powers(dtype)
        assert interop.to_torch(tensor, copy=False) is tensor
        assert interop.to_torch(tensor, copy=True).tolist() == tensor.tolist()

    @pytest.mark.requires("ml_dtypes")
    @pytest.mark.parametrize(
        "dtype", ["float8_e3m4", "float8_e4m3", "float6_e2m3fn", "float4_e2m1fn", "int4"]
    )
    def test_to_torch_unsupported_small_float_is_refused_with_a_working_hint(
        self, dtype: str
    ) -> None:
        import ml_dtypes

        array = np.arange(3).astype(getattr(ml_dtypes, dtype))
        with pytest.raises(interop.UnsupportedArrayError, match=dtype) as caught:
            interop.to_torch(array)
        if 'Pass dtype="float32"' in str(caught.value):
            assert interop.to_torch(array, dtype="float32").tolist() == [0, 1, 2]
        assert "fields" not in str(caught.value)
