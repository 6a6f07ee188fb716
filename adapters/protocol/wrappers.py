"""Objects that wrap an array and name the array's axes. The wrapped array is converted.

No library is imported or named. Such an object has `dims` and `data` (xarray's DataArray, Variable
and NamedArray). The property `data` may read a file, so it is used only if an array is in memory.
"""

from __future__ import annotations

from inspect import getattr_static
from typing import Any, Final

from interop.adapter import CPU, Facts
from interop.errors import Reason

from .._meanings import lost_by_reading

_ARRAYS: Final = ("__array_function__", "__array_namespace__")
"""Protocols of arrays. Objects that read parts of a file when indexed do not support them."""


def unwrap(x: Any) -> Any:
    """Return the array that an object wraps, or the object if no wrapped array is present."""
    cls = type(x)
    if not (hasattr(cls, "dims") and isinstance(getattr_static(cls, "data", None), property)):
        return x
    if lost_by_reading(x):  # the wrapper has a unit, which the wrapped array lacks
        return x
    # `_data` is private in xarray. If a release lacks the attribute, the object is read instead
    # (decision 0027).
    held = getattr(getattr(x, "variable", x), "_data", None)
    if any(hasattr(type(held), name) for name in _ARRAYS):
        return x.data
    return x


def several(x: Any) -> Facts | None:
    """Return facts with a reason to refuse an object that holds several named arrays, or None."""
    cls = type(x)
    if not (hasattr(cls, "data_vars") and hasattr(cls, "__array__")):
        return None
    hint = 'Convert one of them: x["name"]'
    if hasattr(cls, "to_dataarray"):
        hint = f"{hint}, or all in one array: x.to_dataarray()"
    reason = Reason("it holds several named arrays", f"{hint}.")
    return Facts(cls.__name__, (), "mixed", CPU, unsupported=reason)
