"""Byte order, alignment, strides and unsupported dtypes of device memory, as on the host.

Copies by interop need no kernel here. Odd strides need one, so those cases are only planned on the
simulated runtime.
"""

from typing import Any

import numpy as np
import pytest

import interop

pytestmark = pytest.mark.requires("cupy", "torch", "gpu")

VALUES = np.arange(1, 9, dtype="float32")


class Interface:
    """An object that has only the CUDA Array Interface, over an array's memory."""

    def __init__(self, array: Any, **words: Any) -> None:
        self._array = array
        self.__cuda_array_interface__ = {**array.__cuda_array_interface__, "strides": None, **words}


def memory(shift: int = 0, dtype: str = "float32", count: int = 3) -> Any:
    """Return a CuPy array of `VALUES` with an address of `shift` modulo CuPy's block size."""
    import cupy

    values = VALUES[:count].astype(dtype)
    block = cupy.asarray(np.concatenate([np.zeros(shift, np.uint8), values.view(np.uint8)]))
    return cupy.ndarray((count,), dtype, block.data + shift)


def interface(**words: Any) -> Interface:
    return Interface(memory(count=8), **words)


def odd(shape: tuple[int, ...] = (3,), strides: tuple[int, ...] = (6,)) -> Any:
    """Return a CuPy array of packed records, with strides that are no multiple of the itemsize."""
    import cupy

    return cupy.ndarray(shape, "float32", memory(count=8).data, strides)


ORDER = "its bytes are not in this machine's order"
STRIDES = "its strides are not whole elements of 4 bytes"
ADDRESS = "its address is not a multiple of its elements' {} bytes"


class TestInterface:
    """The owner cannot be asked for a copy, so the conversion is refused with a hint."""

    @pytest.mark.parametrize("to", ["torch", "cupy", "numpy"])
    @pytest.mark.parametrize("keywords", [{}, {"copy": True}, {"copy": False}], ids=str)
    @pytest.mark.parametrize(
        ("words", "reason"),
        [
            ({"typestr": ">f4"}, ORDER),
            ({"typestr": ">c8", "shape": (4,)}, ORDER),
            ({"typestr": ">i8", "shape": (4,)}, ORDER),
            ({"strides": (6,), "shape": (3,)}, STRIDES),
            ({"strides": (-6,), "shape": (3,)}, STRIDES),
        ],
    )
    def test_convert_interface_with_swapped_bytes_or_odd_strides_is_refused(
        self, words: Any, reason: str, keywords: Any, to: str
    ) -> None:
        x = interface(**words)
        for verb in (interop.explain, interop.convert):
            with pytest.raises(interop.UnsupportedArrayError) as caught:
                verb(x, to, **keywords)
            if to != "numpy":
                assert reason in str(caught.value)
                assert str(caught.value).endswith(
                    "can't be asked for a copy. Copy it with its own library first."
                )

    @pytest.mark.parametrize(
        ("typestr", "shift", "size"), [("<f4", 2, 4), ("<f4", 1, 4), ("<c8", 4, 8), ("<c16", 8, 16)]
    )
    def test_convert_interface_at_odd_address_is_refused(
        self, typestr: str, shift: int, size: int
    ) -> None:
        block = memory(count=8)
        x = Interface(block, typestr=typestr, shape=(1,), data=(block.data.ptr + shift, False))
        for to in ("torch", "cupy"):
            with pytest.raises(interop.UnsupportedArrayError, match=ADDRESS.format(size)):
                interop.convert(x, to)

    @pytest.mark.parametrize(
        "typestr",
        [
            "<M8[ns]",
            "<m8[s]",
            "|V8",
            "|O8",
            "<U1",
            "|S4",
            "<f16",
            "xx",
            "",
            "f4, (",
            "f4,f4",
            None,
            5,
            object(),
        ],
    )
    def test_convert_interface_of_non_numbers_is_refused(self, typestr: Any) -> None:
        x = interface(typestr=typestr, shape=(1,))
        for verb in (interop.explain, interop.convert):
            for to in ("torch", "cupy"):
                with pytest.raises(interop.UnsupportedArrayError, match="plain numbers"):
                    verb(x, to)

    def test_convert_interface_of_records_is_refused(self) -> None:
        x = interface(typestr="|V8", descr=[("x", "<f4"), ("y", "<f4")], shape=(4,))
        with pytest.raises(interop.UnsupportedArrayError, match="plain numbers"):
            interop.to_torch(x)

    def test_convert_interface_with_more_strides_than_axes_is_refused(self) -> None:
        with pytest.raises(
            interop.UnsupportedArrayError, match=r"has the strides \(4, 4\) for the shape \("
        ):
            interop.to_torch(interface(strides=(4, 4)))

    @pytest.mark.parametrize("lacking", ["typestr", "shape", "data"])
    def test_convert_interface_with_missing_key_is_refused(self, lacking: str) -> None:
        x = interface()
        del x.__cuda_array_interface__[lacking]
        with pytest.raises(interop.UnsupportedArrayError, match=lacking):
            interop.to_torch(x)

    def test_export_interface_with_swapped_bytes_is_refused(self) -> None:
        with pytest.raises(
            interop.UnsupportedArrayError, match=f"{ORDER}.*can't be asked for a copy"
        ):
            interop.export(interface(typestr=">f4")).__dlpack__(stream=1)

    @pytest.mark.parametrize(
        ("typestr", "dtype"),
        [
            ("<f4", "float32"),
            ("=f4", "float32"),
            ("|b1", "bool"),
            ("|u1", "uint8"),
            ("<c8", "complex64"),
        ],
    )
    def test_convert_interface_of_native_numbers_shares_memory(
        self, typestr: str, dtype: str
    ) -> None:
        count = 32 // np.dtype(dtype).itemsize
        x = interface(typestr=typestr, shape=[count])
        expected = VALUES.view(np.uint8) != 0 if dtype == "bool" else VALUES.view(dtype)
        for to in ("torch", "cupy"):
            result = interop.convert(x, to, copy=False)
            assert interop.shares_memory(result, x)
            assert np.array_equal(interop.to_numpy(result).astype(bool), expected.astype(bool))
            assert str(interop.explain(x, to).dtype) == dtype

    def test_convert_interface_ignores_strides_of_an_axis_of_one_element(self) -> None:
        x = interface(shape=(1, 2), strides=(7, 4))
        assert interop.to_numpy(interop.to_cupy(x, copy=False)).tolist() == [[1, 2]]


class TestCuPy:
    """CuPy copies unsupported layouts: contiguous memory without a kernel, others bytewise."""

    @pytest.mark.parametrize("make", [odd, lambda: odd((2, 2), (10, 4)), lambda: odd((3,), (2,))])
    def test_convert_of_odd_strides_is_planned_as_a_copy(self, make: Any) -> None:
        x = make()
        plan = interop.explain(x, "torch")
        assert (plan.reason, plan.bytes_copied) == (STRIDES, x.nbytes)
        assert [(step.verb, step.side) for step in plan.steps] == [
            ("copy", "source"),
            ("share", "source"),
        ]
        for verb in (interop.explain, interop.convert):
            with pytest.raises(interop.CopyRequiredError, match=STRIDES):
                verb(x, "torch", copy=False)

    @pytest.mark.requires("simcuda")
    @pytest.mark.parametrize("verb", [
        interop.to_torch, interop.to_numpy, lambda x: interop.to_cupy(x, copy=True),
        lambda x: interop.export(x).__dlpack__(stream=1), lambda x: interop.stack([x, x], "torch"),
    ])  # fmt: skip
    def test_convert_of_odd_strides_without_kernels_raises(self, verb: Any) -> None:
        with pytest.raises(Exception, match="not simulated"):
            verb(odd())

    @pytest.mark.requires("kernels")
    def test_convert_of_odd_strides_with_kernels_gives_the_values(self) -> None:
        expected = np.ndarray((3,), "float32", VALUES.tobytes(), 0, (6,))
        for result in (
            interop.to_torch(odd()),
            interop.to_numpy(odd()),
            interop.to_cupy(odd(), copy=True),
        ):
            assert np.array_equal(interop.to_numpy(result), expected, equal_nan=True)

    @pytest.mark.parametrize(
        ("dtype", "shift"), [("float32", 2), ("float32", 1), ("complex64", 4), ("complex128", 8)]
    )
    def test_convert_cupy_array_at_odd_address_copies(self, dtype: str, shift: int) -> None:
        x = memory(shift, dtype)
        reason = ADDRESS.format(np.dtype(dtype).itemsize)
        assert interop.explain(x, "torch").reason == reason
        copies = [
            interop.to_torch(x), interop.to_numpy(x), interop.to_cupy(x, copy=True), interop.to_torch(x, device="cpu"),
        ]  # fmt: skip
        for copied in copies:
            assert not interop.shares_memory(copied, x)
            assert interop.to_numpy(copied).tolist() == VALUES[:3].astype(dtype).tolist()
        with pytest.raises(interop.CopyRequiredError, match=reason):
            interop.to_torch(x, copy=False)

    def test_convert_aligned_cupy_array_shares_memory(self) -> None:
        x = memory(16, "complex128")
        assert interop.shares_memory(interop.to_torch(x, copy=False), x)

    def test_to_cupy_of_odd_strides_returns_the_array(self) -> None:
        x = odd()
        assert interop.to_cupy(x) is x


class TestTorch:
    """torch adopts such memory without a check, and its kernels fail with a sticky error."""

    @pytest.mark.parametrize(
        ("dtype", "shift"), [("float32", 2), ("complex64", 4), ("complex128", 8)]
    )
    def test_convert_tensor_at_odd_address_copies(self, dtype: str, shift: int) -> None:
        import torch

        block = memory(shift, dtype)
        t = torch.as_tensor(Interface(block), device="cuda")
        assert t.data_ptr() == block.data.ptr
        assert interop.explain(t, "cupy").reason == ADDRESS.format(t.element_size())
        copies = [
            interop.to_cupy(t), interop.to_numpy(t), interop.to_torch(t, copy=True), interop.to_torch(t, device="cpu"),
        ]  # fmt: skip
        for copied in copies:
            assert interop.to_numpy(copied).tolist() == VALUES[:3].astype(dtype).tolist()
        with pytest.raises(interop.CopyRequiredError, match="its address"):
            interop.to_cupy(t, copy=False)
