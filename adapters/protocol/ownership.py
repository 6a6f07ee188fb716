"""Whether an array was made for us alone, so that its memory needs no copy.

CPython's reference counts tell it. The expected counts are measured once, because they differ
between Python versions.
"""

from __future__ import annotations

import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final
from weakref import getweakrefcount

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def is_ours(array: NDArray[Any], owner: Any, references: tuple[int, int]) -> bool:
    """Return whether nobody else holds an array or the array's memory.

    The caller counts the references with `sys.getrefcount`, exactly as `_count_own` and
    `_count_view` do. This function cannot count them itself: how many references a call adds can
    change while the process runs, as the whole test suite has shown.
    """
    # Another owner, such as a file mapping, may serve other arrays without a reference here.
    if not isinstance(owner, np.ndarray) or not owner.flags.owndata:
        return False
    # A weak reference does not count, and may become a strong one at any time.
    if getweakrefcount(array) or getweakrefcount(owner):
        return False
    expected = _VIEW
    if owner is array:
        expected = _OWN
    return references[0] <= expected[0] and references[1] <= expected[1]


def owner_of(array: NDArray[Any]) -> Any:
    """Return the object that owns the memory of an array, or the array for own memory."""
    if array.base is None:
        return array
    return array.base


def made_writable(array: NDArray[Any]) -> bool:
    """Make new memory writable if possible, and return whether the memory is writable.

    This succeeds if only the view of the memory is read-only.
    """
    with suppress(ValueError):
        array.flags.writeable = True
    return array.flags.writeable


def _count_own() -> tuple[int, int]:
    """Return the reference counts of an array that nobody else holds, and of the memory's owner.

    The owner is the array itself.
    """
    array = np.empty(4)
    owner = owner_of(array)
    return sys.getrefcount(array), sys.getrefcount(owner)


def _count_view() -> tuple[int, int]:
    """Return the reference counts of a view that nobody else holds, and of the memory's owner."""
    array = np.empty(4).reshape(2, 2)
    owner = owner_of(array)
    return sys.getrefcount(array), sys.getrefcount(owner)


def _count_interface() -> tuple[int, int]:
    """Return the reference counts of an unshared array interface and of the data inside."""
    interface = {"data": bytearray(1)}
    return sys.getrefcount(interface), sys.getrefcount(interface["data"])


_OWN: Final = _count_own()
_VIEW: Final = _count_view()
UNSHARED_INTERFACE: Final = _count_interface()
"""The reference counts of an array interface that nobody else holds, and of its data."""
