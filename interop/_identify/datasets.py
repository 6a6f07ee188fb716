"""Datasets: objects of no known framework whose slices are read one at a time."""

from __future__ import annotations

from inspect import getattr_static
from typing import Any, Final

_IN_MEMORY: Final = ("iloc", "isna", "null_count")
"""What columns have, whose slices may go by labels."""
_MEMORY_PROTOCOLS: Final = (
    "__dlpack__",
    "__cuda_array_interface__",
    "__array_interface__",
    "__array_struct__",
)


def is_dataset(x: Any) -> bool:
    """Whether an object of no known framework is read as it is sliced, as datasets of h5py and zarr are.

    What lends memory need not be read, nor do columns, and slices of those (pandas) may mean labels.
    """
    has_memory = isinstance(x, type) or any(
        getattr_static(x, name, None) is not None for name in _MEMORY_PROTOCOLS
    )
    if (
        has_memory
        or any(hasattr(x, name) for name in _IN_MEMORY)
        or not hasattr(type(x), "__getitem__")
    ):
        return False
    return (
        isinstance(getattr(x, "shape", None), tuple) and hasattr(x, "dtype") and not _has_buffer(x)
    )


def _has_buffer(x: Any) -> bool:
    try:
        memoryview(x).release()
    except TypeError:
        return False
    return True
