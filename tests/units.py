"""Arrays with units and masks, modelled on astropy, unyt, quantities and pint."""

from typing import Any, Self

import numpy as np


class Astropy(np.ndarray[Any, Any]):
    """A model of `astropy.units.Quantity`: a unit, and plain numbers as `value`."""

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
    """An ndarray with `units` on the instance."""

    units: Any

    def __new__(cls, values: Any, units: Any = "m") -> Self:
        x = np.array(values, float).view(cls)
        x.units = units
        return x

    def __array_finalize__(self, other: Any) -> None:
        self.units = getattr(other, "units", None)


class Unyt(_WithUnits):
    """A model of `unyt.unyt_array`: units, and plain numbers as `value`."""

    @property
    def value(self) -> Any:
        return np.array(self)


class Quantities(_WithUnits):
    """A model of `quantities.Quantity`: units, and plain numbers as `magnitude`."""

    @property
    def magnitude(self) -> Any:
        return self.view(np.ndarray)


class Bare(np.ndarray[Any, Any]):
    """An ndarray with a unit, without an attribute for the plain numbers."""

    unit = "m"


class Pint:
    """A model of `pint.Quantity`: not an ndarray, and `__array__` must never be called."""

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
    """A model of `astropy.utils.masked.Masked`: a mask, and a `filled` method."""

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
    """An array with a mask and without a way to fill it."""

    filled: Any = property(lambda self: self.no_such_attribute)


SUBCLASSES = {
    "astropy": (lambda **unit: Astropy([1, 2], **unit), "x.value"),
    "unyt": (lambda **unit: Unyt([1, 2], **unit), "x.value"),
    "quantities": (lambda **unit: Quantities([1, 2], **unit), "x.magnitude"),
}


class Duck(Pint):
    """A model of pint's arrays as wrapped by xarray: a duck array."""

    @property
    def ndim(self) -> int:
        return len(self.shape)

    def __array_function__(self, *_: Any, **__: Any) -> Any:
        return NotImplemented

    def __array_ufunc__(self, *_: Any, **__: Any) -> Any:
        return NotImplemented
