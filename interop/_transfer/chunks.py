"""Cut a shape into chunks that fit into a limited amount of memory."""

from __future__ import annotations

from itertools import product
from math import prod
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


class Chunk(NamedTuple):
    """A part of an array, by basic slices, so that frameworks return a view of the part."""

    index: Any
    """A slice of axis 0, a tuple of slices of the first axes, or ``...`` if there are no axes."""
    shape: tuple[int, ...]
    """The shape of the part, with as many axes as the array."""

    @property
    def elements(self) -> int:
        """Number of elements."""
        return prod(self.shape)


def iter_chunks(shape: tuple[int, ...], limit: int) -> Iterator[Chunk]:
    """Cut a shape into runs of rows, in row-major order.

    A row that is larger than the limit is cut along the next axis, and so on.

    Parameters
    ----------
    shape : tuple of int
    limit : int
        Largest number of elements of a chunk, at least 1.

    Examples
    --------
    >>> [chunk.shape for chunk in iter_chunks((5, 4), 8)]
    [(2, 4), (2, 4), (1, 4)]
    >>> [chunk.shape for chunk in iter_chunks((2, 4), 3)]
    [(1, 3), (1, 1), (1, 3), (1, 1)]
    """
    if not shape:
        yield Chunk(..., ())
        return
    if not prod(shape):
        return
    # The first axis whose rows fit is cut. The axes before it have one index in each chunk.
    # There is always one: after the last axis, a row is one element, and the limit is at least 1.
    axis = next(axis for axis in range(len(shape)) if prod(shape[axis + 1 :]) <= limit)
    rest = shape[axis + 1 :]
    rows = limit // prod(rest)
    for position in product(*map(range, shape[:axis])):
        # Slices and not integers, so that a chunk has as many axes as the array.
        before = tuple(slice(i, i + 1) for i in position)
        for rows_of_axis in iter_slices(shape[axis], rows):
            index: Any = rows_of_axis
            if before:
                index = (*before, rows_of_axis)
            length = rows_of_axis.stop - rows_of_axis.start
            yield Chunk(index, (*(1 for _ in before), length, *rest))


def iter_slices(length: int, size: int) -> Iterator[slice]:
    """Cut an axis into slices of one size. The last slice may be shorter.

    Examples
    --------
    >>> list(iter_slices(5, 2))
    [slice(0, 2, None), slice(2, 4, None), slice(4, 5, None)]
    """
    return (slice(start, min(start + size, length)) for start in range(0, length, size))


def merge_slices(ends: Sequence[int], size: int) -> Iterator[tuple[int, int]]:
    """Merge adjacent runs of rows into runs of at most `size` rows.

    A run that is already longer stays alone.

    Parameters
    ----------
    ends : sequence of int
        The end of each run, in ascending order.
    size : int
        Largest number of rows of a merged run.

    Yields
    ------
    tuple of int
        The start and the end of a merged run.

    Examples
    --------
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
    """Format an index as in Python code.

    Examples
    --------
    >>> format_index((slice(None), slice(2, 4))), format_index(slice(0, 1)), format_index(...)
    ('[:, 2:4]', '[0:1]', '[...]')
    """
    if index is ...:
        return "[...]"
    parts = index if isinstance(index, tuple) else (index,)
    return f"[{', '.join(map(_format_slice, parts))}]"


def _format_slice(part: slice) -> str:
    if part == slice(None):
        return ":"
    return f"{part.start}:{part.stop}"
