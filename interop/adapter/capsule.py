"""Headers of DLPack capsules, read without consuming the capsule.

A capsule belongs to the consumer that adopts it, and a capsule that nobody adopts is freed by its producer's own
destructor. Reading the header changes neither. The structures are those of dlpack.h (DLPack 1.1). Standard library
only.
"""

from __future__ import annotations

import ctypes
from math import prod
from typing import Any, ClassVar, Final, NamedTuple

from interop.adapter.device import Device

__all__ = [
    "IS_COPIED",
    "LEGACY_NAME",
    "READ_ONLY",
    "VERSIONED_NAME",
    "Header",
    "add_flags",
    "is_named",
    "read_header",
]

READ_ONLY: Final = 1
IS_COPIED: Final = 2
LEGACY_NAME: Final = b"dltensor"
"""The name of a capsule from before DLPack 1.0, which has no flags."""
VERSIONED_NAME: Final = b"dltensor_versioned"
_MAJOR: Final = 1
_MOST_AXES: Final = 64
"""NumPy's and torch's limit."""
_MOST_BYTES: Final = 2**63 - 1
_BITS: Final = 8
_INT, _UINT, _FLOAT, _BFLOAT, _COMPLEX, _BOOL = 0, 1, 2, 4, 5, 6  # DLDataTypeCode
_DTYPES: Final = {
    **{(_INT, bits): f"int{bits}" for bits in (8, 16, 32, 64)},
    **{(_UINT, bits): f"uint{bits}" for bits in (8, 16, 32, 64)},
    **{(_FLOAT, bits): f"float{bits}" for bits in (16, 32, 64)},
    **{(_COMPLEX, bits): f"complex{bits}" for bits in (64, 128)},
    (_BOOL, 8): "bool",
    (_BFLOAT, 16): "bfloat16",
    (7, 8): "float8_e3m4",
    (8, 8): "float8_e4m3",
    (9, 8): "float8_e4m3b11fnuz",
    (10, 8): "float8_e4m3fn",
    (11, 8): "float8_e4m3fnuz",
    (12, 8): "float8_e5m2",
    (13, 8): "float8_e5m2fnuz",
    (14, 8): "float8_e8m0fnu",
}


class Header(NamedTuple):
    """The facts that a DLPack capsule states about the exported memory."""

    device: Device
    dtype: str
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    """In bytes."""
    nbytes: int
    address: int
    readonly: bool | None
    """None if the capsule is from before DLPack 1.0 and has no flag for this."""
    copied: bool


class _Tensor(ctypes.Structure):
    """`DLTensor`."""

    _fields_: ClassVar = [
        ("data", ctypes.c_void_p),
        ("device_type", ctypes.c_int32),
        ("device_id", ctypes.c_int32),
        ("ndim", ctypes.c_int32),
        ("code", ctypes.c_uint8),
        ("bits", ctypes.c_uint8),
        ("lanes", ctypes.c_uint16),
        ("shape", ctypes.POINTER(ctypes.c_int64)),
        ("strides", ctypes.POINTER(ctypes.c_int64)),
        ("byte_offset", ctypes.c_uint64),
    ]


class _Versioned(ctypes.Structure):
    """The structure `DLManagedTensorVersioned`, since DLPack 1.0.

    The structure from before DLPack 1.0 begins with its `DLTensor`.
    """

    _fields_: ClassVar = [
        ("major", ctypes.c_uint32),
        ("minor", ctypes.c_uint32),
        ("manager_ctx", ctypes.c_void_p),
        ("deleter", ctypes.c_void_p),
        ("flags", ctypes.c_uint64),
        ("tensor", _Tensor),
    ]


# Prototypes of our own: the argument types of ctypes.pythonapi's functions belong to all who use them.
_find: Final = ctypes.PYFUNCTYPE(ctypes.c_void_p, ctypes.py_object, ctypes.c_char_p)(
    ("PyCapsule_GetPointer", ctypes.pythonapi)
)
_has_name: Final = ctypes.PYFUNCTYPE(ctypes.c_int, ctypes.py_object, ctypes.c_char_p)(
    ("PyCapsule_IsValid", ctypes.pythonapi)
)


def is_named(x: Any, name: bytes) -> bool:
    """Whether an object is a capsule with this name."""
    return bool(_has_name(x, name))


def add_flags(capsule: Any, flags: int) -> None:
    """Add flags to those of a versioned capsule; other capsules have no flags."""
    if not is_named(capsule, VERSIONED_NAME):
        return
    managed = _Versioned.from_address(_find(capsule, VERSIONED_NAME))
    if managed.major == _MAJOR:
        managed.flags |= flags


def read_header(capsule: Any) -> Header:
    """Read the header of a DLPack capsule, and check that the header describes a valid array.

    Raises
    ------
    BufferError
        The object is not an unused capsule of DLPack before 2.0, or its header describes no array: the number of
        axes, the shape, the size, the dtype or the pointer is impossible.
    """
    tensor, flags = _open(capsule)
    itemsize, dtype = _read_dtype(tensor)
    shape = _read_shape(tensor)
    strides = _read_strides(tensor, shape, itemsize)
    nbytes = prod(shape) * itemsize
    _check_extent(shape, strides, nbytes, itemsize)
    if nbytes and not tensor.data:
        raise BufferError(
            f"its capsule has the shape {shape} and a null pointer in the place of its memory"
        )
    return Header(
        Device(tensor.device_type, tensor.device_id), dtype, shape, strides, nbytes,
        address=(tensor.data or 0) + tensor.byte_offset,
        readonly=None if flags is None else bool(flags & READ_ONLY),
        copied=bool((flags or 0) & IS_COPIED),
    )  # fmt: skip


def _open(capsule: Any) -> tuple[_Tensor, int | None]:
    """Return the tensor of a capsule and the flags, or None for the flags before DLPack 1.0."""
    if is_named(capsule, LEGACY_NAME):
        return _Tensor.from_address(_find(capsule, LEGACY_NAME)), None
    if not is_named(capsule, VERSIONED_NAME):
        raise BufferError(
            f"its __dlpack__() returned {type(capsule).__name__} {capsule!r:.80}, no unused capsule"
        )
    managed = _Versioned.from_address(_find(capsule, VERSIONED_NAME))
    if managed.major != _MAJOR:  # DLPack 1.0: then nothing else of the structure may be read
        raise BufferError(
            f"its capsule is of DLPack {managed.major}.{managed.minor}, and interop reads DLPack 1"
        )
    return managed.tensor, managed.flags


def _read_dtype(tensor: _Tensor) -> tuple[int, str]:
    """Return the size of an element and the name of the dtype."""
    name = _DTYPES.get((tensor.code, tensor.bits)) if tensor.lanes == 1 else None
    if name is None:
        numbers = f"code {tensor.code}, {tensor.bits} bits, {tensor.lanes} lanes"
        raise BufferError(f"its capsule has a dtype ({numbers}) that is not one of plain numbers")
    return tensor.bits // _BITS, name


def _read_shape(tensor: _Tensor) -> tuple[int, ...]:
    ndim = tensor.ndim
    if not 0 <= ndim <= _MOST_AXES:
        raise BufferError(f"its capsule has {ndim} axes, and an array has 0 to {_MOST_AXES}")
    if ndim and not tensor.shape:
        raise BufferError(
            f"its capsule has {ndim} axes and a null pointer in the place of its shape"
        )
    shape = tuple(tensor.shape[:ndim]) if ndim else ()
    if min(shape, default=0) < 0:
        raise BufferError(f"its capsule has the negative shape {shape}")
    return shape


def _read_strides(tensor: _Tensor, shape: tuple[int, ...], itemsize: int) -> tuple[int, ...]:
    """Return the strides in bytes; a null pointer means that the elements lie in row-major order."""
    if tensor.strides:
        return tuple(itemsize * stride for stride in tensor.strides[: len(shape)])
    return tuple(itemsize * prod(shape[axis + 1 :]) for axis in range(len(shape)))


def _check_extent(
    shape: tuple[int, ...], strides: tuple[int, ...], nbytes: int, itemsize: int
) -> None:
    """Insist on a size and on distances that a signed 64-bit number can hold."""
    lengths = prod(max(n, 1) for n in shape) * itemsize
    reach = sum(abs(stride) * (n - 1) for stride, n in zip(strides, shape, strict=True) if n > 1)
    if lengths > _MOST_BYTES or (nbytes and reach > _MOST_BYTES):
        raise BufferError(
            f"its capsule has the shape {shape} and the strides {strides} in bytes, beyond any memory"
        )
