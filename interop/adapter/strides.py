"""Strides and addresses of arrays, and the reasons why memory cannot be used in place.

An adapter states such a reason as `Facts.not_shareable`, and the planner then copies. This module
needs the standard library only.
"""

from __future__ import annotations

import sys
from math import prod
from typing import Any, Final

from interop.errors import Reason

FOREIGN_BYTE_ORDER: Final = f"its bytes are not in this machine's order ({sys.byteorder}-endian)"
"""The reason to copy an array whose numbers have another byte order."""


MOST_AXES: Final = 64
"""The limit of NumPy and of torch."""
# `sys.maxsize` is the largest signed integer of the size of a pointer, as `npy_intp` of NumPy.
_MOST_BYTES: Final = sys.maxsize
ADDRESSES: Final = 2 * (sys.maxsize + 1)
"""The number of addresses: 2**64, or 2**32 if this Python has pointers of 32 bits."""
MOST_ADDRESSABLE: Final = min(2**57, ADDRESSES)
"""The size of the largest virtual address space of a processor (x86-64 with five levels)."""


def contiguous_strides(shape: tuple[int, ...], itemsize: int) -> tuple[int, ...]:
    """Return the strides in bytes of an array in row-major order.

    >>> contiguous_strides((2, 3, 4), 8)
    (96, 32, 8)
    """
    return tuple(itemsize * prod(shape[axis + 1 :]) for axis in range(len(shape)))


def reach(shape: tuple[int, ...], strides: tuple[int, ...], itemsize: int) -> tuple[int, int]:
    """Return the first byte of an array, and the byte after the last one, from element 0 on.

    Both are 0 for an array without elements.

    >>> reach((2, 3), (-12, 4), 4), reach((0, 3), (12, 4), 4)
    ((-12, 12), (0, 0))
    """
    if 0 in shape:
        return 0, 0
    steps = [stride * (n - 1) for stride, n in zip(strides, shape, strict=True)]
    return sum(s for s in steps if s < 0), itemsize + sum(s for s in steps if s > 0)


def why_too_large(shape: tuple[int, ...], strides: tuple[int, ...], itemsize: int) -> str | None:
    """Return why no memory has a shape and strides in bytes, or None.

    Consumers compute in signed integers of the size of a pointer, and an overflow gives a small
    array in the wrong place. Axes of length 0 do not shrink the product: consumers multiply the
    other lengths as well.
    """
    lengths = prod(max(n, 1) for n in shape) * itemsize
    low, high = reach(shape, strides, itemsize)
    if lengths <= _MOST_BYTES and high - low <= MOST_ADDRESSABLE:
        return None
    return f"the shape {shape} and the strides {strides} in bytes, beyond any memory"


def why_no_address(
    address: int, shape: tuple[int, ...], strides: tuple[int, ...], itemsize: int
) -> str | None:
    """Return why element 0 of an array cannot be at an address, or None.

    All elements must lie within the addresses of this process.
    """
    low, high = reach(shape, strides, itemsize)
    if address + low >= 0 and address + high <= ADDRESSES:
        return None
    return f"the address {address}, which is no address"


def why_no_memory(x: Any) -> str | None:
    """Return why no memory has the strides of an array of NumPy or CuPy, or None.

    Functions such as `as_strided` make such arrays, and an access to their elements is a crash.
    """
    # An array is not longer than its elements times its longest stride. This bound is enough for
    # nearly all arrays, and `why_too_large` takes as long as the rest of `Adapter.describe`.
    if x.size * max(map(abs, x.strides), default=0) <= MOST_ADDRESSABLE:
        return None
    reason = why_too_large(x.shape, x.strides, x.itemsize)
    if reason is None:
        return None
    return Reason(f"it has {reason}", "Pass the array that it was made from.")


def why_not_whole(shape: tuple[int, ...], strides: tuple[int, ...], itemsize: int) -> str | None:
    """Return why strides in bytes cannot be counted in elements, or None if they can.

    DLPack counts strides in elements. The stride of an axis of length 1 is never used.

    >>> why_not_whole((3, 1), (8, 2), 4), why_not_whole((3,), (6,), 4)
    (None, 'its strides are not whole elements of 4 bytes')
    """
    if itemsize and any(s % itemsize for s, n in zip(strides, shape, strict=True) if n > 1):
        return f"its strides are not whole elements of {itemsize} bytes"
    return None


def why_unreadable(
    address: int, shape: tuple[int, ...], strides: tuple[int, ...], itemsize: int
) -> str | None:
    """Return why the kernels of a GPU cannot read an array in place, or None.

    A GPU loads each element from an address that is a multiple of the element's size (PTX ISA, ld).

    >>> why_unreadable(1002, (3,), (4,), 4)
    "its address is not a multiple of its elements' 4 bytes"
    """
    # Without elements, nothing is loaded from the address.
    if 0 in shape:
        return None
    if reason := why_not_whole(shape, strides, itemsize):
        return reason
    if address % itemsize:
        return f"its address is not a multiple of its elements' {itemsize} bytes"
    return None
