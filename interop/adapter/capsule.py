"""Headers of DLPack capsules, read without consuming the capsule, and ndarrays over a capsule.

A consumer that adopts a capsule owns it. A capsule that nobody adopts is freed by the destructor of
the producer. Reading the header changes neither. The structures are those of dlpack.h (DLPack 1.1).
Importing this module needs the standard library only.
"""

from __future__ import annotations

import ctypes
import functools
from math import prod
from typing import TYPE_CHECKING, Any, ClassVar, Final, NamedTuple

from interop.adapter.device import Device
from interop.adapter.facts import PLAIN_DTYPES
from interop.adapter.strides import (
    MOST_ADDRESSABLE,
    MOST_AXES,
    contiguous_strides,
    why_no_address,
    why_too_large,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = [
    "IS_COPIED",
    "LEGACY_NAME",
    "READ_ONLY",
    "VERSIONED_NAME",
    "Header",
    "add_flags",
    "as_ndarray",
    "is_named",
    "read_header",
]

READ_ONLY: Final = 1
"""The flag of memory that must not be written to (``DLPACK_FLAG_BITMASK_READ_ONLY``)."""
IS_COPIED: Final = 2
"""The flag of memory that was copied for the export (``DLPACK_FLAG_BITMASK_IS_COPIED``)."""
LEGACY_NAME: Final = b"dltensor"
"""The name of a capsule from before DLPack 1.0, which has no flags."""
VERSIONED_NAME: Final = b"dltensor_versioned"
"""The name of a capsule since DLPack 1.0."""
_MAJOR: Final = 1
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
    """The distance in bytes between two elements along each axis."""
    nbytes: int
    """The number of elements times the bytes of one element."""
    address: int
    """The address of element ``[0, 0, ...]``."""
    readonly: bool | None
    """Whether writing is forbidden, or None for a capsule from before DLPack 1.0."""
    copied: bool
    """Whether the memory was copied for the export. False for a capsule from before DLPack 1.0."""


class _Tensor(ctypes.Structure):
    """The structure `DLTensor`."""

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

    A capsule from before DLPack 1.0 has no such structure. It points to a `DLTensor`.
    """

    _fields_: ClassVar = [
        ("major", ctypes.c_uint32),
        ("minor", ctypes.c_uint32),
        ("manager_ctx", ctypes.c_void_p),
        ("deleter", ctypes.c_void_p),
        ("flags", ctypes.c_uint64),
        ("tensor", _Tensor),
    ]


# These prototypes are private copies. Setting argtypes of ctypes.pythonapi would change the
# functions for all users of ctypes in the process.
_find: Final = ctypes.PYFUNCTYPE(ctypes.c_void_p, ctypes.py_object, ctypes.c_char_p)(
    ("PyCapsule_GetPointer", ctypes.pythonapi)
)
_has_name: Final = ctypes.PYFUNCTYPE(ctypes.c_int, ctypes.py_object, ctypes.c_char_p)(
    ("PyCapsule_IsValid", ctypes.pythonapi)
)


def is_named(x: Any, name: bytes) -> bool:
    """Return whether an object is a capsule with a given name."""
    # PyCapsule_IsValid accepts any object, and sets no error.
    return bool(_has_name(x, name))


def add_flags(capsule: Any, flags: int) -> None:
    """Set flags in a versioned capsule. A capsule from before DLPack 1.0 is left unchanged."""
    if not is_named(capsule, VERSIONED_NAME):
        return
    managed = _Versioned.from_address(_find(capsule, VERSIONED_NAME))
    # Another major version may have the flags at another place.
    if managed.major == _MAJOR:
        managed.flags |= flags


def read_header(capsule: Any) -> Header:
    """Read the header of a DLPack capsule, and check that a valid array is described.

    Raises
    ------
    BufferError
        The object is not an unused capsule of DLPack before 2.0, or the header is impossible: the
        number of axes, the shape, the size, the dtype or the pointer.
    """
    tensor, flags = _open(capsule)
    itemsize, dtype = _read_dtype(tensor)
    shape = _read_shape(tensor)
    strides = _read_strides(tensor, shape, itemsize)
    nbytes = prod(shape) * itemsize
    if nbytes and not tensor.data:
        raise BufferError(f"its capsule has the shape {shape} and a null pointer as its memory")
    if tensor.byte_offset > MOST_ADDRESSABLE:
        raise BufferError(f"its capsule has the offset {tensor.byte_offset}, beyond any memory")
    device = Device(tensor.device_type, tensor.device_id)
    address = (tensor.data or 0) + tensor.byte_offset
    header = Header(device, dtype, shape, strides, nbytes, address, readonly=None, copied=False)
    _check_extent(header, itemsize)
    if flags is None:
        return header
    return header._replace(readonly=bool(flags & READ_ONLY), copied=bool(flags & IS_COPIED))


def _open(capsule: Any) -> tuple[_Tensor, int | None]:
    """Return the tensor and the flags of a capsule. The flags are None before DLPack 1.0."""
    # The structures are read in place, so they are valid as long as the caller holds the capsule.
    if is_named(capsule, LEGACY_NAME):
        return _Tensor.from_address(_find(capsule, LEGACY_NAME)), None
    if not is_named(capsule, VERSIONED_NAME):
        raise BufferError(
            f"its __dlpack__() returned {type(capsule).__name__} {capsule!r:.80}, "
            "which is not an unused capsule"
        )
    managed = _Versioned.from_address(_find(capsule, VERSIONED_NAME))
    if managed.major != _MAJOR:  # the rest of the structure may have another layout then (dlpack.h)
        version = f"{managed.major}.{managed.minor}"
        raise BufferError(f"its capsule has the version {version} of DLPack, and interop reads 1.x")
    return managed.tensor, managed.flags


def _read_dtype(tensor: _Tensor) -> tuple[int, str]:
    """Return the bytes of an element and the name of the dtype."""
    name = _DTYPES.get((tensor.code, tensor.bits))
    if name is None or tensor.lanes != 1:
        numbers = f"code {tensor.code}, {tensor.bits} bits, {tensor.lanes} lanes"
        raise BufferError(f"its capsule has a dtype ({numbers}) that is not one of plain numbers")
    return tensor.bits // _BITS, name


def _read_shape(tensor: _Tensor) -> tuple[int, ...]:
    ndim = tensor.ndim
    if not 0 <= ndim <= MOST_AXES:
        raise BufferError(f"its capsule has {ndim} axes, and an array has 0 to {MOST_AXES}")
    if ndim == 0:
        return ()
    if not tensor.shape:
        raise BufferError(f"its capsule has {ndim} axes and a null pointer as its shape")
    shape = tuple(tensor.shape[:ndim])
    if min(shape) < 0:
        raise BufferError(f"its capsule has the negative shape {shape}")
    return shape


def _read_strides(tensor: _Tensor, shape: tuple[int, ...], itemsize: int) -> tuple[int, ...]:
    """Return the strides in bytes. A null pointer means row-major order (dlpack.h)."""
    if tensor.strides:
        return tuple(itemsize * stride for stride in tensor.strides[: len(shape)])
    return contiguous_strides(shape, itemsize)


def _check_extent(header: Header, itemsize: int) -> None:
    """Refuse a shape, strides and an address that no memory has."""
    if reason := why_too_large(header.shape, header.strides, itemsize):
        raise BufferError(f"its capsule has {reason}")
    if reason := why_no_address(header.address, header.shape, header.strides, itemsize):
        raise BufferError(f"its capsule has {reason}")


# -- ndarrays over a capsule -----------------------------------------------------------------------


def as_ndarray(producer: Any) -> NDArray[Any]:
    """Return an ndarray over the host memory of a DLPack producer, never a copy.

    The ndarray is read-only if the producer says so, or says nothing about that.
    """
    import numpy as np  # noqa: PLC0415 - the contract itself loads nothing

    if numpy_reads_flags():
        return np.from_dlpack(producer)
    if isinstance(producer, np.ndarray):  # NumPy 2.0 exports no read-only memory
        return producer.view(np.ndarray)
    try:
        lent = producer.__dlpack__(max_version=(_MAJOR, 0))
    except (TypeError, NotImplementedError):  # before DLPack 1.0, capsules have no flags
        return np.from_dlpack(producer)
    if not is_named(lent, VERSIONED_NAME):
        return np.from_dlpack(producer)
    return np.asarray(_Lent(lent))


@functools.cache
def numpy_reads_flags() -> bool:
    """Return whether `numpy.from_dlpack` reads versioned capsules with their flags.

    NumPy 2.2.5 is the first such version. NumPy 2.0 refuses versioned capsules, and NumPy 2.1 makes
    every ndarray read-only.
    """
    import numpy as np  # noqa: PLC0415 - the contract itself loads nothing

    return np.from_dlpack(np.zeros(1)).flags.writeable


class _Lent:
    """The memory of a capsule as an array interface, for an older NumPy.

    The capsule is never consumed, so its destructor returns the memory when the last ndarray over
    the memory is gone.
    """

    def __init__(self, capsule: Any) -> None:
        header = read_header(capsule)
        if not header.device.is_host or header.dtype not in PLAIN_DTYPES:
            raise BufferError(f"NumPy cannot read {header.dtype} on {header.device}")
        import numpy as np  # noqa: PLC0415 - the contract itself loads nothing

        self._capsule = capsule
        self.__array_interface__ = {
            "version": 3,
            "typestr": np.dtype(header.dtype).str,
            "shape": header.shape,
            "strides": header.strides,
            "data": (header.address, bool(header.readonly)),
        }
