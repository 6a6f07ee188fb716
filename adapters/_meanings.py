"""Masks and units of arrays, which a conversion of the numbers alone would lose.

No library is imported or named. Decision 0026 lists the attributes that count.
"""

from __future__ import annotations

from inspect import getattr_static
from typing import Any, Final

import numpy as np

from interop.errors import Reason

_UNITS: Final = ("unit", "units")
_NUMBERS: Final = ("value", "magnitude")
_NO_UNIT: Final = frozenset(
    {"", "1", "none", "dimensionless", "1 dimensionless", "1.0 dimensionless"}
)
"""The texts by which libraries state that numbers have no unit."""


def lost_by_subclass(x: np.ndarray[Any, Any]) -> str | None:
    """Return the reason not to reduce a subclass instance to a plain ndarray, or None.

    The reason says which mask or unit would be lost, and what to write instead.
    """
    if reason := lost_mask(x):
        return reason
    for name in _UNITS:
        unit = _attribute(x, name)
        if _is_unit(unit):
            return _lost_unit(x, unit, "x.view(numpy.ndarray)")
    return None


def lost_mask(x: np.ndarray[Any, Any]) -> str | None:
    """Return why the mask of an ndarray subclass would be lost, or None if nothing is masked.

    The reason says what to write instead.
    """
    if not _is_masked(x):
        return None
    hint = "Fill them first: x.filled(value)."
    # Not every class with a mask can fill the masked elements.
    if not hasattr(x, "filled"):
        hint = "Take the values under the mask as well, if they are valid: x.view(numpy.ndarray)."
    return Reason("some elements are masked, and the mask would be lost", hint)


def lost_by_reading(x: Any) -> str | None:
    """Return why reading an object of no known framework would lose a unit, or None.

    The reason says what to write instead. Only a unit that the class declares counts, because
    other objects have metadata with such names (netCDF variables).
    """
    for name in _UNITS:
        if getattr_static(type(x), name, None) is None:
            continue
        unit = _attribute(x, name)
        if _is_unit(unit):
            return _lost_unit(x, unit, "numpy.asarray(x)")
    return None


def _lost_unit(x: Any, unit: Any, otherwise: str) -> str:
    """Return the reason for a unit, with the attribute that holds the numbers as the hint."""
    names = (name for name in _NUMBERS if _is_value(_attribute(x, name)))
    numbers = next((f"x.{name}" for name in names), otherwise)
    reason = f"it has {_format_unit(unit)}, which would be lost"
    return Reason(reason, f"Convert its numbers: {numbers}.")


def _is_value(numbers: Any) -> bool:
    return numbers is not None and not callable(numbers)


def _format_unit(unit: Any) -> str:
    try:
        return f"the unit {unit}"
    except MemoryError:
        raise
    except Exception:  # noqa: BLE001 - a class may raise anything
        return "a unit"


def _attribute(x: Any, name: str) -> Any:
    """Return an attribute, or None if the attribute is missing or cannot be read.

    An array must be described even if one of its properties raises.
    """
    try:
        return getattr(x, name, None)
    except MemoryError:
        raise
    except Exception:  # noqa: BLE001 - a property may raise anything
        return None


def _is_unit(unit: Any) -> bool:
    """Return whether an attribute's value is a unit, so that numbers alone are incomplete."""
    # A method with that name converts units, and says nothing about this array.
    if unit is None or callable(unit):
        return False
    try:
        return str(unit).strip().lower() not in _NO_UNIT
    except MemoryError:
        raise
    except Exception:  # noqa: BLE001 - a class may raise anything
        # Refusing is the safe answer, because a unit that cannot be printed is lost, too.
        return True


def _is_masked(x: np.ndarray[Any, Any]) -> bool:
    if isinstance(x, np.ma.MaskedArray):
        return bool(np.ma.is_masked(x))
    mask = _attribute(x, "mask")
    # Other attributes with that name are no masks: those of another dtype or shape.
    if not isinstance(mask, (np.ndarray, np.bool_)) or mask.dtype != bool:
        return False
    return mask.shape in ((), x.shape) and bool(np.asarray(mask).any())
