"""Objects read in unusual ways: cached memory, raising attributes, invalid shapes, other axes."""

import weakref
from typing import Any

import numpy as np
import pytest

import interop


class Ring:
    """An object that returns two buffers in turn, as a camera does."""

    def __init__(self, *, readonly: bool = False) -> None:
        self.buffers = [np.zeros(4), np.ones(4)]
        self.turn = 0
        self.readonly = readonly

    def __array__(self, dtype: object = None, copy: object = None) -> Any:
        self.turn += 1
        view = self.buffers[self.turn % 2].view()
        view.flags.writeable = not self.readonly
        return view


class Window:
    """An object that returns the next part of a buffer at each read."""

    def __init__(self) -> None:
        self.buffers = [np.arange(12.0)]
        self.start = -4

    def __array__(self, dtype: object = None, copy: object = None) -> Any:
        self.start += 4
        return self.buffers[0][self.start : self.start + 4]


class Bytes:
    """An object whose array interface returns two buffers in turn."""

    def __init__(self) -> None:
        self.data = [bytearray(32), bytearray(32)]
        self.buffers = [np.frombuffer(data) for data in self.data]
        self.turn = 0

    @property
    def __array_interface__(self) -> dict[str, Any]:
        self.turn += 1
        return {"version": 3, "typestr": "<f8", "shape": (4,), "data": self.data[self.turn % 2]}


class Cached:
    """An object that returns the same array while another reference to the array exists."""

    def __init__(self) -> None:
        self.kept: Any = lambda: None

    def __array__(self, dtype: object = None, copy: object = None) -> Any:
        array = self.kept()
        if array is None:
            array = np.ones(3)
            self.kept = weakref.ref(array)
        return array


class Stated:
    """An object that states a shape, and returns an array or raises an exception."""

    dtype = np.dtype("float32")

    def __init__(self, shape: Any, answer: Any) -> None:
        self.shape = shape
        self.answer = answer

    def __array__(self, dtype: object = None, copy: object = None) -> Any:
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer.copy()


@pytest.mark.parametrize("make", [Ring, lambda: Ring(readonly=True), Window, Bytes])
@pytest.mark.parametrize("keywords", [{}, {"copy": True}], ids=str)
def test_to_numpy_object_that_reuses_its_buffers_is_copied(make: Any, keywords: Any) -> None:
    x = make()
    before = [buffer.copy() for buffer in x.buffers]
    result = interop.to_numpy(x, **keywords)
    assert not any(np.shares_memory(result, buffer) for buffer in x.buffers)
    result[...] = -1
    assert [buffer.tolist() for buffer in x.buffers] == [buffer.tolist() for buffer in before]


def test_to_numpy_copy_true_copies_a_weakly_kept_array() -> None:
    x = Cached()
    kept = interop.to_numpy(x, copy=True)
    assert not np.shares_memory(kept, x.__array__())


@pytest.mark.requires("torch")
@pytest.mark.parametrize(
    "error", [KeyError("k"), IndexError("i"), ZeroDivisionError("z"), AttributeError("a")], ids=repr
)
def test_to_torch_exception_during_reading_is_the_cause(error: Exception) -> None:
    with pytest.raises(interop.UnsupportedArrayError, match="can't be read") as caught:
        interop.to_torch(Stated((3,), error))
    assert caught.value.__cause__ is error


@pytest.mark.parametrize("error", [FileNotFoundError("gone"), MemoryError("full")], ids=repr)
def test_to_numpy_file_and_memory_errors_propagate_unchanged(error: Exception) -> None:
    with pytest.raises(type(error)) as caught:
        interop.to_numpy(Stated((3,), error))
    assert caught.value is error


@pytest.mark.requires("torch")
@pytest.mark.parametrize("shape", [(-1,), (2.5,), ("a",), [3]], ids=str)
def test_explain_impossible_stated_shape_is_ignored(shape: Any) -> None:
    x = Stated(shape, np.ones(3, "float32"))
    plan = interop.explain(x, "torch")
    assert (plan.shape, plan.bytes_copied) == ((3,), 12)
    assert interop.to_torch(x).tolist() == [1, 1, 1]


@pytest.mark.parametrize("axis", [0, 1, 2, -1, -3])
def test_stack_axis_counts_the_axes_that_were_read(axis: int) -> None:
    arrays = [np.arange(4.0).reshape(2, 2), np.ones((2, 2))]
    stated = [Stated((3,), array) for array in arrays]
    assert (
        interop.stack(stated, "numpy", axis=axis).tolist() == np.stack(arrays, axis=axis).tolist()
    )


def test_stack_axis_outside_the_shape_read_is_refused() -> None:
    with pytest.raises(
        interop.InvalidOptionError, match=r"from -1 to 0 for arrays of shape \(\), got 1"
    ):
        interop.stack([Stated((3,), np.zeros(()))] * 2, "numpy", axis=1)
