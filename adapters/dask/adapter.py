"""Dask: lazy arrays, cut into blocks of any framework.

Dask asks arrays for NumPy's dtypes and knows how to put NumPy's and CuPy's blocks together. What it needs of other
frameworks is registered when their first block is made, in every process that makes one.
"""

from __future__ import annotations

import math
import uuid
from contextlib import suppress
from itertools import accumulate, chain, product
from threading import RLock
from typing import TYPE_CHECKING, Any, ClassVar, Final, cast

import dask.array as da
import numpy as np
from array_api_compat import array_namespace
from dask.array.core import Array, normalize_chunks, slices_from_chunks
from dask.array.dispatch import concatenate_lookup, take_lookup, tensordot_lookup
from dask.highlevelgraph import HighLevelGraph
from dask.sizeof import sizeof

from interop.adapter import CPU, Adapter, Device, Facts
from interop.adapter.dtypes import dtype_name
from interop.adapter.lazy import LazyAdapter

from . import wire

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .wire import Pack, Setup

_known: Final[dict[type, tuple[Pack, Setup]]] = {}
_lock: Final = RLock()  # workers open payloads in several threads


class DaskAdapter(LazyAdapter):
    """`dask.array.Array`."""

    name: ClassVar[str] = "dask"
    array_type = da.Array

    def describe(self, x: Any, /) -> Facts:
        """Tell what the array says of itself, and its meta of the blocks."""
        shape = tuple(x.shape)
        dtype = dtype_name(x.dtype)
        known = not any(map(math.isnan, shape))
        nbytes = math.prod(shape) * x.dtype.itemsize if known else 0
        reason = "it is lazy, and has to be computed"
        return Facts("dask", shape, dtype, _device(x._meta), nbytes=nbytes, needs_read=reason)

    def meta(self, x: Any, /) -> Any:
        """Return the meta."""
        return x._meta

    def grid(self, x: Any, /) -> Sequence[int]:
        """Return the number of chunks along each axis."""
        return x.numblocks

    def rows(self, x: Any, /) -> Sequence[int]:
        """Return the ends of the chunks along axis 0."""
        return list(accumulate(x.chunks[0]))

    def compute(self, x: Any, /) -> Any:
        """Compute on whatever scheduler is the current one: a client's cluster, if there is a client."""
        return x.compute()

    def map(self, function: Callable[..., Any], arrays: Sequence[Any], meta: Any, /) -> Any:
        """Map by `dask.array.blockwise`, which aligns the blocks, as `map_blocks` doesn't."""
        axes = [
            tuple(range(x.ndim))[::-1] for x in arrays
        ]  # counted from the last one, as shapes are broadcast
        pairs = chain.from_iterable(zip(arrays, axes, strict=True))
        return da.blockwise(function, max(axes, key=len), *pairs, dtype=meta.dtype, meta=meta)

    def split(self, x: Any, cut: Callable[[Any], Any], meta: Any, chunks: Any, /) -> Any:
        """Cut now, so that a task has only its block; `from_array` copies, and makes NumPy's blocks of torch's."""
        chunks = "auto" if chunks is None else chunks
        if (
            da.Array is not Array
        ):  # its new engine ("array.query-planning"), where a graph can't be given
            return da.from_array(_Cut(x, cut, meta), chunks, name=False, asarray=False, meta=meta)
        chunks = normalize_chunks(chunks, tuple(x.shape), dtype=meta.dtype)
        name = f"interop-{uuid.uuid4().hex}"  # the memory may be written to: it is no name for what is in it
        blocks = map(cut, (index or ... for index in slices_from_chunks(chunks)))
        keys = product([name], *(range(len(sizes)) for sizes in chunks))
        graph: Any = dict(zip(keys, map(_task, blocks), strict=True))
        return cast("Any", da).Array(
            HighLevelGraph.from_collections(name, graph), name, chunks, meta=meta
        )

    def split_later(self, x: Any, chunks: Any, /) -> Any:
        """Let Dask slice it when a block is computed."""
        meta = np.empty(
            (0,) * len(x.shape), x.dtype
        )  # else Dask reads a part to learn that, and asks for `ndim`
        return da.from_array(
            x, chunks="auto" if chunks is None else chunks, name=False, asarray=True, meta=meta
        )

    def rechunk(self, x: Any, chunks: Any, /) -> Any:
        """Rechunk, which is lazy."""
        return x.rechunk(chunks)

    def register_block_type(self, adapter: Adapter, pack: Pack, setup: Setup, /) -> None:
        """Register in Dask's tables what they don't know of a framework's class."""
        cls = adapter.array_type
        if adapter.ndarray_native:
            return
        wire.register(cls, pack, setup)
        if cls in _known:
            return
        with _lock:
            if not _known:
                _index_by_wide_numbers()
            for lookup, function in _LOOKUPS.items():
                if not _knows(lookup, cls):
                    lookup.register(cls, function)
            sizeof.register(cls, lambda x: adapter.describe(x).nbytes)
            _known[cls] = pack, setup  # at the end: another thread goes on when it is there


class _Cut:
    """An array as Dask slices it."""

    def __init__(self, x: Any, cut: Callable[[Any], Any], meta: Any) -> None:
        self.shape, self.dtype, self.ndim = tuple(x.shape), meta.dtype, len(x.shape)
        self._cut = cut

    def __getitem__(self, index: Any) -> Any:
        return self._cut(index or ...)


def _task(block: Any) -> Any:
    """Return a task that gives a block; NumPy's is one itself."""
    known = next((pair for cls, pair in _known.items() if isinstance(block, cls)), None)
    return block if known is None else (_Held(block, *known),)


class _Held:
    """A block that a task gives. It is pickled as it is sent, since torch can't pickle all that it has."""

    def __init__(self, block: Any, pack: Pack, setup: Setup) -> None:
        self._all = block, pack, setup

    def __call__(self) -> Any:
        return self._all[0]

    def __reduce__(self) -> Any:
        block, pack, setup = self._all
        return _held, (pack, setup, *pack(block))


def _held(
    pack: Pack, setup: Setup, function: Callable[..., Any], arguments: tuple[Any, ...]
) -> _Held:
    return _Held(wire.load_payload(None, setup, function, arguments), pack, setup)


def _device(meta: Any) -> Device:
    """Return where blocks are. What speaks no DLPack is on the host, or it is refused for what it is."""
    with suppress(Exception):  # whatever a producer raises
        device = Device(*map(int, meta.__dlpack_device__()))
        return CPU if device.is_host else device
    return CPU


# -- blocks of other frameworks: by their array-API namespaces -----------------------------------------------------


def _knows(lookup: Any, cls: type) -> bool:
    """Whether there is more than the default for `object`, which would make ndarrays of them."""
    return lookup.dispatch(cls) is not lookup.dispatch(object)


def _concatenate(arrays: Sequence[Any], axis: int = 0) -> Any:
    return array_namespace(arrays[0]).concat(list(arrays), axis=axis)


def _take(x: Any, indices: Any, axis: int = 0) -> Any:
    namespace = array_namespace(x)
    return namespace.take(x, namespace.asarray(indices), axis=axis)


def _index_by_wide_numbers() -> None:
    """Let Dask take rows by int64: it narrows to uint8, which torch takes for a mask, and gives other rows.

    That function is private to Dask. A version that has no such one is left as it is.
    """
    with suppress(ImportError, AttributeError):
        from dask.array import _shuffle  # noqa: PLC0415

        take = _shuffle._getitem

        def take_by_wide_numbers(x: Any, index: Any) -> Any:
            number, keys = index
            return take(
                x, (number, tuple(k if isinstance(k, slice) else k.astype("int64") for k in keys))
            )

        _shuffle._getitem = take_by_wide_numbers


def _tensordot(a: Any, b: Any, axes: Any = 2) -> Any:
    return array_namespace(a).tensordot(a, b, axes=axes)


_LOOKUPS: Final = {
    concatenate_lookup: _concatenate,
    take_lookup: _take,
    tensordot_lookup: _tensordot,
}

adapter = DaskAdapter()
