"""Producers of no known framework, in pure Python: each lends the memory of an ndarray by one protocol only."""

import ctypes
from collections.abc import Callable
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


def address(x: Any) -> int:
    """Return where an array or a tensor begins."""
    return int(x.ctypes.data if isinstance(x, np.ndarray) else x.data_ptr())


class DLPack:
    """Speaks DLPack 1.0, and remembers what it was asked for."""

    def __init__(self, array: Array, device: tuple[int, int] = (1, 0)) -> None:
        self.array = array
        self.device = device
        self.shape = array.shape
        self.dtype = array.dtype
        self.asked: list[dict[str, Any]] = []

    def __dlpack_device__(self) -> tuple[int, int]:
        return self.device

    def __dlpack__(self, **keywords: Any) -> Any:
        self.asked.append(keywords)
        capsule = self.array.__dlpack__(**keywords)
        tensor_in(capsule).device[:] = list(self.device)
        return capsule


class LegacyDLPack:
    """Speaks DLPack as it was before 1.0: it knows no keyword but `stream`, and its capsule has no version."""

    def __init__(self, array: Array) -> None:
        self.array = array
        self.calls = 0

    def __dlpack_device__(self) -> tuple[int, int]:
        return (1, 0)

    def __dlpack__(self, stream: int | None = None) -> Any:
        assert stream is None
        self.calls += 1
        return self.array.__dlpack__()


class OffsetDLPack(LegacyDLPack):
    """Names its memory by an address one element too low, and the byte offset that makes up for it."""

    def __dlpack__(self, stream: int | None = None) -> Any:
        capsule = super().__dlpack__(stream)
        tensor = tensor_in(capsule)
        tensor.data -= self.array.itemsize
        tensor.byte_offset += self.array.itemsize
        return capsule


class ArrayInterface:
    def __init__(self, array: Array) -> None:
        self.array = array
        self.__array_interface__ = array.__array_interface__


class ArrayStruct:
    def __init__(self, array: Array) -> None:
        self.array = array

    @property
    def __array_struct__(self) -> Any:
        return self.array.__array_struct__


class Computed:
    """Has nothing but `__array__`, and computes what it gives."""

    def __init__(self, array: Array) -> None:
        self.array = array
        self.calls = 0

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        self.calls += 1
        return np.array(self.array, dtype)


LENDERS: Final[dict[str, Callable[[Array], Any]]] = {
    "dlpack": DLPack,
    "legacy dlpack": LegacyDLPack,
    "array interface": ArrayInterface,
    "array struct": ArrayStruct,
    "buffer": lambda array: memoryview(array.data),
}


# -- looking into a capsule, which does not consume it: the structures of dlpack.h -----------------------------------


READ_ONLY: Final = 1
IS_COPIED: Final = 2


class Tensor(ctypes.Structure):
    """`DLTensor`."""

    data: int
    device: ctypes.Array[ctypes.c_int32]
    byte_offset: int
    _fields_ = (
        ("data", ctypes.c_void_p),
        ("device", ctypes.c_int32 * 2),
        ("ndim", ctypes.c_int32),
        ("dtype", ctypes.c_uint8 * 4),
        ("shape", ctypes.c_void_p),
        ("strides", ctypes.c_void_p),
        ("byte_offset", ctypes.c_uint64),
    )


class Versioned(ctypes.Structure):
    """`DLManagedTensorVersioned`; the one without a version begins with its tensor."""

    flags: int
    tensor: Tensor
    _fields_ = (
        ("version", ctypes.c_uint32 * 2),
        ("manager_ctx", ctypes.c_void_p),
        ("deleter", ctypes.c_void_p),
        ("flags", ctypes.c_uint64),
        ("tensor", Tensor),
    )


def tensor_in(capsule: Any) -> Tensor:
    if "versioned" in repr(capsule):
        return versioned_in(capsule).tensor
    return Tensor.from_address(_pointer(capsule, b"dltensor"))


def versioned_in(capsule: Any) -> Versioned:
    return Versioned.from_address(_pointer(capsule, b"dltensor_versioned"))


def _pointer(capsule: Any, name: bytes) -> int:
    get = ctypes.pythonapi.PyCapsule_GetPointer
    get.restype, get.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
    return int(get(capsule, name))
