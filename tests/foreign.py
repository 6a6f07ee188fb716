"""Objects of no known framework that lend an array's memory by exactly one protocol each."""

from collections.abc import Callable
from typing import Any


class Speaker:
    def __init__(self, array: Any) -> None:
        self._array = array


class DLPack(Speaker):
    """DLPack 1.0 or later, whose capsules mark read-only memory."""

    def __dlpack__(self, **keywords: Any) -> Any:
        return self._array.__dlpack__(**keywords)

    def __dlpack_device__(self) -> Any:
        return self._array.__dlpack_device__()


class OldDLPack(DLPack):
    """DLPack before 1.0, whose capsules do not mark read-only memory."""

    def __dlpack__(self, stream: object = None) -> Any:  # type: ignore[override]  # old signature
        return self._array.__dlpack__(stream=stream)


def altering(change: Callable[[Any], None], base: type[Any] = DLPack) -> type[Any]:
    """Return a class of DLPack producers that change each capsule before they lend it."""

    class Producer(base):  # type: ignore[misc]
        def __dlpack__(self, **keywords: Any) -> Any:
            lent = super().__dlpack__(**keywords)
            change(lent)
            return lent

    class Old(base):  # type: ignore[misc]
        def __dlpack__(self, stream: object = None) -> Any:
            lent = super().__dlpack__(stream)
            change(lent)
            return lent

    return Old if base is OldDLPack else Producer


class ArrayInterface(Speaker):
    @property
    def __array_interface__(self) -> Any:
        return self._array.__array_interface__


class Array(Speaker):
    """An object that must be read by `__array__`, although this one returns the original array."""

    def __array__(self, dtype: object = None, copy: object = None) -> Any:
        assert dtype is None
        assert copy is None
        return self._array

    @property
    def shape(self) -> Any:
        return self._array.shape

    @property
    def dtype(self) -> Any:
        return self._array.dtype


class Lazy:
    """An object that is read by slices only, as h5py datasets are, and that records the reads."""

    def __init__(
        self, values: Any, shape: tuple[int, ...] | None = None, dtype: object = None
    ) -> None:
        self._values = values
        self.shape = values.shape if shape is None else shape
        self.dtype = dtype or values.dtype
        self.read: list[Any] = []

    def __getitem__(self, index: Any) -> Any:
        self.read.append(index)
        return self._values[index].copy()

    def __array__(self, dtype: object = None, copy: object = None) -> Any:
        raise AssertionError("it was read as a whole")


class Stated(Speaker):
    """An object that states a dtype and a shape, as files do, and may return another array."""

    def __init__(
        self, array: Any, dtype: object = "int16", shape: tuple[int, ...] | None = None
    ) -> None:
        super().__init__(array)
        self.dtype = dtype
        self.shape = array.shape if shape is None else shape
        self.reads = 0

    def __array__(self, dtype: object = None, copy: object = None) -> Any:
        self.reads += 1
        return self._array.copy()
