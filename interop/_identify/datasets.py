"""Datasets: objects of no known framework whose slices are read one at a time."""

from __future__ import annotations

from typing import Any, Final

from interop import errors
from interop._model import text
from interop.adapter.facts import stored_attribute

_COLUMN_ATTRIBUTES: Final = ("iloc", "isna", "null_count")
"""Attributes of columns (pandas, polars, pyarrow). Slices of columns may mean labels."""
_MEMORY_PROTOCOLS: Final = (
    "__dlpack__",
    "__cuda_array_interface__",
    "__array_interface__",
    "__array_struct__",
)


def is_dataset(x: Any) -> bool:
    """Whether an object of no known framework is read slice by slice, as datasets of h5py and zarr.

    Objects with a memory protocol are not datasets, because sharing their memory reads nothing.
    """
    # A class has the properties of its instances as attributes, but no data.
    if issubclass(type(x), type) or text.declared(type(x), "__getitem__") is None:
        return False
    with errors.ignored_refusals:
        if issubclass(type(x.shape), tuple) and hasattr(x, "dtype"):
            return not (_has_memory(x) or _is_column(x) or _has_buffer(x))
    return False


def _has_memory(x: Any) -> bool:
    # No property is evaluated: `__array_interface__` of some objects reads the data.
    return any(stored_attribute(x, name) is not None for name in _MEMORY_PROTOCOLS)


def _is_column(x: Any) -> bool:
    return any(hasattr(x, name) for name in _COLUMN_ATTRIBUTES)


def _has_buffer(x: Any) -> bool:
    try:
        memoryview(x).release()
    except TypeError:
        return False
    return True
