"""The names of dtypes that can cross, their sizes, and which casts lose something. No framework is asked."""

from __future__ import annotations

from typing import Final

from interop.adapter import EXTENDED_DTYPES, PLAIN_DTYPES

NAMES: Final = frozenset((*PLAIN_DTYPES, *EXTENDED_DTYPES))
_BITS: Final = {name: name.partition("_")[0].lstrip("abcdefghijklmnopqrstuvwxyz") for name in NAMES}
_SIZES: Final = {name: int(bits or 8) // 8 for name, bits in _BITS.items()}
_RANKS: Final = {"bool": 0, "uint": 1, "int": 2, "float": 3, "bfloat": 3, "complex": 4}


def itemsize(dtype: str) -> int:
    """Return the bytes of one element of a named dtype.

    >>> itemsize("bfloat16"), itemsize("float8_e5m2"), itemsize("complex128"), itemsize("bool")
    (2, 1, 16, 1)
    """
    return _SIZES[dtype]


def can_cast(source: str, target: str) -> bool:
    """Whether the cast keeps the kind of number: ``casting="same_kind"`` of `numpy.can_cast`, for these names.

    >>> can_cast("float64", "float16"), can_cast("float32", "int32"), can_cast("complex64", "float32")
    (True, False, False)
    """
    return _rank(source) <= _rank(target)


def _rank(dtype: str) -> int:
    return _RANKS[dtype.partition("_")[0].rstrip("0123456789")]
