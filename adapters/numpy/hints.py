"""Hints on getting plain numbers out of ndarrays of other dtypes.

The elements of text and objects decide which code works, so some of them are looked at.
"""

from __future__ import annotations

from itertools import islice
from numbers import Complex, Integral, Real
from typing import TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_SAMPLE: Final = 64  # elements that are looked at
# An integer of Python may be larger, and its cast to int64 raises OverflowError.
_INT64: Final = range(-(2**63), 2**63)
_FLOATS: Final = "Convert it first: x.astype(float)."
_CODES: Final = "It holds text. Number the distinct texts: numpy.unique(x, return_inverse=True)[1]."
_BYTES: Final = "numpy.frombuffer(x.tobytes(), numpy.uint8) for its bytes"


def hint(x: NDArray[Any]) -> str:
    """Return a hint on getting plain numbers out of an array of another dtype."""
    dtype = x.dtype
    if not dtype.itemsize:
        return (
            "Its elements have no bytes. If it is a gradient that is zero (JAX's float0), "
            "write numpy.zeros(x.shape) instead."
        )
    if dtype.names:
        return f'Pass its fields one by one: x["{dtype.names[0]}"].'
    # ml_dtypes' int4 and uint4 are of the kind "V" too, and are no bytes to view.
    if dtype.kind in _BY_KIND and (dtype.kind != "V" or dtype.type is np.void):
        return _BY_KIND[dtype.kind](x)
    # Of NumPy's own dtypes, only clongdouble and longdouble come as far as here.
    if dtype.kind == "c":
        return "Convert it first: x.astype(numpy.complex128)."
    return "Convert it first: x.astype(numpy.float64)."


def _of_void(x: NDArray[Any]) -> str:
    # NumPy changes the item size of a view only if the last axis is contiguous.
    if x.ndim and x.strides[-1] == x.itemsize:
        return 'View its bytes as numbers: x.view("uint8").'
    return 'View its bytes as numbers: numpy.ascontiguousarray(x).view("uint8").'


def _of_time(x: NDArray[Any]) -> str:
    if x.dtype.isnative:  # a view of swapped bytes would have other values
        return 'View it as numbers: x.view("int64").'
    return 'Convert it to numbers: x.astype("int64").'


def _of_bytes(x: NDArray[Any]) -> str:
    if _are_numbers(_sample(x)):
        return f"Convert it first: x.astype(float), or {_BYTES}."
    return f"{_CODES[:-1]}, or {_BYTES}."


def _of_text(x: NDArray[Any]) -> str:
    if _are_numbers(_sample(x)):
        return _FLOATS
    return _CODES


def _of_objects(x: NDArray[Any]) -> str:
    elements = _sample(x)
    if not x.ndim and not isinstance(elements[0], (Complex, str)):
        return "It holds one object. Convert that object: x.item()."
    if elements and all(isinstance(element, str) for element in elements):
        return _of_text(x)
    if elements and all(map(_is_sequence, elements)):
        return _of_sequences(x, elements)
    return _of_scalars(elements)


def _of_scalars(elements: list[Any]) -> str:
    if elements and all(
        isinstance(element, Integral) and int(element) in _INT64 for element in elements
    ):
        return 'Convert its elements to numbers first: x.astype("int64").'
    if all(map(_is_real, elements)):
        return "Convert its elements to numbers first: x.astype(float)."
    if all(element is None or _is_real(element) for element in elements):
        return "Convert its elements to numbers first: x.astype(float). Each None becomes NaN."
    if all(isinstance(element, Complex) for element in elements):
        return "Convert its elements to numbers first: x.astype(complex)."
    classes = ", ".join(dict.fromkeys(type(element).__name__ for element in elements))
    return f"Its elements are objects ({classes}). Convert each one to a number first."


def _of_sequences(x: NDArray[Any], elements: list[Any]) -> str:
    """Return the hint for elements that are arrays or lists, of one or several shapes."""
    items = "list(x)" if x.ndim == 1 else "list(x.flat)"
    if all(hasattr(element, "shape") for element in elements):
        if len({tuple(element.shape) for element in elements}) == 1:
            call = f'interop.stack({items}, "numpy")'
            return f"Its elements are arrays of one shape. Stack them: {call}."
        call = f'interop.convert_tree({items}, "numpy")'
        return f"Its elements are arrays of several shapes. Convert each: {call}."
    call = f"[numpy.asarray(item) for item in {items}]"
    return f"Its elements are sequences. Create an array from each: {call}."


def _is_sequence(element: Any) -> bool:
    return getattr(element, "shape", ()) != () or isinstance(element, (list, tuple))


def _is_real(element: Any) -> bool:
    if isinstance(element, Real):
        return True
    return hasattr(type(element), "__float__") and not isinstance(element, Complex)


def _are_numbers(elements: list[Any]) -> bool:
    try:
        for element in elements:
            float(element)
    except (TypeError, ValueError):
        return False
    return True


def _sample(x: NDArray[Any]) -> list[Any]:
    return list(islice(x.flat, _SAMPLE))


_BY_KIND: Final = {
    "V": _of_void,
    "M": _of_time,
    "m": _of_time,
    "S": _of_bytes,
    "U": _of_text,
    "T": _of_text,
    "O": _of_objects,
}
"""Functions by kind of dtype, each of which returns the hint for an array."""
