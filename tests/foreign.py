"""Objects of no known framework that lend an array's memory by exactly one protocol each."""

from typing import Any


class Speaker:
    def __init__(self, array: Any) -> None:
        self._array = array


class DLPack(Speaker):
    """DLPack 1.0 or later: its capsule tells read-only memory."""

    def __dlpack__(self, **keywords: Any) -> Any:
        return self._array.__dlpack__(**keywords)

    def __dlpack_device__(self) -> Any:
        return self._array.__dlpack_device__()


class OldDLPack(DLPack):
    """DLPack before 1.0: whether its memory is read-only, nobody knows."""

    def __dlpack__(self, stream: object = None) -> Any:  # type: ignore[override]  # that is the point
        return self._array.__dlpack__(stream=stream)


class ArrayInterface(Speaker):
    @property
    def __array_interface__(self) -> Any:
        return self._array.__array_interface__


class Array(Speaker):
    """Something that has to be read, though this one keeps what it gives."""

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
    """Something that is read as it is sliced, as datasets of h5py are, never as a whole; it remembers what was read."""

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
    """Something that states a dtype and a shape, as files do, and may give another array when it is read."""

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
