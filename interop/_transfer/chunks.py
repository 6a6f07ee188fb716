"""Chunks of an array that is too large for the available memory."""

from __future__ import annotations

from itertools import product
from math import prod
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


class Chunk(NamedTuple):
    """A part of an array by basic slices, so that it is a view wherever views are made of slices."""

    index: Any
    """A slice of axis 0, a tuple of slices of the first axes, or ``...`` for all of an array without axes."""
    shape: tuple[int, ...]

    @property
    def elements(self) -> int:
        """Number of elements."""
        return prod(self.shape)


def iter_chunks(shape: tuple[int, ...], limit: int) -> Iterator[Chunk]:
    """Cut a shape into runs of rows, in row-major order; a row that is too large is cut along the next axis, and so on.

    Parameters
    ----------
    shape : tuple of int
    limit : int
        How many elements a piece has at most, from 1 up.

    >>> [chunk.shape for chunk in iter_chunks((5, 4), 8)], [chunk.shape for chunk in iter_chunks((2, 4), 3)]
    ([(2, 4), (2, 4), (1, 4)], [(1, 3), (1, 1), (1, 3), (1, 1)])
    """
    if not shape:
        yield Chunk(..., ())
    if not shape or not prod(shape):
        return
    axis = next(axis for axis in range(len(shape)) if prod(shape[axis + 1 :]) <= limit)
    rest = shape[axis + 1 :]
    rows = limit // prod(rest)
    for position in product(*map(range, shape[:axis])):
        before = tuple(slice(i, i + 1) for i in position)
        for cut in iter_slices(shape[axis], rows):
            yield Chunk(
                (*before, cut) if before else cut,
                (*(1 for _ in before), cut.stop - cut.start, *rest),
            )


def iter_slices(length: int, size: int) -> Iterator[slice]:
    """Cut an axis into slices of one size, the last of which may be shorter.

    >>> list(iter_slices(5, 2))
    [slice(0, 2, None), slice(2, 4, None), slice(4, 5, None)]
    """
    return (slice(start, min(start + size, length)) for start in range(0, length, size))


def merge_slices(ends: Sequence[int], size: int) -> Iterator[tuple[int, int]]:
    """Put runs that end there together, as many as are no longer than a size; a longer one stays alone.

    >>> list(merge_slices([2, 4, 6, 11, 12], 4))
    [(0, 4), (4, 6), (6, 11), (11, 12)]
    """
    start = last = 0
    for end in ends:
        if end - start > size and last > start:
            yield start, last
            start = last
        last = end
    if last > start:
        yield start, last


def format_index(index: Any) -> str:
    """Write an index as Python does.

    >>> format_index((slice(None), slice(2, 4))), format_index(slice(0, 1)), format_index(...)
    ('[:, 2:4]', '[0:1]', '[...]')
    """
    if index is ...:
        return "[...]"
    parts = index if isinstance(index, tuple) else (index,)
    return f"[{', '.join(':' if s == slice(None) else f'{s.start}:{s.stop}' for s in parts)}]"
