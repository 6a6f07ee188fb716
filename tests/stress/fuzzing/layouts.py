"""Random positions of elements in memory: shapes, orders, steps, repetitions, negative strides."""

from random import Random
from typing import Any, NamedTuple

import numpy as np

SIZES = (0, 1, 1, 2, 2, 3, 5)


class Layout(NamedTuple):
    """Positions of elements in a buffer of `length` elements, in elements."""

    shape: tuple[int, ...]
    strides: tuple[int, ...]
    offset: int
    length: int
    overlaps: bool
    """Whether two elements have one position."""
    reverses: bool
    """Whether a negative stride is ever stepped along."""

    @property
    def order(self) -> str:
        """Return "C" if elements lie in a row, "F" in another order of the axes, else ""."""
        if not np.prod(self.shape, dtype=int):
            return "C"
        long = [
            (stride, size)
            for stride, size in zip(self.strides, self.shape, strict=True)
            if size > 1
        ]
        if _is_dense(long[::-1]):
            return "C"
        return "F" if _is_dense(sorted(long)) else ""


def _is_dense(axes: list[tuple[int, int]]) -> bool:
    """Return whether each axis, from the innermost outwards, starts where the last one ends."""
    span = 1
    for stride, size in axes:
        if stride != span:
            return False
        span *= size
    return True


def contiguous(random: Random) -> Layout:
    shape = tuple(random.choice(SIZES) for _ in range(random.randrange(4)))
    return layout_of(np.arange(int(np.prod(shape))).reshape(shape))


def any_layout(random: Random, *, reverse: bool = True) -> Layout:
    """Return a view of a contiguous array: transposed, stepped, repeated or reversed."""
    shape = [random.choice(SIZES) for _ in range(random.randrange(4))]
    steps = [random.choice((1, 1, 1, 2)) for _ in shape]
    lengths = [size * step for size, step in zip(shape, steps, strict=True)]
    positions = np.arange(int(np.prod(lengths))).reshape(lengths)
    positions = positions.transpose(random.sample(range(len(shape)), len(shape)))
    for axis in range(positions.ndim):
        step = random.choice((1, 1, 1, 2, -1, -2) if reverse else (1, 1, 2))
        positions = positions[(slice(None),) * axis + (slice(None, None, step),)]
    if random.random() < 0.15:
        positions = np.broadcast_to(positions, (random.choice((1, 2, 3)), *positions.shape))
    elif random.random() < 0.1 and positions.ndim and positions.shape[0] > 1:
        positions = np.lib.stride_tricks.sliding_window_view(positions, 2, axis=0)
    return layout_of(positions)


def layout_of(positions: np.ndarray[Any, Any]) -> Layout:
    """Return the layout of an array that holds the position of each element."""
    strides = tuple(stride // positions.itemsize for stride in positions.strides)
    found = np.unique(positions)
    reverses = positions.size > 0 and any(
        stride < 0 and size > 1 for stride, size in zip(strides, positions.shape, strict=True)
    )
    offset = int(positions.flat[0]) if positions.size else 0
    length = int(found[-1]) + 1 if positions.size else 0
    return Layout(positions.shape, strides, offset, length, found.size < positions.size, reverses)
