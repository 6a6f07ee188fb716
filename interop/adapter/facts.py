"""Facts about an array, and the names of dtypes.

This module needs the standard library only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from interop.adapter.device import Device

PLAIN_DTYPES: Final = (
    "bool", "uint8", "uint16", "uint32", "uint64", "int8", "int16", "int32", "int64",
    "float16", "float32", "float64", "complex64", "complex128",
)  # fmt: skip
"""The array API's dtypes, and float16: what every framework here has."""
EXTENDED_DTYPES: Final = (
    "bfloat16", "float8_e3m4", "float8_e4m3", "float8_e4m3b11fnuz", "float8_e4m3fn", "float8_e4m3fnuz",
    "float8_e5m2", "float8_e5m2fnuz", "float8_e8m0fnu",
)  # fmt: skip
"""What some have natively, and NumPy through ml_dtypes."""


class Facts(NamedTuple):
    """What an array is, read without a copy, a synchronisation or a computation."""

    framework: str
    """The adapter's name; for an array of no known framework, its class."""
    shape: tuple[int, ...]
    dtype: str
    """The array API's name (``"float32"``), or ml_dtypes' (``"bfloat16"``); native byte order is meant."""
    device: Device
    strides: tuple[int, ...] = ()
    """In bytes."""
    nbytes: int = 0
    """Number of elements times the bytes of one, whatever the strides."""
    readonly: bool = False
    gradient: bool = False
    """It is part of a gradient graph, and leaving the framework would cut it off."""
    not_shareable: str | None = None
    """Why its memory as it lies cannot be lent to anyone (byte order, alignment, a lazy bit): a copy cures it."""
    unsupported: str | None = None
    """Why it has no plain numbers to give (sparse, masked, object dtype), and what to write instead."""
    needs_read: str | None = None
    """Why it must be read (computed, loaded, moved) before there is any memory to share."""
    downloads: bool = False
    """Whether the object's own library copies it from a device to the host, on behalf of an adapter that cannot."""
    readonly_reason: str | None = None
    """Why the memory is treated as read-only although nothing says that it is."""

    def __str__(self) -> str:
        """Name it in a message: ``torch float32 (3, 4) on cpu``."""
        return f"{self.framework} {self.dtype} {self.shape} on {self.device}"
