"""Lifetime of shared memory."""

import array
import gc
import mmap
from collections.abc import Callable
from multiprocessing import shared_memory
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


def share(tensor: torch.Tensor) -> None:
    tensor.share_memory_()  # type: ignore[no-untyped-call]


def share_in_module(tensor: torch.Tensor) -> None:
    torch.nn.ParameterList([torch.nn.Parameter(tensor, requires_grad=False)]).share_memory()


def reduce_for_a_queue(tensor: torch.Tensor) -> None:
    """Pickle as a queue of `torch.multiprocessing` does."""
    from multiprocessing.reduction import ForkingPickler

    torch.multiprocessing.reductions.init_reductions()  # type: ignore[no-untyped-call]
    ForkingPickler.dumps(tensor)


class TestMovedMemory:
    """Trap 29, silent: `t.share_memory_()` moves the memory of a host tensor and frees the old
    memory, even if a NumPy array uses it: the array crashes the process or shows other numbers.
    `module.share_memory()` and a queue of `torch.multiprocessing` call it, too. In the same way,
    NumPy's `a.resize(n, refcheck=False)` frees the memory of `torch.from_numpy(a)`.

    interop cannot forbid this, because torch and NumPy ask nobody. Call `share_memory_` before the
    conversion, or convert with `copy=True`.
    """

    MOVES = pytest.mark.parametrize("move", [share, share_in_module, reduce_for_a_queue])

    @pytest.mark.parametrize("convert", ["torch.Tensor.numpy", "interop.to_numpy"])
    def test_to_numpy_view_may_dangle_after_share_memory(self, convert: str) -> None:
        code = f"""
            t = torch.arange(1e6)
            view = {convert}(t)
            before = t.data_ptr()
            t.share_memory_()
            print(t.data_ptr() != before, flush=True)
            keep = [torch.full((10**6,), -1.0) for _ in range(20)]
            print((view == np.arange(1e6)).all(), flush=True)"""
        said = in_child(code)
        # The process has crashed, or torch has learnt to keep the memory.
        assert said in (["True"], ["True", "False"], ["True", "True"], ["False", "True"])

    @MOVES
    def test_to_numpy_after_share_memory_keeps_values(
        self, move: Callable[[torch.Tensor], None]
    ) -> None:
        tensor = torch.arange(1000.0)
        share(tensor)
        view = interop.to_numpy(tensor)
        move(tensor)
        churn(1000)
        assert view.ctypes.data == tensor.data_ptr()
        assert (view == np.arange(1000)).all()

    @MOVES
    def test_to_numpy_copy_true_keeps_values_after_share_memory(
        self, move: Callable[[torch.Tensor], None]
    ) -> None:
        tensor = torch.arange(1000.0)
        copied = interop.to_numpy(tensor, copy=True)
        move(tensor)
        churn(1000)
        assert (copied == np.arange(1000)).all()

    def test_to_numpy_view_is_not_moved_by_pin_memory_or_a_cast(self) -> None:
        """These return copies."""
        tensor = torch.arange(1000.0)
        view = interop.to_numpy(tensor)
        tensor.half(), tensor.clone(), tensor.contiguous()
        if torch.cuda.is_available():
            tensor.pin_memory()
        churn(1000)
        assert view.ctypes.data == tensor.data_ptr()
        assert (view == np.arange(1000)).all()

    @pytest.mark.parametrize("convert", ["torch.from_numpy", "interop.to_torch"])
    def test_to_torch_tensor_may_dangle_after_resize_without_refcheck(self, convert: str) -> None:
        code = f"""
            a = np.arange(1e6)
            t = {convert}(a)
            a.resize(10**7, refcheck=False)
            print(a.ctypes.data != t.data_ptr(), flush=True)"""
        assert in_child(code) in (["True"], ["False"], [])

    def test_to_torch_copy_true_survives_resize_without_refcheck(self) -> None:
        array = np.arange(1000.0)
        copied = interop.to_torch(array, copy=True)
        array.resize(100_000, refcheck=False)
        churn(1000)
        assert copied.tolist() == list(range(1000))


class TestOwnersOfBuffers:
    """Trap 30: A `bytearray`, an `array.array`, an `mmap` or a `SharedMemory` would move or free
    its memory by `extend`, `append`, `resize` or `close`, while an array uses the memory.

    interop holds the buffer of the owner for as long as the array exists, so the owner raises a
    BufferError.
    """

    @pytest.mark.parametrize("to", ["numpy", "torch"])
    @pytest.mark.parametrize("release", ["extend", "clear"])
    def test_convert_bytearray_refuses_to_move(self, to: str, release: str) -> None:
        owner = bytearray(range(100))
        result = interop.convert(owner, to)
        with pytest.raises(BufferError):
            owner.extend(bytes(10_000)) if release == "extend" else owner.clear()
        assert result.tolist() == list(range(100))

    @pytest.mark.parametrize("to", ["numpy", "torch"])
    def test_convert_array_of_the_standard_library_refuses_to_move(self, to: str) -> None:
        owner = array.array("f", range(100))
        result = interop.convert(owner, to)
        with pytest.raises(BufferError):
            owner.append(1)
        assert result.tolist() == list(range(100))

    @pytest.mark.parametrize("to", ["numpy", "torch"])
    def test_convert_mmap_refuses_to_close_or_resize(self, to: str) -> None:
        owner = mmap.mmap(-1, 4096)
        result = interop.convert(owner, to)
        with pytest.raises(BufferError):
            owner.close()
        with pytest.raises(BufferError):
            owner.resize(8192)
        assert result.tolist() == [0] * 4096

    @pytest.mark.parametrize("to", ["numpy", "torch"])
    def test_convert_shared_memory_refuses_to_close(self, to: str) -> None:
        owner = shared_memory.SharedMemory(create=True, size=4096)
        try:
            result = interop.convert(owner.buf, to)
            with pytest.raises(BufferError):
                owner.close()
            assert result.tolist()[:10] == [0] * 10
            del result
            gc.collect()
            owner.close()
        finally:
            owner.unlink()
