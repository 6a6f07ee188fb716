"""Positions of the elements of an array in memory, computed from its facts."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from interop.adapter import Facts


def overlaps(facts: Facts) -> bool:
    """Whether two elements may share a byte, as in an expanded tensor.

    Sorted by stride, each axis must step over all bytes that the axes with smaller strides reach.
    Layouts whose elements interleave without an overlap are rare, and give True as well. The result
    of a conversion is then read-only, or a copy.

    >>> from interop.adapter import CPU, Facts
    >>> [overlaps(Facts("any", (3, 4), "float32", CPU, s, 48)) for s in ((16, 4), (4, 12), (0, 4))]
    [False, False, True]
    """
    if not facts.nbytes or not facts.strides:
        return False
    # No step is made along an axis of length 1, so the stride of such an axis may be anything.
    axes = sorted((abs(s), n) for s, n in zip(facts.strides, facts.shape, strict=True) if n > 1)
    reach = facts.nbytes // count(facts)
    for stride, n in axes:
        if stride < reach:
            return True
        reach += stride * (n - 1)
    return False


def why_unusual(facts: Facts) -> str | None:
    """Return why a consumer may be unable to read the strides, or None if every consumer can.

    DLPack counts strides in elements and allows negative strides. But some consumers do not expect
    negative strides, and torch before 2.14 ends the process (pytorch#188023).

    >>> from interop.adapter import CPU, Facts
    >>> [why_unusual(Facts("any", (3,), "float32", CPU, (step,), 12)) for step in (8, -4, 6)]
    [None, 'its strides are negative', 'its strides are not whole elements of 4 bytes']
    """
    if not facts.nbytes:
        return None
    size = facts.nbytes // count(facts)
    steps = [stride for stride, n in zip(facts.strides, facts.shape, strict=False) if n > 1]
    if any(stride % size for stride in steps):
        return f"its strides are not whole elements of {size} bytes"
    if min(steps, default=0) < 0:
        return "its strides are negative"
    return None


def bounds(facts: Facts, address: int) -> tuple[int, int]:
    """Return the first address of the array, and the address after the last byte.

    The two addresses of an empty array are equal.

    >>> from interop.adapter import CPU, Facts
    >>> bounds(Facts("any", (3,), "float32", CPU, (-4,), 12), 1008)
    (1000, 1012)
    """
    if not facts.nbytes:
        return address, address
    spans = [s * (n - 1) for s, n in zip(facts.strides, facts.shape, strict=True)]
    low = address + sum(s for s in spans if s < 0)
    high = address + sum(s for s in spans if s > 0)
    return low, high + facts.nbytes // count(facts)


def count(facts: Facts) -> int:
    """Return the number of elements."""
    return prod(facts.shape)
