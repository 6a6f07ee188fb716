"""Blocks of any framework in Dask arrays: operations in Dask's tables, and tasks that hold blocks.

Dask asks blocks for NumPy's dtypes, and can concatenate blocks of NumPy and CuPy. The operations
for other frameworks are registered when the first block is made, in each process.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from array_api_compat import array_namespace
from dask.array.dispatch import concatenate_lookup, take_lookup, tensordot_lookup
from dask.sizeof import sizeof

from . import wire

if TYPE_CHECKING:
    from collections.abc import Sequence

    from interop.adapter import Adapter

    from .wire import Pack, Setup

_known: Final[dict[type, tuple[Pack, Setup]]] = {}
"""The registered classes, with the functions that send their arrays."""


def register(adapter: Adapter, pack: Pack, setup: Setup) -> None:
    """Register a framework's class in the tables of Dask and Distributed, once."""
    cls = adapter.array_type
    if adapter.ndarray_native:
        return
    # Distributed may have been imported since the class became known, so this comes first.
    wire.register(cls, pack, setup)
    if cls in _known:
        return
    # Workers load payloads in several threads. There is no lock, which a fork could leave locked:
    # a second registration, at the same time or after one that was not finished, changes nothing.
    _take_rows_by_int64()
    for lookup, function in _OPERATIONS.items():
        if not _is_registered(lookup, cls):
            lookup.register(cls, function)
    # Dask's default is `sys.getsizeof`, which does not see the memory of most arrays.
    sizeof.register(cls, lambda x: adapter.describe(x).nbytes)
    # Last, because another thread continues as soon as the class is known.
    _known[cls] = pack, setup


def task_of(block: Any) -> Any:
    """Return a graph task that gives a block. For an ndarray, that is the ndarray."""
    # A copy, because another thread may register a class meanwhile.
    for cls, (pack, setup) in _known.copy().items():
        # In a tuple with a callable in front, Dask sees a task.
        if isinstance(block, cls):
            return (wire.HeldBlock(block, pack, setup),)
    return block


def _is_registered(lookup: Any, cls: type) -> bool:
    """Return whether a table has a function for a class other than the default for `object`.

    The default would convert the blocks to ndarrays.
    """
    # Dask itself registers CuPy and some sparse arrays, and these functions stay.
    return lookup.dispatch(cls) is not lookup.dispatch(object)


def _concatenate(arrays: Sequence[Any], axis: int = 0) -> Any:
    return array_namespace(arrays[0]).concat(list(arrays), axis=axis)


def _take(x: Any, indices: Any, axis: int = 0) -> Any:
    namespace = array_namespace(x)
    return namespace.take(x, namespace.asarray(indices), axis=axis)


def _tensordot(a: Any, b: Any, axes: Any = 2) -> Any:
    return array_namespace(a).tensordot(a, b, axes=axes)


_OPERATIONS: Final = {
    concatenate_lookup: _concatenate,
    take_lookup: _take,
    tensordot_lookup: _tensordot,
}


def _take_rows_by_int64() -> None:
    """Make Dask take rows by int64 indices.

    Dask narrows indices to uint8 to save memory. torch takes uint8 for a mask, and returns other
    rows. The function is private to Dask, and a release without that function is left unchanged.
    """
    with suppress(ImportError, AttributeError):
        from dask.array import _shuffle  # noqa: PLC0415

        take = _shuffle._getitem
        if take.__module__ == __name__:  # replaced already
            return

        def take_by_int64(x: Any, index: Any) -> Any:
            number, keys = index
            return take(x, (number, tuple(map(_as_int64, keys))))

        _shuffle._getitem = take_by_int64


def _as_int64(index: Any) -> Any:
    if isinstance(index, slice):
        return index
    return index.astype("int64")
