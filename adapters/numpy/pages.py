"""Memory pages of files that an array is mapped from."""

from __future__ import annotations

import mmap
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, cast

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_SHARED_MODES: Final = ("r", "r+", "w+")
"""Modes of a `numpy.memmap` whose pages hold nothing that the file lacks."""


def page_out(x: NDArray[Any]) -> None:
    """Release the memory pages of an array that is mapped from a file.

    Pages stay if they may hold changes that the file does not have.
    """
    mapped = _shared_mapping(x)
    if mapped is None or not x.size:
        return
    # A mapping does not tell its address, but an array over the mapping does.
    start = np.frombuffer(mapped, np.uint8).__array_interface__["data"][0]
    low, high = np.lib.array_utils.byte_bounds(x)
    # madvise takes whole pages, counted from the start of the mapping.
    first = (low - start) // mmap.PAGESIZE * mmap.PAGESIZE
    with suppress(OSError):  # a file system with another page size
        mapped.madvise(mmap.MADV_DONTNEED, first, high - start - first)


def _shared_mapping(x: Any) -> mmap.mmap | None:
    """Return the mapping of an array, or None if there is none or the mapping is private.

    A private mapping (mode "c") holds changes that the file does not have.
    """
    while isinstance(x, np.ndarray) and not isinstance(x, np.memmap):
        x = x.base
    if not isinstance(x, np.memmap) or x.mode not in _SHARED_MODES:
        return None
    if not hasattr(mmap, "MADV_DONTNEED"):  # not on Windows
        return None
    # Private, because NumPy has no public name for the mapping of a memmap.
    return cast("Any", x)._mmap
