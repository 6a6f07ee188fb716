"""The names of dtypes that can cross, their sizes, and which casts lose something. No framework is asked."""

from __future__ import annotations

from typing import Final

_BITS: Final = {
    "bool": 8, "uint8": 8, "uint16": 16, "uint32": 32, "uint64": 64, "int8": 8, "int16": 16, "int32": 32, "int64": 64,
    "float8_e3m4": 8, "float8_e4m3": 8, "float8_e4m3b11fnuz": 8, "float8_e4m3fn": 8, "float8_e4m3fnuz": 8,
    "float8_e5m2": 8, "float8_e5m2fnuz": 8, "float8_e8m0fnu": 8, "bfloat16": 16, "float16": 16, "float32": 32,
    "float64": 64, "complex64": 64, "complex128": 128,
}  # fmt: skip
NAMES: Final = frozenset(_BITS)
_RANKS: Final = {"bool": 0, "uint": 1, "int": 2, "float": 3, "bfloat": 3, "complex": 4}


def itemsize(dtype: str) -> int:
    """Return the bytes of one element of a named dtype.

    >>> itemsize("bfloat16"), itemsize("complex128")
    (2, 16)
    """
    return _BITS[dtype] // 8


def can_cast(source: str, target: str) -> bool:
    """Whether the cast keeps the kind of number: ``casting="same_kind"`` of `numpy.can_cast`, for these names.

    >>> can_cast("float64", "float16"), can_cast("float32", "int32"), can_cast("complex64", "float32")
    (True, False, False)
    """
    return _rank(source) <= _rank(target)


def _rank(dtype: str) -> int:
    return _RANKS[dtype.partition("_")[0].rstrip("0123456789")]
