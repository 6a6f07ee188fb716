"""Columns and tables: numbers in memory, among which some may be missing, and what a column has instead of numbers.

No library is imported or named: a column is asked by `isna` or `null_count`, a table for its columns. A missing value
becomes NaN when it is read, or a number that it never was; so it is looked for before.
"""

from __future__ import annotations

import re
from typing import Any, Final

import numpy as np

from interop import errors
from interop.adapter import CPU, Facts

_KINDS: Final = {
    "lists": re.compile(r"(large_|fixed_size_)?list"),
    "records": re.compile(r"struct|map"),
    "categories": re.compile(r"categor|dictionary|enum"),
    "text": re.compile(r"(large_)?(str|utf8|binary)"),
    "decimals": re.compile("decimal"),
    "times": re.compile(r"date|time|duration|period"),
}
"""What begins the name of a dtype, in lower case. What is not here is read, and the ndarray is judged."""
_NUMBERS: Final = "biufc"  # kinds of NumPy's dtypes
_ASKS: Final = ("isna", "null_count", "itercolumns")
_SAMPLE: Final = 64  # texts that are looked at
_NUMBERING: Final = {
    "pandas": "factorize()[0]",
    "polars": 'rank("dense")',
    "arrow": "dictionary_encode().indices",
    "chunked arrow": "combine_chunks().dictionary_encode().indices",
}
_CODES: Final = {
    "pandas": ("cat.codes", "astype(float)"),
    "polars": ("to_physical()", "cast(str).cast(float)"),
    "arrow": ("indices", "dictionary_decode()"),
    "chunked arrow": ("combine_chunks().indices", "cast(x.type.value_type)"),
}
_EXPLODE: Final = ".explode()"
_FILLS: Final = ("fillna(value)", "fill_null(value)", "dropna()", "drop_nulls()", "drop_null()")


def is_column(x: Any) -> bool:
    """Whether an object can have missing values: a column on the host, or a table of columns."""
    cls = type(x)
    return (
        hasattr(cls, "__array__")
        and not hasattr(cls, "__cuda_array_interface__")
        and any(hasattr(cls, name) for name in _ASKS)
    )


def refusal(x: Any) -> Facts | None:
    """Return the facts of a column or a table that has something else than numbers, with the reason; else None."""
    columns = _columns(x)
    problem = _strange(x, columns) or _missing(x, columns)
    if problem is None:
        return None
    dtypes = (
        set(map(str, x.dtypes)) if _is_frame(x) else {str(_dtype(column)) for _, column in columns}
    )
    dtype = dtypes.pop() if len(dtypes) == 1 else "mixed"
    return Facts(type(x).__name__, _shape(x), dtype, CPU, unsupported=problem)


def _columns(x: Any) -> list[tuple[str, Any]]:
    """Return the columns of a table that must be inspected, as pairs of name and column.

    For a column itself, the name is empty. A column of NumPy's own numbers need not be asked:
    nothing in it can be missing, and no number is strange.
    """
    if _is_frame(x):
        dtypes = list(x.dtypes)
        asked = {dtype for dtype in set(dtypes) if not _is_plain(dtype)}
        return [
            (str(x.columns[i]), x.iloc[:, i])
            for i, dtype in enumerate(dtypes)
            if asked and dtype in asked
        ]
    if hasattr(x, "iter_columns"):
        return [(column.name, column) for column in x.iter_columns()]
    if hasattr(x, "itercolumns"):
        return list(zip(x.schema.names, x.itercolumns(), strict=True))
    return [] if _is_plain(getattr(x, "dtype", None)) else [("", x)]


def _is_frame(x: Any) -> bool:
    """Whether an object is a table that is indexed by position, as those of pandas are."""
    return hasattr(x, "iloc") and hasattr(x, "columns")


def _is_plain(dtype: Any) -> bool:
    """Whether a dtype is one of NumPy's own numbers."""
    return isinstance(dtype, np.dtype) and dtype.kind in _NUMBERS


def _dtype(column: Any) -> Any:
    return column.dtype if hasattr(column, "dtype") else column.type


def _shape(x: Any) -> tuple[int, ...]:
    return tuple(x.shape) if hasattr(x, "shape") else (len(x),)


# -- no numbers ----------------------------------------------------------------------------------------------------


def _strange(x: Any, columns: list[tuple[str, Any]]) -> str | None:
    """Say what a column holds that is no number, and what to write instead."""
    for name, column in columns:
        dtype = str(_dtype(column)).lower()
        kind = next((kind for kind, pattern in _KINDS.items() if pattern.match(dtype)), None)
        if kind and column is not x:
            return errors.Reason(
                f"its column {name!r} holds {kind}",
                "Leave it out, or convert the columns one by one.",
            )
        if kind:
            return errors.Reason(f"it holds {kind}", _cure(x, kind))
    return None


def _cure(x: Any, kind: str) -> str:
    """Say what to write instead, in the words that the column itself understands."""
    if kind == "records":
        return "Convert their fields one by one."
    if kind == "lists":
        return f"Flatten it first: x.{'flatten' if hasattr(x, 'flatten') else 'explode'}()."
    if kind == "categories":
        return _of_categories(x)
    if kind == "text" and not _are_numbers(x):
        return f"Number the distinct texts: x.{_NUMBERING[_dialect(x)]}."
    if hasattr(x, "astype"):
        call = "astype(float)" if kind != "times" else 'astype("int64")'
    elif hasattr(x, "to_physical"):
        call = "cast(float)" if kind != "times" else "to_physical()"
    else:
        call = f'cast("{"float64" if kind != "times" else f"int{x.type.bit_width}"}")'
    return f"Convert it to numbers first: x.{call}."


def _of_categories(x: Any) -> str:
    """Return the hint for categories: convert the codes, or the values if numeric."""
    codes, values = _CODES[_dialect(x)]
    if _dialect(x) == "pandas" and not hasattr(x, "cat"):  # a Categorical, not a Series
        codes = "codes"
    if _are_numbers(x):
        return f"Convert their codes, or the values: x.{codes}, x.{values}."
    return f"Convert their codes: x.{codes}."


def _dialect(x: Any) -> str:
    """Return the name of the dialect (set of methods) that a column supports.

    No class is named, because several libraries share each dialect.
    """
    if hasattr(x, "to_physical"):
        return "polars"
    if hasattr(x, "astype"):
        return "pandas"
    return (
        "arrow" if hasattr(x, "dictionary_encode") and not hasattr(x, "chunks") else "chunked arrow"
    )


def _are_numbers(x: Any) -> bool:
    """Whether some texts of a column can be read as numbers."""
    try:
        np.asarray(x[:_SAMPLE]).astype(float)
    except (TypeError, ValueError):
        return False
    return True


# -- missing numbers -----------------------------------------------------------------------------------------------


def _missing(x: Any, columns: list[tuple[str, Any]]) -> str | None:
    """Say how many values are missing, and how to fill or drop them."""
    for name, column in columns:
        count, inner, path = _count(column)
        if count:
            holder, subject = (inner, "it has") if column is x else (x, f"its column {name!r} has")
            calls = [
                f"x{path}.{call}" for call in _FILLS if hasattr(holder, call.partition("(")[0])
            ]
            values = f"{count} missing value{'s' * (count != 1)}"
            return errors.Reason(
                f"{subject} {values}, and no number stands for that",
                f"Fill or drop first: {', '.join(calls)}.",
            )
    return None


def _count(column: Any) -> tuple[int, Any, str]:
    """Count the missing values of a column; where they are inside its elements, say how to get at them."""
    if hasattr(column, "isna"):
        plain = isinstance(
            column.dtype, np.dtype
        )  # its NaN is a number, and nothing else is missing
        return (0 if plain else int(np.asarray(column.isna()).sum())), column, ""
    path = ""
    while not (count := _nulls(column)) and (step := _way_in(column)):
        column = column.explode() if step == _EXPLODE else column.storage.flatten()
        path += step
    return count, column, path


def _way_in(column: Any) -> str | None:
    """Say how to get at what the elements of a column are made of: arrays of one shape; None if they are numbers."""
    if hasattr(column, "explode") and column.dtype.is_nested():
        return _EXPLODE
    return ".storage.flatten()" if hasattr(getattr(column, "storage", None), "flatten") else None


def _nulls(column: Any) -> int:
    count = getattr(column, "null_count", 0)
    return int(count if isinstance(count, int) else count())
