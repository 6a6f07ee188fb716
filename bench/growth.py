"""Measure how the cost grows with the dimensions, the leaves of a tree, and the bytes of a copy."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from measure import Effort, compare
from tables import Table

DIMENSIONS = range(9)
LEAVES = (1, 10, 100, 1000)
SIZES = {
    "4 KiB": 1 << 10,
    "64 KiB": 1 << 14,
    "1 MiB": 1 << 18,
    "16 MiB": 1 << 22,
    "64 MiB": 1 << 24,
}  # float32s

TO_NUMPY = ("interop.to_numpy(t)", "t.numpy()")
TO_TORCH = ("interop.to_torch(a)", "torch.from_numpy(a)")
TREE = ('interop.convert_tree(tensors, "numpy")', "{k: v.numpy() for k, v in tensors.items()}")
COPY = ("interop.to_torch(a, copy=True)", "torch.from_numpy(a.copy())")
CAST = ('interop.to_torch(a, dtype="float16")', "torch.from_numpy(a).half()")


def tables(names: dict[str, Any], effort: Effort) -> Iterator[Table]:
    """Measure the three tables."""

    def line(size: object, more: dict[str, Any], *pairs: tuple[str, str]) -> tuple[str, ...]:
        ratios = (compare(*pair, {**names, **more}, effort) for pair in pairs)
        return (str(size), *(cell for ratio in ratios for cell in ratio.cells))

    found = [line(n, of_dimensions(n), TO_NUMPY, TO_TORCH) for n in DIMENSIONS]
    yield Table(
        "Dimensions of length 2", _head("dimensions", "t.numpy()", "torch.from_numpy(a)"), found
    )
    found = [line(n, of_leaves(n), TREE) for n in LEAVES]
    yield Table("Number of tensors in a dict", _head("tensors", "a dict comprehension"), found)
    found = [line(size, {"a": np.arange(n, dtype="f4")}, COPY, CAST) for size, n in SIZES.items()]
    yield Table(
        "Size of an array that must be copied", _head("float32", COPY[1], CAST[1]), found, _notes()
    )


def of_dimensions(number: int) -> dict[str, Any]:
    """Return a tensor and an array with the given number of dimensions."""
    shape = (2,) * number
    return {
        "a": np.arange(2**number, dtype="f4").reshape(shape),
        "t": torch.arange(2.0**number).reshape(shape),
    }


def of_leaves(number: int) -> dict[str, Any]:
    """Return a dict of tensors with the given number of items."""
    return {"tensors": {f"layer {i}": torch.full((16,), float(i)) for i in range(number)}}


def _head(size: str, *against: str) -> tuple[str, ...]:
    """Return the heading: the size, and two columns for each call."""
    head = [size]
    for call in against:
        is_code = "(" in call
        head += [f"to `{call}`" if is_code else f"to {call}", "median"]
    return tuple(head)


def _notes() -> tuple[str, ...]:
    return (f"The calls of interop are `{COPY[0]}`, and `{CAST[0]}` for the cast.",)
