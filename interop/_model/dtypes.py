"""The names and sizes of the supported dtypes, and the losses of casts.

No framework is asked.
"""

from __future__ import annotations

from typing import Final

from interop.adapter import EXTENDED_DTYPES, PLAIN_DTYPES

NAMES: Final = frozenset((*PLAIN_DTYPES, *EXTENDED_DTYPES))
# The number in a name is the width in bits. A suffix (float8_e5m2) does not count, and bool has no
# number.
_BITS: Final = {name: name.partition("_")[0].lstrip("abcdefghijklmnopqrstuvwxyz") for name in NAMES}
_SIZES: Final = {name: int(bits or 8) // 8 for name, bits in _BITS.items()}
# float and bfloat have one rank, because a cast between them only rounds.
_RANKS: Final = {"bool": 0, "uint": 1, "int": 2, "float": 3, "bfloat": 3, "complex": 4}
_INTEGERS: Final = (_RANKS["uint"], _RANKS["int"])
_FLOAT: Final = _RANKS["float"]
_COMPLEX: Final = _RANKS["complex"]
_PARTS: Final = {"complex64": "float32", "complex128": "float64"}
_UNSIGNED_FLOAT: Final = "float8_e8m0fnu"
"""A dtype of powers of two, which scale blocks of numbers (OCP Microscaling Formats 1.0, 5.4.1)."""


def itemsize(dtype: str) -> int:
    """Return the bytes of one element of a named dtype.

    >>> itemsize("bfloat16"), itemsize("float8_e5m2"), itemsize("complex128"), itemsize("bool")
    (2, 1, 16, 1)
    """
    return _SIZES[dtype]


def read_by_cast(source: str, target: str) -> str:
    """Return the dtype of the numbers that a cast reads. A cast to real numbers reads real parts.

    >>> read_by_cast("complex64", "int64"), read_by_cast("complex64", "bool")
    ('float32', 'complex64')
    """
    if source in _PARTS and target not in _PARTS and target != "bool":
        return _PARTS[source]
    return source


def lost_kind(source: str, target: str) -> str | None:
    """Return the loss in a cast to a lesser kind of number, or None for any other cast.

    The kinds are bool, unsigned integer, integer, float and complex. The rule is that of
    `numpy.can_cast` with ``casting="same_kind"``, extended to dtypes that NumPy does not have.

    >>> lost_kind("float32", "int32")
    'int32 would cut off the fractions of float32'
    >>> lost_kind("complex64", "float32")
    'float32 would drop the imaginary parts of complex64'
    >>> lost_kind("float64", "float16"), lost_kind("int64", "int8"), lost_kind("int64", "float16")
    (None, None, None)
    """
    start = _rank(source)
    if start <= _rank(target):
        return None
    if target == "bool":
        return f"bool would keep only whether a number of {source} is zero"
    if start == _COMPLEX:
        return f"{target} would drop the imaginary parts of {source}"
    if start == _FLOAT:
        return f"{target} would cut off the fractions of {source}"
    return f"negative numbers of {source} would wrap round in {target}"


def lost_numbers(source: str, target: str) -> str | None:
    """Return the unrequested loss in a cast, or None if numbers are rounded at most.

    The losses are those of `lost_kind`, and integers that may not fit into the target. A cast to a
    float rounds, and gives inf for numbers that are too large: this does not count as a loss.

    >>> lost_numbers("int64", "int8")
    'int8 holds -128 to 127, and other numbers of int64 would wrap round'
    >>> lost_numbers("uint8", "int16"), lost_numbers("float64", "float16")
    (None, None)
    >>> lost_numbers("int64", "float32")  # rounded
    """
    if lost := lost_kind(source, target):
        return lost
    # By its name this dtype is a float, so `lost_kind` does not refuse it.
    if target == _UNSIGNED_FLOAT and source != target:
        return f"{target} has neither zero nor negative numbers"
    if _rank(source) not in _INTEGERS or _rank(target) not in _INTEGERS:
        return None
    low, high = _range(target)
    least, largest = _range(source)
    if low <= least and largest <= high:
        return None
    return f"{target} holds {low} to {high}, and other numbers of {source} would wrap round"


def _range(integer: str) -> tuple[int, int]:
    """Return the least and the largest number of an integer dtype."""
    bits = 8 * itemsize(integer)
    if integer.startswith("u"):
        return 0, 2**bits - 1
    return -(2 ** (bits - 1)), 2 ** (bits - 1) - 1


def _rank(dtype: str) -> int:
    return _RANKS[dtype.partition("_")[0].rstrip("0123456789")]
