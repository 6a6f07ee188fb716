"""Hints for columns that hold something other than numbers: text, categories, times, lists."""

from __future__ import annotations

import re
from typing import Any, Final

import numpy as np

_KINDS: Final = {
    "lists": re.compile(r"(large_|fixed_size_)?list"),
    "records": re.compile(r"struct|map"),
    "categories": re.compile(r"categor|dictionary|enum"),
    "text": re.compile(r"(large_)?(str|utf8|binary)"),
    "decimals": re.compile("decimal"),
    "times": re.compile(r"date|time|duration|period"),
}
"""Patterns that match the start of a dtype's name in lower case.

A column with any other dtype is read, and the resulting ndarray is judged.
"""
_SAMPLE: Final = 64  # texts that are looked at
_NUMBERING: Final = {
    "pandas": "factorize()[0]",
    "polars": 'rank("dense")',
    "arrow": "dictionary_encode().indices",
    "chunked arrow": "combine_chunks().dictionary_encode().indices",
}
"""By dialect, the call that numbers distinct texts."""
_CODES: Final = {
    "pandas": ("cat.codes", "astype(float)"),
    "polars": ("to_physical()", "cast(str).cast(float)"),
    "arrow": ("indices", "dictionary_decode()"),
    "chunked arrow": ("combine_chunks().indices", "cast(x.type.value_type)"),
}
"""By dialect, how to get the codes of categories, and their values."""


def kind_of(dtype: Any) -> str | None:
    """Return the kind of the values in a column by dtype, or None for numbers and unknown kinds."""
    name = str(dtype).lower()
    return next((kind for kind, pattern in _KINDS.items() if pattern.match(name)), None)


def hint(x: Any, kind: str) -> str:
    """Return how to get numbers from a column, by methods that the column has."""
    if kind == "records":
        return "Convert their fields one by one."
    if kind == "lists":
        method = "flatten" if hasattr(x, "flatten") else "explode"
        return f"Flatten it first: x.{method}()."
    if kind == "categories":
        return _hint_for_categories(x)
    if kind == "text" and not _are_numbers(x):
        return f"Number the distinct texts: x.{_NUMBERING[_dialect(x)]}."
    if kind == "times":
        return f"Convert it to numbers first: x.{_call_for_times(x)}."
    return f"Convert it to numbers first: x.{_call_for_floats(x)}."


def _call_for_times(x: Any) -> str:
    if hasattr(x, "astype"):
        return 'astype("int64")'
    if hasattr(x, "to_physical"):
        return "to_physical()"
    # Arrow casts a time only to an integer of equal width.
    return f'cast("int{x.type.bit_width}")'


def _call_for_floats(x: Any) -> str:
    if hasattr(x, "astype"):
        return "astype(float)"
    if hasattr(x, "to_physical"):
        return "cast(float)"
    return 'cast("float64")'


def _hint_for_categories(x: Any) -> str:
    """Return the hint for categories: convert the codes, or the values if numeric."""
    dialect = _dialect(x)
    codes, values = _CODES[dialect]
    if dialect == "pandas" and not hasattr(x, "cat"):  # a Categorical, not a Series
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
    if hasattr(x, "dictionary_encode") and not hasattr(x, "chunks"):
        return "arrow"
    return "chunked arrow"


def _are_numbers(x: Any) -> bool:
    """Return whether the first texts of a column can be read as numbers."""
    try:
        np.asarray(x[:_SAMPLE]).astype(float)
    except (TypeError, ValueError):
        return False
    return True
