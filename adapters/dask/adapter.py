"""The adapter of Dask: lazy arrays, cut into blocks of any framework."""

from __future__ import annotations

import math
import uuid
from itertools import accumulate, chain, product
from typing import TYPE_CHECKING, Any, ClassVar, cast

import dask.array as da
import numpy as np
from dask.array.core import Array, normalize_chunks, slices_from_chunks
from dask.highlevelgraph import HighLevelGraph

from interop import errors
from interop.adapter import CPU, Adapter, Device, Facts
from interop.adapter.dtypes import dtype_name
from interop.adapter.lazy import LazyAdapter

from . import blocks, wire

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .wire import Pack, Setup


class DaskAdapter(LazyAdapter):
    """Adapter for `dask.array.Array`."""

    name: ClassVar[str] = "dask"
    array_type = da.Array

    def describe(self, x: Any, /) -> Facts:
        """Return the facts that an array states, with the device of the meta."""
        shape = tuple(x.shape)
        nbytes = 0
        if not any(map(math.isnan, shape)):  # Dask states an unknown length as NaN
            nbytes = math.prod(shape) * x.dtype.itemsize
        return Facts(
            "dask", shape, dtype_name(x.dtype), _device_of(x._meta), nbytes=nbytes,
            needs_read="it is lazy, and has to be computed",
        )  # fmt: skip

    def meta(self, x: Any, /) -> Any:
        """Return the meta of an array."""
        return x._meta

    def grid(self, x: Any, /) -> Sequence[int]:
        """Return the number of chunks along each axis."""
        return x.numblocks

    def rows(self, x: Any, /) -> Sequence[int]:
        """Return the ends of the chunks along axis 0."""
        return list(accumulate(x.chunks[0]))

    def compute(self, x: Any, /) -> Any:
        """Compute an array on the current scheduler, such as the cluster of a client."""
        return x.compute()

    def map(self, function: Callable[..., Any], arrays: Sequence[Any], meta: Any, /) -> Any:
        """Return a lazy array of function results, by `dask.array.blockwise`.

        Unlike `map_blocks`, it aligns the blocks of several arrays.
        """
        # Axes are numbered from the last one, since shapes are broadcast from there.
        axes = [tuple(range(x.ndim))[::-1] for x in arrays]
        pairs = chain.from_iterable(zip(arrays, axes, strict=True))
        return da.blockwise(function, max(axes, key=len), *pairs, dtype=meta.dtype, meta=meta)

    def split(self, x: Any, cut: Callable[[Any], Any], meta: Any, chunks: Any, /) -> Any:
        """Cut an array into blocks now, so that each task holds one block only.

        `from_array` would copy, and convert torch's blocks to NumPy's.
        """
        if chunks is None:
            chunks = "auto"
        # Dask's new engine ("array.query-planning") accepts no graph.
        if da.Array is not Array:
            source = wire.Source(x, cut, meta)
            # Otherwise Dask would hash the content for a name, and convert the blocks to NumPy.
            return da.from_array(source, chunks, name=False, asarray=False, meta=meta)
        chunks = normalize_chunks(chunks, tuple(x.shape), dtype=meta.dtype)
        # A new name each time, because the memory may be written to between two calls.
        name = f"interop-{uuid.uuid4().hex}"
        # NumPy returns a scalar for the index () of a 0-d array, and an array for an ellipsis.
        tasks = (blocks.task_of(cut(index or ...)) for index in slices_from_chunks(chunks))
        keys = product([name], *(range(len(sizes)) for sizes in chunks))
        graph: Any = HighLevelGraph.from_collections(name, dict(zip(keys, tasks, strict=True)))
        return cast("Any", da).Array(graph, name, chunks, meta=meta)

    def split_later(self, x: Any, chunks: Any, /) -> Any:
        """Return a lazy array whose blocks are sliced when Dask computes an array."""
        if chunks is None:
            chunks = "auto"
        # Without a meta, Dask would read a part of the file, and need the attribute `ndim`.
        meta = np.empty((0,) * len(x.shape), x.dtype)
        return da.from_array(x, chunks=chunks, name=False, asarray=True, meta=meta)

    def rechunk(self, x: Any, chunks: Any, /) -> Any:
        """Return a lazy array with other chunks."""
        return x.rechunk(chunks)

    def register_block_type(self, adapter: Adapter, pack: Pack, setup: Setup, /) -> None:
        """Register in Dask's tables the operations that are missing for a framework's class."""
        blocks.register(adapter, pack, setup)


def _device_of(meta: Any) -> Device:
    """Return the device of the blocks.

    A meta without DLPack is on the host, or is refused for its class later.
    """
    with errors.ignored_refusals:  # a producer may raise anything
        device = Device(*map(int, meta.__dlpack_device__()))
        if not device.is_host:
            return device
    return CPU


adapter = DaskAdapter()
