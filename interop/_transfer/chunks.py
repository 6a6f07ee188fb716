"""Chunks of an array that is too large for the available memory."""

from __future__ import annotations

from itertools import product
from math import prod
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


class Piece(NamedTuple):
    """A part of an array by basic slices, so that it is a view wherever views are made of slices."""

    index: Any
    """A slice of axis 0, a tuple of slices of the first axes, or ``...`` for all of an array without axes."""
    shape: tuple[int, ...]

    @property
    def elements(self) -> int:
        """Number of elements."""
        return prod(self.shape)


def pieces(shape: tuple[int, ...], limit: int) -> Iterator[Piece]:
    """Cut a shape into runs of rows, in row-major order; a row that is too large is cut along the next axis, and so on.

    Parameters
    ----------
    shape : tuple of int
    limit : int
        How many elements a piece has at most, from 1 up.

    >>> [piece.shape for piece in pieces((5, 4), 8)], [piece.shape for piece in pieces((2, 4), 3)]
    ([(2, 4), (2, 4), (1, 4)], [(1, 3), (1, 1), (1, 3), (1, 1)])
    """
    if not shape:
        yield Piece(..., ())
    if not shape or not prod(shape):
        return
    axis = next(axis for axis in range(len(shape)) if prod(shape[axis + 1 :]) <= limit)
    rest = shape[axis + 1 :]
    rows = limit // prod(rest)
    for place in product(*map(range, shape[:axis])):
        before = tuple(slice(i, i + 1) for i in place)
        for run in runs(shape[axis], rows):
            yield Piece((*before, run) if before else run, (*(1 for _ in before), run.stop - run.start, *rest))


def runs(length: int, size: int) -> Iterator[slice]:
    """Cut an axis into slices of one size, the last of which may be shorter.

    >>> list(runs(5, 2))
    [slice(0, 2, None), slice(2, 4, None), slice(4, 5, None)]
    """
    return (slice(start, min(start + size, length)) for start in range(0, length, size))


def gather(ends: Sequence[int], size: int) -> Iterator[tuple[int, int]]:
    """Put runs that end there together, as many as are no longer than a size; a longer one stays alone.

    >>> list(gather([2, 4, 6, 11, 12], 4))
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


def spell(index: Any) -> str:
    """Write an index as Python does.

    >>> spell((slice(None), slice(2, 4))), spell(slice(0, 1)), spell(...)
    ('[:, 2:4]', '[0:1]', '[...]')
    """
    if index is ...:
        return "[...]"
    slices = index if isinstance(index, tuple) else (index,)
    return f"[{', '.join(':' if s == slice(None) else f'{s.start}:{s.stop}' for s in slices)}]"
