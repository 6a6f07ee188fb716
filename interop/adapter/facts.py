"""Facts about an array, the names of dtypes, and attributes that no code of a class computes.

This module needs the standard library only.
"""

from __future__ import annotations

from types import GetSetDescriptorType
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from interop.adapter.device import Device

PLAIN_DTYPES: Final = (
    "bool", "uint8", "uint16", "uint32", "uint64", "int8", "int16", "int32", "int64",
    "float16", "float32", "float64", "complex64", "complex128",
)  # fmt: skip
"""Names of the dtypes of the array API standard, and ``"float16"``."""
EXTENDED_DTYPES: Final = (
    "bfloat16", "float8_e3m4", "float8_e4m3", "float8_e4m3b11fnuz", "float8_e4m3fn",
    "float8_e4m3fnuz", "float8_e5m2", "float8_e5m2fnuz", "float8_e8m0fnu",
)  # fmt: skip
"""Names of dtypes that NumPy has with the package ml_dtypes only."""


class Facts(NamedTuple):
    """Facts about an array, found without a copy, a synchronisation or a computation."""

    framework: str
    """The name of the adapter, or the class of an array that no adapter knows."""
    shape: tuple[int, ...]
    """The number of elements along each axis."""
    dtype: str
    """A name of the array API standard (``"float32"``) or of ml_dtypes (``"bfloat16"``).

    The byte order is native. If not, `not_shareable` says so.
    """
    device: Device
    """The device that holds the memory, with an id."""
    strides: tuple[int, ...] = ()
    """The distance in bytes between two elements along each axis. Empty if unknown."""
    nbytes: int = 0
    """The number of elements times the bytes of one element, whatever the strides are.

    For an array without plain numbers: the bytes that travel if the framework moves the array.
    """
    readonly: bool = False
    """Whether writing to the memory is forbidden."""
    gradient: bool = False
    """Whether the array is part of a gradient graph, which a conversion would cut."""
    not_shareable: str | None = None
    """Why the memory cannot be used as it is (byte order, alignment, a lazy bit), but copied."""
    unsupported: str | None = None
    """Why the array has no plain numbers (sparse, object dtype), and what to write instead."""
    needs_read: str | None = None
    """Why the array must be read first (computed, loaded, moved): there is no memory yet."""
    downloads: bool = False
    """Whether only the library of the array can copy from the device, and the adapter cannot."""
    readonly_reason: str | None = None
    """Why the memory is treated as read-only although the array does not say so."""

    def __str__(self) -> str:
        """Return a short text for messages, such as ``torch float32 (3, 4) on cpu``."""
        return f"{self.framework} {self.dtype} {self.shape} on {self.device}"


# The getters of `type` itself, because a metaclass may redefine them.
_bases: Final = type.__dict__["__mro__"].__get__
_names: Final = type.__dict__["__dict__"].__get__


def stored_attribute(x: Any, name: str) -> Any:
    """Return an attribute as an object or its class stores it, or None. No property is evaluated.

    `inspect.getattr_static` hashes the class since Python 3.12, and a metaclass may refuse that.
    """
    getter = _of_class(type(x), "__dict__")
    # A property called `__dict__` is code of the class, and an object with slots has no dict.
    if isinstance(getter, GetSetDescriptorType):
        own = getter.__get__(x)
        if name in own:
            return own[name]
    return _of_class(type(x), name)


def _of_class(cls: type, name: str) -> Any:
    for base in _bases(cls):
        names = _names(base)
        if name in names:
            return names[name]
    return None
