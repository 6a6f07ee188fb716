"""DLPack producers with inconsistent answers, and consumers that cast."""

from typing import Any

import numpy as np
import pytest

import interop


class Old:
    def __init__(self, array: Any) -> None:
        self.array = array

    def __dlpack__(self, stream: Any = None) -> Any:
        return self.array.__dlpack__()

    def __dlpack_device__(self) -> Any:
        return (1, 0)


class New(Old):
    def __dlpack__(self, stream: Any = None, max_version: Any = None) -> Any:
        return self.array.__dlpack__(max_version=max_version)


class Box:
    """An object that forwards the protocol of another object."""

    def __init__(self, inner: Any) -> None:
        self.inner = inner

    __dlpack__ = property(lambda self: self.inner.__dlpack__)
    __dlpack_device__ = property(lambda self: self.inner.__dlpack_device__)


class Ordered:
    """A GPU array with shape and dtype that refuses a capsule without a stream."""

    shape = (6,)
    dtype = "float64"

    def __init__(self, array: Any) -> None:
        self.array = array

    def __dlpack__(self, *, stream: Any = None, max_version: Any = None) -> Any:
        if stream == -1:
            raise BufferError("no capsule without an order")
        return self.array.__dlpack__(stream=stream, max_version=max_version)

    def __dlpack_device__(self) -> Any:
        return (2, 0)


@pytest.mark.parametrize("first", [New, Old])
def test_to_numpy_objects_of_one_class_may_differ_in_dlpack_version(first: Any) -> None:
    for cls in (first, Old, New):
        assert interop.to_numpy(Box(cls(np.arange(3.0)))).tolist() == [0, 1, 2]


@pytest.mark.requires("torch", "cupy", "gpu")
def test_convert_producer_that_requires_a_stream_is_shared() -> None:
    import cupy

    host = np.arange(6.0)
    x = Ordered(cupy.asarray(host))
    assert interop.explain(x, "torch").zero_copy
    assert interop.to_torch(x).cpu().tolist() == host.tolist()
    assert interop.to_cupy(x).get().tolist() == host.tolist()
    assert interop.export(x).__dlpack_device__() == (2, 0)


def test_export_asarray_with_another_dtype_is_recorded_as_a_copy() -> None:
    exported = interop.export(np.arange(3.0))
    with interop.watch() as log:
        assert np.asarray(exported, dtype="float32").dtype == np.float32
    assert [(record.plan.dtype, record.bytes_copied) for record in log][-1] == ("float32", 12)
