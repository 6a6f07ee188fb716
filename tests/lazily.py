"""Dask arrays for tests, with a record of the blocks that were computed."""

from typing import Any

import numpy as np

import interop

VALUES = np.arange(48, dtype="f4").reshape(6, 8)
CHUNKS = (4, 3)
convert: Any = interop.convert  # Any, because the type hints do not cover lazy arrays


def dask_array() -> Any:
    """Return `dask.array` as Any, because its type hints are incomplete."""
    from dask import array

    return array


def lazy(array: Any = VALUES, chunks: Any = CHUNKS) -> Any:
    """Return a Dask array whose blocks are parts of an ndarray."""
    return dask_array().from_array(array, chunks=chunks)


def of_blocks(function: Any) -> Any:
    """Return a Dask array of function(block), with a meta that always claims NumPy."""
    return lazy().map_blocks(function, meta=np.empty((0, 0), "f4"))


def counted() -> tuple[Any, list[Any]]:
    """Return a Dask array, and a list that collects each computed block."""
    seen: list[Any] = []

    def note(block: Any) -> Any:
        seen.append(block)
        return block

    return of_blocks(note), seen


def blocks_of(x: Any) -> list[Any]:
    """Compute and return all blocks in order."""
    from dask.base import compute

    return list(compute(*x.to_delayed().ravel()))


def on(scheduler: str) -> Any:
    """Return a Dask context for the scheduler "threads" or "synchronous" (one block at a time)."""
    from dask import config

    return config.set(scheduler=scheduler, num_workers=4)
