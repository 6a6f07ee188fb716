"""Arrays with units and masks, modelled on astropy, unyt, quantities and pint."""

from typing import Any, Self

import numpy as np


class Astropy(np.ndarray[Any, Any]):
    """As `astropy.units.Quantity`: a unit, and the numbers as `value`."""

    unit: Any

    def __new__(cls, values: Any, unit: Any = "m") -> Self:
        x = np.array(values, float).view(cls)
        x.unit = unit
        return x

    def __array_finalize__(self, other: Any) -> None:
        self.unit = getattr(other, "unit", None)

    @property
    def value(self) -> Any:
        return self.view(np.ndarray)


class _WithUnits(np.ndarray[Any, Any]):
    """Has `units` on the instance."""

    units: Any

    def __new__(cls, values: Any, units: Any = "m") -> Self:
        x = np.array(values, float).view(cls)
        x.units = units
        return x

    def __array_finalize__(self, other: Any) -> None:
        self.units = getattr(other, "units", None)


class Unyt(_WithUnits):
    """As `unyt.unyt_array`: the numbers as `value`."""

    @property
    def value(self) -> Any:
        return np.array(self)


class Quantities(_WithUnits):
    """As `quantities.Quantity`: the numbers as `magnitude`."""

    @property
    def magnitude(self) -> Any:
        return self.view(np.ndarray)


class Bare(np.ndarray[Any, Any]):
    """Has a unit, and no name for its numbers."""

    unit = "m"


class Pint:
    """As `pint.Quantity`: no ndarray, and `__array__` strips the unit with a warning only."""

    def __init__(self, values: Any, units: Any = "m") -> None:
        self.magnitude = np.array(values, float)
        self._units = units
        self.shape, self.dtype = self.magnitude.shape, self.magnitude.dtype

    @property
    def units(self) -> Any:
        return self._units

    def __array__(self, dtype: object = None, copy: object = None) -> Any:
        raise AssertionError("its unit was stripped")


class Masked(np.ndarray[Any, Any]):
    """As `astropy.utils.masked.Masked`: a mask of its own, and `filled`."""

    mask: Any

    def __new__(cls, values: Any, mask: Any) -> Self:
        x = np.array(values, float).view(cls)
        x.mask = np.array(mask)
        return x

    def __array_finalize__(self, other: Any) -> None:
        self.mask = getattr(other, "mask", False)

    def filled(self, value: Any) -> Any:
        return np.where(self.mask, value, self.view(np.ndarray))


class Sealed(Masked):
    """Has a mask, and no way to fill it."""

    filled: Any = property(lambda self: self.no_such_attribute)


SUBCLASSES = {
    "astropy": (lambda **unit: Astropy([1, 2], **unit), "x.value"),
    "unyt": (lambda **unit: Unyt([1, 2], **unit), "x.value"),
    "quantities": (lambda **unit: Quantities([1, 2], **unit), "x.magnitude"),
}


class Duck(Pint):
    """As pint's arrays when they are wrapped by xarray: a duck array."""

    @property
    def ndim(self) -> int:
        return len(self.shape)

    def __array_function__(self, *_: Any, **__: Any) -> Any:
        return NotImplemented

    def __array_ufunc__(self, *_: Any, **__: Any) -> Any:
        return NotImplemented
