"""Dask arrays for tests, with a record of the blocks that were computed."""

from typing import Any

import numpy as np

import interop

VALUES = np.arange(48, dtype="f4").reshape(6, 8)
CHUNKS = (4, 3)
convert: Any = interop.convert  # of lazy arrays others come than it says


def dask_array() -> Any:
    """Return `dask.array`, whose types say less than it does."""
    from dask import array

    return array


def lazy(array: Any = VALUES, chunks: Any = CHUNKS) -> Any:
    """Return an array of NumPy's blocks, each a part of it."""
    return dask_array().from_array(array, chunks=chunks)


def of_blocks(function: Any) -> Any:
    """Return an array of whatever a function makes of NumPy's blocks, though it says that these are NumPy's."""
    return lazy().map_blocks(function, meta=np.empty((0, 0), "f4"))


def counted() -> tuple[Any, list[Any]]:
    """Return an array, and a list of its blocks, as far as they have been computed."""
    seen: list[Any] = []

    def note(block: Any) -> Any:
        seen.append(block)
        return block

    return of_blocks(note), seen


def blocks_of(x: Any) -> list[Any]:
    """Compute, and return the blocks in their order."""
    from dask.base import compute

    return list(compute(*x.to_delayed().ravel()))


def on(scheduler: str) -> Any:
    """Return a context in which blocks are computed on "threads", or, "synchronous", one after the other."""
    from dask import config

    return config.set(scheduler=scheduler, num_workers=4)
