"""Objects that are not opened: what each states about itself, and how it is read."""

from __future__ import annotations

import inspect
from math import prod
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from interop.adapter import PLAIN_DTYPES, Device, Facts

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray


class Closed(NamedTuple):
    """An object whose memory the host can't look at, or that has to be read first; and what it says of itself."""

    origin: Any
    facts: Facts
    read: Callable[[], NDArray[Any]] | None = None
    """What reads it into new memory each time, as was seen when it was opened."""


def speaks(x: Any, protocol: str) -> bool:
    """Ask statically: a property that copies an image should not run only to be found there."""
    return inspect.getattr_static(x, protocol, None) is not None


def stated_facts(x: Any, shape: Any, dtype: Any, device: Device, strides: Any = None) -> Facts:
    """Return the facts of an object from the shape and the dtype that it states."""
    name = dtype_name(dtype)
    problem = None if name and isinstance(shape, tuple) else f"its dtype {dtype} is none of plain numbers"
    if problem:
        return Facts(type(x).__name__, (), str(dtype), device, unsupported=problem)
    itemsize = np.dtype(name).itemsize
    strides = strides or tuple(itemsize * prod(shape[axis + 1 :]) for axis in range(len(shape)))
    return Facts(type(x).__name__, shape, name, device, tuple(strides), itemsize * prod(shape))


def dtype_name(dtype: Any) -> str:
    """Return NumPy's name of a plain dtype, be it NumPy's own object or another library's with the same name."""
    try:
        name = np.dtype(dtype).name if dtype is not None else ""
    except TypeError:
        name = str(dtype).rpartition(".")[2]
    return name if name in PLAIN_DTYPES else ""
