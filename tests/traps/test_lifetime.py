"""Lifetime of shared memory."""

import gc
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

import interop

from .upstream import in_child

SIZES = pytest.mark.parametrize("size", [100, 1_000_000], ids=["small", "large"])


def churn(size: int) -> list[torch.Tensor]:
    """Use up whatever memory has become free."""
    gc.collect()
    return [torch.full((size,), -1.0) for _ in range(20)]


def swap_data(tensor: torch.Tensor) -> None:
    tensor.data = torch.zeros(1)


def set_storage(tensor: torch.Tensor) -> None:
    with torch.no_grad():
        tensor.set_(torch.zeros(1).untyped_storage(), 0, (1,), (1,))


class TestSwappedStorage:
    """Trap 3, silent: After `np.from_dlpack(m.weight)`, a later `m.half()` or `t.data = ...` aborts
    the process or fills the view with random numbers. The capsule keeps the tensor alive, but the
    storage of the tensor has been replaced.

    interop exports a tensor of its own over the same storage, so the view keeps that storage alive.
    """

    def test_to_numpy_view_survives_module_half_where_plain_dlpack_may_not(self) -> None:
        code = """
            for convert in interop.to_numpy, np.from_dlpack:
                m = torch.nn.Linear(1000, 1000).requires_grad_(False)
                before = m.weight.tolist()
                view = convert(m.weight)
                m.half()
                keep = [torch.full((1000, 1000), -1.0) for _ in range(20)]
                print(view.tolist() == before, flush=True)"""
        assert in_child(code)[0] == "True"

    @SIZES
    @pytest.mark.parametrize("swap", [swap_data, set_storage])
    @pytest.mark.parametrize("grad", [False, True], ids=["plain", "detached"])
    def test_to_numpy_view_keeps_values_after_a_storage_swap(
        self, size: int, swap: Callable[[torch.Tensor], None], grad: bool
    ) -> None:
        tensor = torch.arange(float(size), requires_grad=grad)
        view = (
            interop.to_numpy(tensor, copy=False, detach=True) if grad else interop.to_numpy(tensor)
        )
        assert view.ctypes.data == tensor.data_ptr()
        swap(tensor)
        others = churn(size)
        assert (view == np.arange(size)).all()
        assert all(view.ctypes.data != other.data_ptr() for other in others)

    @SIZES
    def test_to_numpy_view_keeps_values_after_module_half(self, size: int) -> None:
        module = torch.nn.Linear(size, 1)
        before = module.weight.detach().clone().numpy()
        view = interop.to_numpy(module.weight, detach=True)
        module.half()
        churn(size)
        assert (view == before).all()

    @pytest.mark.requires("ml_dtypes")
    def test_to_numpy_bfloat16_view_keeps_values_after_a_storage_swap(self) -> None:
        tensor = torch.arange(100).to(torch.bfloat16)
        view = interop.to_numpy(tensor)
        assert view.ctypes.data == tensor.data_ptr()
        swap_data(tensor)
        churn(50)
        assert view.tolist() == list(range(100))

    @SIZES
    @pytest.mark.parametrize("to", ["numpy", "torch"])
    def test_convert_result_keeps_values_after_the_source_is_deleted(
        self, size: int, to: str
    ) -> None:
        source: Any = torch.arange(float(size)) if to == "numpy" else np.arange(float(size))
        view = interop.convert(source, to)
        del source
        churn(size)
        assert (np.asarray(view) == np.arange(size)).all()


def resize(tensor: torch.Tensor) -> None:
    tensor.resize_(1_000_000)


def resize_storage(tensor: torch.Tensor) -> None:
    tensor.untyped_storage().resize_(0)


def grow_out(tensor: torch.Tensor) -> None:
    torch.add(torch.ones(1_000_000), 1, out=tensor)


# torch warns that an `out` of the wrong size will not grow one day
@pytest.mark.filterwarnings("ignore:An output with one or more elements was resized:UserWarning")
class TestResizedStorage:
    """Trap 4, silent: A DLPack view points to freed memory after `t.resize_()`, after `out=t` that
    grows `t`, and after `t.untyped_storage().resize_(0)`.

    interop shares memory by `Tensor.numpy()`. After that, torch refuses to resize the tensor, and
    NumPy refuses to resize an array that is shared.
    """

    RESIZES = pytest.mark.parametrize("change", [resize, resize_storage, grow_out])

    @pytest.mark.parametrize(
        "change",
        [
            "t.resize_(10**7)",
            "t.untyped_storage().resize_(0)",
            "torch.add(torch.ones(10**7), 1, out=t)",
        ],
    )
    def test_to_numpy_forbids_resizing_where_plain_dlpack_may_dangle(self, change: str) -> None:
        code = f"""
            for convert in interop.to_numpy, np.from_dlpack:
                t = torch.arange(1e6)
                view = convert(t)
                try: {change}
                except RuntimeError: print("refused", flush=True)
                keep = [torch.full((10**6,), -1.0) for _ in range(20)]
                print((view == np.arange(1e6)).all(), flush=True)"""
        assert in_child(code)[:2] == ["refused", "True"]

    @RESIZES
    @pytest.mark.parametrize(
        "convert",
        [
            interop.to_numpy,
            lambda t: interop.to_numpy(t, copy=False),
            lambda t: interop.to_numpy(t[::2]),
            lambda t: interop.to_numpy(t.expand(3, 1000)),
            lambda t: interop.to_numpy(t.detach().requires_grad_(), detach=True),
        ],
        ids=["plain", "copy=False", "sliced", "expanded", "detached"],
    )
    def test_to_numpy_makes_the_tensor_refuse_to_resize(
        self, change: Callable[[torch.Tensor], None], convert: Callable[[torch.Tensor], Any]
    ) -> None:
        tensor = torch.arange(1000.0)
        view = convert(tensor)
        with pytest.raises(RuntimeError, match="not resizable"):
            change(tensor)
        churn(1000)
        assert view.max() >= 998

    @pytest.mark.requires("ml_dtypes")
    def test_to_numpy_makes_a_bfloat16_tensor_refuse_to_resize(self) -> None:
        tensor = torch.ones(1000, dtype=torch.bfloat16)
        view = interop.to_numpy(tensor)
        with pytest.raises(RuntimeError, match="not resizable"):
            resize_storage(tensor)
        assert view.tolist() == [1] * 1000

    @pytest.mark.parametrize("readonly", [False, True])
    def test_to_torch_shared_tensor_refuses_to_resize(self, readonly: bool) -> None:
        array = np.arange(1000.0)
        array.flags.writeable = not readonly
        for change in (resize, resize_storage):
            tensor = interop.to_torch(array, readonly="share", copy=False)
            with pytest.raises(RuntimeError, match="not resizable"):
                change(tensor)
        assert (array == np.arange(1000)).all()

    def test_to_torch_makes_the_ndarray_refuse_to_resize(self) -> None:
        array = np.arange(1000.0)
        tensor = interop.to_torch(array)
        with pytest.raises(ValueError, match="cannot resize"):
            array.resize(1_000_000)
        assert tensor.sum() == 499_500

    def test_copy_true_leaves_the_source_resizable(self) -> None:
        tensor = torch.arange(1000.0)
        array = interop.to_numpy(tensor, copy=True)
        resize(tensor)
        assert (array == np.arange(1000)).all()
