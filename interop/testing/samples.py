"""Sample arrays that the conformance suites share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pytest

from interop._doctor.samples import aligned

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["BASE", "CONVERSIONS", "DTYPES", "LAYOUTS", "NOT_NUMBERS", "TABLE", "shifted"]

DTYPES: Final = (
    "bool", "uint8", "int8", "int16", "int32", "int64",
    "float16", "float32", "float64", "complex64",
)  # fmt: skip
BASE: Final = aligned(np.arange(24, dtype="float32").reshape(2, 3, 4))
TABLE: Final = BASE.reshape(4, 6)
LAYOUTS: Final[dict[str, NDArray[Any]]] = {
    "contiguous": BASE,
    "fortran": aligned(np.asfortranarray(BASE)),
    "transposed": BASE.transpose(2, 0, 1),
    "sliced": BASE[:, 1:, ::2],
    "reversed": BASE[::-1],
    "broadcast": np.broadcast_to(BASE[0, 0], (3, 4)),
    "one element": BASE[:1, :1, :1],
    "0-d": BASE[0, 0, 0, ...],
    "empty": BASE[:, :0],
}
"""Arrays with different strides, by name."""
NOT_NUMBERS: Final = pytest.mark.parametrize(
    "array", [np.array(["a"]), np.array([None]), np.array(["2026"], "datetime64[Y]")]
)
"""A parameter `array` with arrays of text, objects and dates."""
CONVERSIONS: Final = 4
"""How often a test repeats a conversion.

The first call registers the class, the second caches the plan, and the next ones use the caches.
"""


def shifted(dtype: str, shift: int) -> NDArray[Any]:
    """Return a small ndarray at an address that is `shift` bytes above a multiple of 64."""
    size = np.dtype(dtype).itemsize
    memory = aligned(np.zeros(4 * size, "uint8"))
    array = memory[shift : shift + 3 * size].view(dtype)
    array[...] = [0, 1, 1]
    return array
