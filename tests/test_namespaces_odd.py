"""Unusual namespaces: some copy, ignore read-only flags, or create no arrays."""

import ctypes
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import interop

BASE = np.arange(6.0).reshape(2, 3)
NEITHER = "it has neither from_dlpack nor asarray"


class Box:
    """An array that can only be read, with attributes that the namespace decides."""

    def __init__(self, array: NDArray[Any]) -> None:
        self.array = array
        self.shape, self.dtype = array.shape, array.dtype

    def __array__(self, dtype: Any = None, *, copy: bool | None = None) -> NDArray[Any]:
        return np.array(self.array, dtype, copy=copy)


class Lent(Box):
    """An array that lends its memory without a read-only flag."""

    def __dlpack_device__(self) -> tuple[int, int]:
        return 1, 0

    def __dlpack__(self, **keywords: Any) -> Any:
        return self.array.__dlpack__(**keywords)

    def __setitem__(self, index: Any, value: Any) -> None:
        memory = (ctypes.c_char * self.array.nbytes).from_address(self.array.ctypes.data)
        np.frombuffer(memoryview(memory), self.array.dtype).reshape(self.array.shape)[index] = value


def namespace(**contents: Any) -> ModuleType:
    module = ModuleType("boxes")
    vars(module).update(contents)
    return module


def test_convert_and_explain_to_a_namespace_without_from_dlpack_copy() -> None:
    boxes = namespace(asarray=lambda x, copy=None: Box(np.array(x, copy=copy)))
    array = BASE[::-1].copy()
    plan, x = interop.explain(array, boxes), interop.convert(array, boxes)
    assert plan.bytes_copied == array.nbytes
    assert plan.reason == "boxes always copies into its own memory"
    assert x.array.tolist() == array.tolist()
    assert not np.shares_memory(x.array, array)
    assert interop.convert(x, boxes) is x
    with pytest.raises(interop.CopyRequiredError, match="boxes always copies into its own memory"):
        interop.convert(array, boxes, copy=False)


def test_convert_gives_a_copy_to_an_asarray_that_shares_memory() -> None:
    boxes = namespace(asarray=lambda x: Box(np.asarray(x)))
    x = interop.convert(BASE, boxes)
    assert not np.shares_memory(x.array, BASE)
    assert not np.shares_memory(interop.convert(x, boxes, copy=True).array, x.array)


def test_explain_from_dlpack_that_copies_is_reported_as_a_copy() -> None:
    boxes = namespace(
        from_dlpack=lambda x: Lent(np.from_dlpack(x).copy()), asarray=lambda x: Lent(np.asarray(x))
    )
    assert not interop.explain(BASE, boxes).zero_copy
    assert not np.shares_memory(interop.convert(BASE, boxes).array, BASE)


@pytest.mark.requires("numpy-dlpack")
def test_convert_copy_false_refuses_a_from_dlpack_that_sometimes_copies() -> None:
    boxes = namespace(
        from_dlpack=lambda x: Lent(np.ascontiguousarray(np.from_dlpack(x))),
        asarray=lambda x: Lent(np.asarray(x)),
    )
    assert np.shares_memory(interop.convert(BASE, boxes).array, BASE)
    x = interop.convert(BASE.T, boxes)
    assert x.array.tolist() == BASE.T.tolist()
    with pytest.raises(interop.CopyRequiredError, match=r"boxes\.from_dlpack copies it"):
        interop.convert(BASE.T, boxes, copy=False)


@pytest.mark.requires("numpy-dlpack")
def test_convert_read_only_array_is_copied_for_a_namespace_without_protection() -> None:
    boxes = namespace(from_dlpack=lambda x: Lent(np.from_dlpack(x)))
    array = BASE.copy()
    array.flags.writeable = False
    assert np.shares_memory(interop.convert(BASE, boxes).array, BASE)
    x = interop.convert(array, boxes)
    assert (
        interop.explain(array, boxes).reason
        == "it is read-only, and boxes would write to it all the same"
    )
    x[0, 0] = 7
    assert array[0, 0] == 0


def test_convert_to_a_namespace_that_changes_a_dtype_refuses_that_dtype() -> None:
    boxes = namespace(
        asarray=lambda x: Box(
            np.asarray(x, "float32" if np.asarray(x).dtype == "float64" else None)
        )
    )
    with pytest.raises(interop.UnsupportedArrayError, match="boxes has no float64"):
        interop.convert(BASE, boxes)
    assert interop.convert(BASE, boxes, dtype="float32").dtype == "float32"


def test_convert_error_raised_by_a_namespace_is_the_cause() -> None:
    def fail(x: NDArray[Any]) -> Any:
        if x.size > 1:
            msg = "too many"
            raise RuntimeError(msg)
        return Box(x)

    with pytest.raises(interop.UnsupportedArrayError) as caught:
        interop.convert(BASE, namespace(asarray=fail))
    assert str(caught.value) == "boxes refuses an array of float64 (2, 3) (RuntimeError: too many)"
    assert isinstance(caught.value.__cause__, RuntimeError)


def test_convert_to_a_namespace_of_numpy_arrays_returns_an_ndarray() -> None:
    assert type(interop.convert(BASE, namespace(asarray=np.asarray))) is np.ndarray


def fail(_: object) -> None:
    msg = "not today"
    raise TypeError(msg)


@pytest.mark.parametrize(
    ("module", "why"),
    [
        (namespace(), NEITHER),
        (pytest, NEITHER),
        (
            namespace(asarray=list),
            "asarray returns an object of the class list without shape and dtype",
        ),
        (
            namespace(asarray=lambda _: SimpleNamespace(shape=(1,), dtype="object")),
            "asarray returns dtype object and shape (1,) for an array of dtype float32 and shape (1,)",
        ),
        (
            namespace(
                asarray=lambda _: SimpleNamespace(
                    shape=(1,), dtype="float32", __dlpack_device__=lambda: (2, 0)
                )
            ),
            "asarray returns an array that is not on the host",
        ),
        (
            namespace(from_dlpack=lambda x: Lent(x.copy()), asarray=fail),
            "from_dlpack copies its argument; asarray raises TypeError: not today",
        ),
    ],
)
def test_convert_to_an_unusable_module_is_refused_with_the_reason(
    module: ModuleType, why: str
) -> None:
    with pytest.raises(interop.UnknownFrameworkError) as caught:
        interop.convert(BASE, module)
    known = ", ".join(info.name for info in interop.frameworks())
    not_taken = f"the module {module.__name__} is not an array-API namespace"
    assert str(caught.value) == f"{not_taken}, because {why}. Known frameworks: {known}."
