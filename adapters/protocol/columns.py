"""Columns and tables in memory, whose values may be missing or something other than numbers.

No library is imported or named. A column has `isna` or `null_count`, and a table has columns. A
read turns a missing value into NaN, or into a number that it never was, so missing values are
counted before.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np

from interop.adapter import CPU, Facts
from interop.errors import Reason

from . import column_hints

_NUMBERS: Final = "biufc"
"""Kinds of NumPy's dtypes of numbers."""
_MARKS: Final = ("isna", "null_count", "itercolumns")
"""Attributes that only columns and tables have."""
_EXPLODE: Final = ".explode()"
_FILLS: Final = ("fillna(value)", "fill_null(value)", "dropna()", "drop_nulls()", "drop_null()")


def is_column(x: Any) -> bool:
    """Return whether an object can have missing values: a column on the host, or a table."""
    cls = type(x)
    # A column on a GPU is opened by its protocol of device memory. Its `__array__` would
    # download or raise.
    if not hasattr(cls, "__array__") or hasattr(cls, "__cuda_array_interface__"):
        return False
    return any(hasattr(cls, name) for name in _MARKS)


def refusal(x: Any) -> Facts | None:
    """Return facts with a reason to refuse a column or a table, or None for numbers only."""
    columns = _columns(x)
    # Dtypes come first, because a count of missing values may read all values.
    problem = _why_not_numbers(x, columns) or _why_incomplete(x, columns)
    if problem is None:
        return None
    dtype = _common_dtype(x, columns)
    return Facts(type(x).__name__, _shape(x), dtype, CPU, unsupported=problem)


def _columns(x: Any) -> list[tuple[str, Any]]:
    """Return the columns of a table that must be inspected, as pairs of name and column.

    For a column itself, the name is empty. A column of NumPy's own numbers is left out, because
    nothing in it can be missing.
    """
    if _is_frame(x):
        return _frame_columns(x)
    if hasattr(x, "iter_columns"):
        return [(column.name, column) for column in x.iter_columns()]
    if hasattr(x, "itercolumns"):
        return list(zip(x.schema.names, x.itercolumns(), strict=True))
    if _is_plain(getattr(x, "dtype", None)):
        return []
    return [("", x)]


def _is_frame(x: Any) -> bool:
    """Return whether an object is a table that is indexed by position, like those of pandas."""
    return hasattr(x, "iloc") and hasattr(x, "columns")


def _frame_columns(x: Any) -> list[tuple[str, Any]]:
    dtypes = list(x.dtypes)
    # A wide table has few dtypes, so each dtype is looked at once.
    inspected = {dtype for dtype in set(dtypes) if not _is_plain(dtype)}
    if not inspected:
        return []
    # By position, because several columns may have one name.
    positions = (i for i, dtype in enumerate(dtypes) if dtype in inspected)
    return [(str(x.columns[i]), x.iloc[:, i]) for i in positions]


def _is_plain(dtype: Any) -> bool:
    """Return whether a dtype is one of NumPy's own numbers."""
    return isinstance(dtype, np.dtype) and dtype.kind in _NUMBERS


def _common_dtype(x: Any, columns: list[tuple[str, Any]]) -> str:
    """Return the dtype of all columns, or "mixed"."""
    dtypes = x.dtypes if _is_frame(x) else [_dtype(column) for _, column in columns]
    names = set(map(str, dtypes))
    if len(names) > 1:
        return "mixed"
    return names.pop()


def _dtype(column: Any) -> Any:
    if hasattr(column, "dtype"):
        return column.dtype
    return column.type


def _shape(x: Any) -> tuple[int, ...]:
    if hasattr(x, "shape"):
        return tuple(x.shape)
    return (len(x),)


def _why_not_numbers(x: Any, columns: list[tuple[str, Any]]) -> str | None:
    """Return the reason and the hint for the first column without numbers, or None."""
    for name, column in columns:
        kind = column_hints.kind_of(_dtype(column))
        if kind is None:
            continue
        if column is x:
            return Reason(f"it holds {kind}", column_hints.hint(x, kind))
        hint = "Leave it out, or convert the columns one by one."
        return Reason(f"its column {name!r} holds {kind}", hint)
    return None


# -- missing values --------------------------------------------------------------------------------


class _Missing(NamedTuple):
    """The number of missing values, and the column, or the inner column, with these values."""

    total: int
    column: Any
    path: str = ""
    """The calls that lead to an inner column."""


def _why_incomplete(x: Any, columns: list[tuple[str, Any]]) -> str | None:
    """Return how many values of the first incomplete column are missing, with a hint, or None."""
    for name, column in columns:
        missing = _count_missing(column)
        if not missing.total:
            continue
        holder = x
        subject = f"its column {name!r} has"
        if column is x:
            holder = missing.column
            subject = "it has"
        fills = [fill for fill in _FILLS if hasattr(holder, fill.partition("(")[0])]
        calls = ", ".join(f"x{missing.path}.{fill}" for fill in fills)
        values = f"{missing.total} missing {'value' if missing.total == 1 else 'values'}"
        reason = f"{subject} {values}, which numbers cannot express"
        return Reason(reason, f"Fill or drop them first: {calls}.")
    return None


def _count_missing(column: Any) -> _Missing:
    """Count the missing values of a column, or of the column inside the elements."""
    if hasattr(column, "isna"):
        # NaN in a column of NumPy's own numbers is a number, and nothing else can be missing.
        if isinstance(column.dtype, np.dtype):
            return _Missing(0, column)
        return _Missing(int(np.asarray(column.isna()).sum()), column)
    # A column of arrays has no missing values itself, but the column of all their elements may.
    path = ""
    while not (count := _null_count(column)) and (step := _step_inside(column)):
        column = column.explode() if step == _EXPLODE else column.storage.flatten()
        path += step
    return _Missing(count, column, path)


def _step_inside(column: Any) -> str | None:
    """Return the call that leads to the values inside a column of arrays, or None for numbers."""
    if hasattr(column, "explode") and column.dtype.is_nested():
        return _EXPLODE
    if hasattr(getattr(column, "storage", None), "flatten"):
        return ".storage.flatten()"
    return None


def _null_count(column: Any) -> int:
    # An attribute in pyarrow, and a method in polars.
    count = getattr(column, "null_count", 0)
    if isinstance(count, int):
        return count
    return int(count())
