"""DLPack producers with inconsistent answers, and consumers that cast."""

import gc
import weakref
from collections.abc import Callable
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
@pytest.mark.requires("numpy-dlpack")
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


# -- contradictions --------------------------------------------------------------------------------


class Stating(New):
    """A producer with other attributes than its capsule says."""

    def __init__(self, array: Any, **stated: Any) -> None:
        super().__init__(array)
        vars(self).update(stated)


@pytest.mark.parametrize(
    ("stated", "reason"),
    [
        ({"shape": (3,)}, r"it has the shape \(3,\), and its capsule has the shape \(6,\)"),
        ({"shape": ()}, r"it has the shape \(\), and its capsule has the shape \(6,\)"),
        ({"dtype": "int64"}, "it has the dtype int64, and its capsule has the dtype float64"),
        ({"dtype": np.dtype("bool")}, "it has the dtype bool, and its capsule has the dtype"),
    ],
)
@pytest.mark.requires("numpy-dlpack")
def test_convert_producer_that_contradicts_its_capsule_is_refused(
    stated: dict[str, Any], reason: str
) -> None:
    for call in (interop.convert, interop.explain):
        with pytest.raises(interop.UnsupportedArrayError, match=reason):
            call(Stating(np.arange(6.0), **stated), "numpy")


@pytest.mark.parametrize(
    "stated",
    [
        {"shape": (6,), "dtype": "float64"},
        {"shape": [3], "dtype": "Float64"},
        {"shape": lambda: (3,), "dtype": None},
        {"shape": (None,), "dtype": object()},
    ],
)
@pytest.mark.requires("numpy-dlpack")
def test_convert_producer_with_attributes_of_its_own_kind_is_shared(stated: dict[str, Any]) -> None:
    """Only a tuple of lengths and a dtype of plain numbers can contradict a capsule."""
    array = np.arange(6.0)
    assert interop.shares_memory(interop.to_numpy(Stating(array, **stated), copy=False), array)


@pytest.mark.requires("numpy-dlpack")
def test_convert_producer_whose_attribute_fails_is_refused_with_its_error() -> None:
    class Failing(New):
        @property
        def shape(self) -> Any:
            raise RuntimeError("no shape today")

    with pytest.raises(interop.UnsupportedArrayError, match="RuntimeError: no shape today"):
        interop.to_numpy(Failing(np.arange(6.0)))


class Unsigned:
    """A producer whose `__dlpack__` has no signature, as many that are written in C."""

    def __init__(self, array: Any) -> None:
        self.inner = Old(array)

    @property
    def __dlpack__(self) -> Any:
        return Method(self.inner)

    def __dlpack_device__(self) -> Any:
        return (1, 0)


class Method:
    __signature__ = "none"

    def __init__(self, inner: Any) -> None:
        self.inner = inner

    def __call__(self, **keywords: Any) -> Any:
        return self.inner.__dlpack__(**keywords)


@pytest.mark.parametrize("cls", [Old, New])
@pytest.mark.requires("numpy-dlpack")
def test_to_numpy_method_without_a_signature_is_asked_with_a_version_first(cls: Any) -> None:
    x = Unsigned(np.arange(3.0))
    x.inner = cls(x.inner.array)
    array = interop.to_numpy(x)
    assert array.tolist() == [0, 1, 2]
    # Only a capsule with a version says that the memory may be written to.
    assert array.flags.writeable == (cls is New)


@pytest.mark.parametrize(
    "call", [interop.to_numpy, interop.to_torch, lambda x: interop.explain(x, "torch")]
)
def test_producer_that_keeps_its_error_is_freed_with_its_array(call: Callable[[Any], Any]) -> None:
    """The second protocol opens an array that keeps the producer, and the error names the frames."""

    class Keeper:
        def __init__(self) -> None:
            self.array = np.arange(3.0)
            self.__array_interface__ = self.array.__array_interface__

        def __dlpack_device__(self) -> tuple[int, int]:
            return 1, 0

        def __dlpack__(self, **_: Any) -> Any:
            self.error = RuntimeError("not now")
            raise self.error

    producer = Keeper()
    seen = weakref.ref(producer)
    result = call(producer)
    assert str(producer.error) == "not now"
    del producer, result
    gc.collect()
    assert seen() is None
