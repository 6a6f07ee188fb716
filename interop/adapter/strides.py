"""Strides and addresses of arrays, and the reasons why memory cannot be used in place.

An adapter states such a reason as `Facts.not_shareable`, and the planner then copies. This module
needs the standard library only.
"""

from __future__ import annotations

import sys
from math import prod
from typing import Final

FOREIGN_BYTE_ORDER: Final = f"its bytes are not in this machine's order ({sys.byteorder}-endian)"
"""The reason to copy an array whose numbers have another byte order."""


def contiguous_strides(shape: tuple[int, ...], itemsize: int) -> tuple[int, ...]:
    """Return the strides in bytes of an array in row-major order.

    >>> contiguous_strides((2, 3, 4), 8)
    (96, 32, 8)
    """
    return tuple(itemsize * prod(shape[axis + 1 :]) for axis in range(len(shape)))


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
