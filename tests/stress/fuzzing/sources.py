"""An array of any framework, with everything that is known about it without interop."""

from random import Random
from typing import Any, Final, NamedTuple

import ml_dtypes
import numpy as np

from interop import InteropError
from strategies import DTYPES, PLAIN
from strategies import EXOTIC as SMALL

__all__ = ["DTYPES", "PLAIN", "SMALL"]

WIDE: Final = ("uint64", "int64", "float64", "complex128")
"""Dtypes that JAX lacks by default."""
ALIGNMENT: Final = 64


class Source(NamedTuple):
    """An object to convert, and the facts that the oracle needs."""

    x: Any
    values: np.ndarray[Any, Any]
    """The elements in native bytes and in C order, in memory of their own."""
    dtype: str
    framework: str
    """The framework of `x`, or "foreign" for an object that only speaks a protocol."""
    low: int = 0
    high: int = 0
    """Addresses of the memory that `x` is a part of."""
    address: int = 0
    device: str = "cpu"
    order: str = "C"
    readonly: bool = False
    gradient: bool = False
    overlaps: bool = False
    reverses: bool = False
    unshareable: bool = False
    """Lazy bits, swapped bytes or misaligned memory: other frameworks get a copy."""
    read: bool = False
    """The memory is created by a read or a computation."""
    lazy: bool = False
    error: type[InteropError] | None = None
    """The error of every conversion that has to look at the numbers."""
    owner: Any = None
    """The array whose memory it is, for foreign objects."""
    kind: str = ""
    fixed: bool = True
    """Whether every run with one seed has this object at an address of one alignment."""

    @property
    def nbytes(self) -> int:
        return self.values.nbytes

    def __str__(self) -> str:
        flags = [name for name in _FLAGS if getattr(self, name)]
        shape = self.values.shape
        return f"<{self.kind} {self.dtype} {shape} on {self.device} {self.order or 'strided'} {' '.join(flags)}>"


_FLAGS: Final = (
    "readonly", "gradient", "overlaps", "reverses", "unshareable", "read", "lazy", "error",
)  # fmt: skip


def numpy_dtype(name: str) -> np.dtype[Any]:
    return np.dtype(getattr(ml_dtypes, name) if name in SMALL else name)


def itemsize(name: str) -> int:
    return numpy_dtype(name).itemsize


def memory(random: Random, dtype: str, length: int, shift: int = 0) -> np.ndarray[Any, Any]:
    """Return elements at an address that is `shift` modulo 64.

    The numbers are 1, 2 and 4, which every dtype holds exactly. So an oracle needs no rounding.
    """
    wanted = numpy_dtype(dtype)
    raw = np.zeros(length * wanted.itemsize + 2 * ALIGNMENT, np.uint8)
    start = -raw.ctypes.data % ALIGNMENT + shift
    found = np.ndarray((length,), wanted, raw, start)
    found[...] = numbers(random, dtype, length)
    return found


def numbers(random: Random, dtype: str, length: int) -> np.ndarray[Any, Any]:
    """Return random numbers that every dtype holds. Half of the complex numbers are not real."""
    draw = np.random.default_rng(random.getrandbits(32))
    if dtype == "bool":
        return draw.integers(0, 2, length).astype(bool)
    found = draw.choice(np.array([1.0, 2.0, 4.0]), length)
    if dtype.startswith("complex"):
        return (found + draw.choice(np.array([0j, 1j]), length)).astype(dtype)
    return found.astype(np.float32).astype(numpy_dtype(dtype))
