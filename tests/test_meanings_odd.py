"""Masks and units in classes that lose, hide or break their attributes."""

from typing import Any

import numpy as np
import pytest

import interop


class Loose(np.ndarray[Any, Any]):
    """An ndarray subclass whose attributes `copy` does not preserve."""


class Broken(np.ndarray[Any, Any]):
    """An ndarray subclass whose attributes raise."""

    @property
    def units(self) -> Any:
        raise KeyError("units")

    @property
    def mask(self) -> Any:
        raise RuntimeError("no mask")


class Unspoken:
    def __str__(self) -> str:
        raise KeyError("unit")


def loose(**attributes: Any) -> Any:
    x = np.arange(3.0).view(Loose)
    vars(x).update(attributes)
    return x


MEANINGS = {"mask": np.array([False, True, False]), "unit": "m", "units": Unspoken()}
COPIES = {
    "copy": lambda x: interop.to_numpy(x, copy=True),
    "tree": lambda x: interop.convert_tree([x], "numpy", copy=True),
    "decorated": interop.implemented_in("numpy", copy=True)(lambda a: a),
}


@pytest.mark.parametrize("copy", COPIES.values(), ids=COPIES)
@pytest.mark.parametrize("name", MEANINGS)
def test_copy_true_that_would_lose_a_mask_or_unit_is_refused(name: str, copy: Any) -> None:
    x = loose(**{name: MEANINGS[name]})
    with pytest.raises(interop.UnsupportedArrayError, match="would be lost"):
        copy(x)
    assert interop.to_numpy(x) is x


def test_copy_true_of_a_plain_subclass_returns_an_ndarray() -> None:
    copied = interop.to_numpy(loose(header="h"), copy=True)
    assert (type(copied), copied.tolist()) == (np.ndarray, [0, 1, 2])


@pytest.mark.requires("torch")
def test_convert_subclass_with_raising_attributes_is_converted() -> None:
    x = np.arange(3.0).view(Broken)
    assert interop.to_numpy(x) is x
    assert interop.to_torch(x).tolist() == [0, 1, 2]


@pytest.mark.requires("xarray")
def test_to_numpy_xarray_subclass_with_a_units_property_is_refused() -> None:
    import xarray

    class Quantified(xarray.DataArray):  # type: ignore[no-untyped-call]
        __slots__ = ()

        @property
        def units(self) -> str:
            return "m"

    with pytest.raises(interop.UnsupportedArrayError, match="it has the unit m"):
        interop.to_numpy(Quantified(np.arange(3.0)))
