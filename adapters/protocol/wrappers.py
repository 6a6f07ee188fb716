"""Objects that wrap an array and name the array's axes; the wrapped array is converted.

No library is imported or named. Such an object has `dims` and `data` (xarray's DataArray, Variable and NamedArray), and
`data` may read a file: it is asked only if what lies behind it is an array already.
"""

from __future__ import annotations

from inspect import getattr_static
from typing import Any, Final

from interop import errors
from interop.adapter import CPU, Facts

from .._meanings import lost_by_reading

_ARRAYS: Final = ("__array_function__", "__array_namespace__")
"""What arrays speak, and objects that read a part of a file when they are indexed do not."""


def unwrap(x: Any) -> Any:
    """Return the array that an object wraps, or the object if no wrapped array is present."""
    cls = type(x)
    if not (hasattr(cls, "dims") and isinstance(getattr_static(cls, "data", None), property)):
        return x
    if lost_by_reading(x):  # the wrapper means more than what it wraps
        return x
    held = getattr(getattr(x, "variable", x), "_data", None)
    return x.data if any(hasattr(type(held), name) for name in _ARRAYS) else x


def several(x: Any) -> Facts | None:
    """Return facts with a reason to refuse an object that holds several named arrays, or None."""
    cls = type(x)
    if not (hasattr(cls, "data_vars") and hasattr(cls, "__array__")):
        return None
    together = ", or all in one array: x.to_dataarray()" if hasattr(cls, "to_dataarray") else ""
    reason = errors.Reason(
        "it holds several arrays by name", f'Convert one of them: x["name"]{together}.'
    )
    return Facts(cls.__name__, (), "mixed", CPU, unsupported=reason)
