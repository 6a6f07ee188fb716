"""DLPack capsules and their metadata."""

import gc
import weakref
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.dlpack import from_dlpack

import interop

from .producers import (
    IS_COPIED,
    DLPack,
    LegacyDLPack,
    OffsetDLPack,
    address,
    tensor_in,
    versioned_in,
)
from .upstream import may_fail, may_go_wrong

TARGETS = pytest.mark.parametrize("to", ["numpy", "torch"])


class TestWords:
    """Trap 24: The metadata that comes with the memory is unreliable. torch copies without setting
    the flag `IS_COPIED`, `data.mem.size` of CuPy is wrong for arrays that CuPy imported, and not
    every library supports the byte offset.

    interop relies on none of them. It computes sizes from the shape and the dtype, and makes
    requested copies itself.
    """

    @pytest.mark.requires("torch-dlpack")
    def test_plain_torch_dlpack_copy_may_lack_the_is_copied_flag(self) -> None:
        capsule = torch.ones(3).__dlpack__(copy=True, max_version=(1, 0))
        may_go_wrong(lambda: versioned_in(capsule).flags & IS_COPIED, wrong=0, right=IS_COPIED)

    @TARGETS
    @pytest.mark.requires("numpy-dlpack")
    def test_convert_copy_true_does_not_rely_on_the_producer(self, to: str) -> None:
        class Sharing(DLPack):
            def __dlpack__(self, **keywords: Any) -> Any:
                return super().__dlpack__(**{**keywords, "copy": None})

        source = Sharing(np.arange(3.0))
        result = interop.convert(source, to, copy=True)
        result += 1
        assert source.array.tolist() == [0, 1, 2]

    @TARGETS
    def test_convert_dlpack_byte_offset_is_respected(self, to: str) -> None:
        source = OffsetDLPack(np.arange(1, 4.0))
        result = interop.convert(source, to, copy=False, readonly="share")
        assert result.tolist() == [1, 2, 3]
        assert address(result) == source.array.ctypes.data
        assert interop.shares_memory(source, result)
        assert tensor_in(source.__dlpack__()).byte_offset == 8

    @pytest.mark.parametrize("count", [0, 1, 3])
    def test_explain_bytes_copied_come_from_shape_and_dtype(self, count: int) -> None:
        memory = np.zeros(100)[:count][::-1]
        assert interop.explain(DLPack(memory), "torch", copy=True).bytes_copied == 8 * count


class TestDeviceTypes:
    """Trap 25: DLPack has two device types for pinned memory, 3 and 11, and one for managed memory,
    13. torch imports none of them, CuPy rejects 1, 3 and 11, and NumPy accepts 1, 3, 11 and 13.

    interop treats 3 and 11 as host memory. It treats 13 as device memory for the frameworks that
    support CUDA.
    """

    PINNED = pytest.mark.parametrize("kind", [3, 11])

    @PINNED
    def test_plain_torch_from_dlpack_may_reject_pinned_memory(self, kind: int) -> None:
        may_fail(lambda: from_dlpack(DLPack(np.ones(3), (kind, 0))), Exception)

    @PINNED
    @TARGETS
    @pytest.mark.requires("numpy-dlpack")
    def test_convert_pinned_memory_is_shared_as_host_memory(self, kind: int, to: str) -> None:
        source = DLPack(np.arange(3.0), (kind, 0))
        assert interop.device_of(source) == (1, 0)
        result = interop.convert(source, to, copy=False)
        assert result.tolist() == [0, 1, 2]
        assert address(result) == source.array.ctypes.data
        result += 1
        assert source.array.tolist() == [1, 2, 3]

    def test_device_of_managed_memory_is_the_cuda_device(self) -> None:
        source = DLPack(np.arange(3.0), (13, 1))
        assert interop.device_of(source) == (2, 1)

    @TARGETS
    def test_convert_managed_memory_is_not_taken_as_host_memory(self, to: str) -> None:
        source = DLPack(np.arange(3.0), (13, 0))
        if torch.cuda.is_available() and to == "torch":
            pytest.skip("there its memory is not a device's")
        for call in (interop.convert, interop.explain):
            with pytest.raises(interop.InteropError, match="cuda:0"):
                call(source, to)
        assert {keywords.get("stream") for keywords in source.asked} == {-1, None}, (
            "only the header was looked at"
        )

    @pytest.mark.requires("gpu")
    def test_to_numpy_pinned_tensor_is_shared(self) -> None:
        tensor = torch.arange(3.0).pin_memory()
        array = interop.to_numpy(tensor, copy=False)
        assert (array.tolist(), address(array)) == ([0, 1, 2], tensor.data_ptr())

    @pytest.mark.requires("cupy", "gpu")
    def test_to_torch_managed_memory_of_cupy_is_shared(self) -> None:
        import cupy

        with cupy.cuda.using_allocator(cupy.cuda.malloc_managed):
            source = cupy.empty(3)
            source.set(np.arange(3.0))
        tensor = interop.to_torch(source, copy=False)
        assert (tensor.device.type, tensor.tolist(), tensor.data_ptr()) == (
            "cuda",
            [0, 1, 2],
            source.data.ptr,
        )


class Watched(np.ndarray[Any, Any]):
    """An ndarray that can be referred to weakly."""


class TestCapsules:
    """Trap 26: A capsule can be consumed only once. Code that keeps a capsule fails the second
    time, or keeps memory alive.

    interop keeps no capsule. It requests one only when it is about to use it or to read its header.
    """

    def test_plain_torch_from_dlpack_may_reject_a_used_capsule(self) -> None:
        capsule = torch.ones(3).__dlpack__()
        from_dlpack(capsule)
        may_fail(lambda: from_dlpack(capsule), RuntimeError)

    @TARGETS
    @pytest.mark.parametrize("producer", [DLPack, LegacyDLPack])
    def test_convert_same_producer_again_shares_the_same_memory(
        self, to: str, producer: type[Any]
    ) -> None:
        source = producer(np.arange(3.0))
        results = [interop.convert(source, to, readonly="share") for _ in range(3)]
        assert {address(result) for result in results} == {source.array.ctypes.data}

    @pytest.mark.parametrize("producer", [DLPack, LegacyDLPack])
    def test_to_torch_producer_after_a_refusal_is_converted(self, producer: type[Any]) -> None:
        source = producer(np.arange(3.0)[::-1])
        with pytest.raises(interop.CopyRequiredError):
            interop.to_torch(source, copy=False)
        interop.explain(source, "torch")
        assert interop.device_of(source) == (1, 0)
        assert interop.to_torch(source).tolist() == [2, 1, 0]

    @TARGETS
    @pytest.mark.parametrize("producer", [DLPack, LegacyDLPack])
    @pytest.mark.parametrize("action", ["convert", "copy", "explain", "refuse"])
    def test_convert_and_explain_release_the_memory_of_the_producer(
        self, to: str, producer: type[Any], action: str
    ) -> None:
        source = producer(np.arange(3.0).view(Watched)[::-1])
        memory = weakref.ref(source.array)
        if action == "refuse":
            with pytest.raises(interop.InteropError):
                interop.convert(source, to, dtype="int8")
        else:
            call = interop.explain if action == "explain" else interop.convert
            call(source, to, copy=True if action == "copy" else None)
        del source
        gc.collect()
        assert memory() is None


class Broken(DLPack):
    """Lends capsules with one field of the header changed."""

    def __init__(self, array: Any, field: str, value: Any) -> None:
        super().__init__(array)
        self.change = field, value

    def __dlpack__(self, **keywords: Any) -> Any:
        capsule = super().__dlpack__(**keywords)
        setattr(tensor_in(capsule), *self.change)
        return capsule


class TestHeaders:
    """Trap 28, silent: Consumers trust a capsule even if its header is wrong. If the memory of
    existing elements is a null pointer, NumPy returns uninitialised numbers and torch aborts the
    process. torch also crashes on a negative number of axes.

    interop reads the header before a framework takes over the capsule, and refuses impossible axes,
    shapes, sizes, pointers, dtypes and devices.
    """

    CHANGES = pytest.mark.parametrize(
        ("field", "value"), [("data", None), ("ndim", -1), ("ndim", 65), ("shape", None)]
    )

    def test_plain_numpy_from_dlpack_may_accept_a_null_pointer(self) -> None:
        array = np.zeros(3)
        may_go_wrong(
            lambda: np.from_dlpack(Broken(array, "data", None)).ctypes.data != 0,
            wrong=True,
            right="an error",
        )

    @TARGETS
    @CHANGES
    def test_convert_capsule_with_invalid_header_is_refused(
        self, to: str, field: str, value: Any
    ) -> None:
        for call in (interop.convert, interop.explain):
            with pytest.raises(interop.UnsupportedArrayError, match="its capsule has"):
                call(Broken(np.zeros(3), field, value), to)
