"""Unopened objects, each with stated facts and a function that reads the object."""

from __future__ import annotations

import inspect
from math import prod
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from interop import errors
from interop.adapter import PLAIN_DTYPES, Device, Facts
from interop.adapter.dtypes import dtype_name

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from interop.adapter.streams import Stream


class Closed(NamedTuple):
    """An object whose memory the host can't look at, or that has to be read first; and what it says of itself."""

    origin: Any
    facts: Facts
    read: Callable[[], NDArray[Any]] | None = None
    """What reads it, as was seen when it was opened."""
    is_made: bool = False
    """Whether `read` is known to give memory that nobody else uses; another address each time does not prove that."""
    lend: Callable[[Stream | None], Any] | None = None
    """Passes memory on a device to its consumer, by the protocol that it was opened by."""
    address: int | None = None
    """Where its first element is, if a protocol says so."""
    held: list[NDArray[Any]] | None = None
    """What was read to open it, for the first reader: an object is read once for one conversion."""


def get(x: Any, protocol: str) -> Any:
    """Return an object's method or description for a protocol, or None if not supported.

    The class is asked first: a property that copies an image should not run only to be found. A property that raises
    AttributeError is the way in which an object of such a class says that it does not speak the protocol.
    """
    if not has_protocol(x, protocol):
        return None
    try:
        return getattr(x, protocol)
    except AttributeError:
        return None


def has_protocol(x: Any, protocol: str) -> bool:
    """Whether an object has an attribute for a protocol, asked without running any property."""
    return inspect.getattr_static(x, protocol, None) is not None


def refusal(x: Any, answers: dict[str, Exception]) -> errors.UnsupportedArrayError:
    """Return the error for an object after all protocols failed, with each protocol's answer."""
    cls = type(x)
    name = f"{cls.__module__}.{cls.__qualname__}".removeprefix("builtins.")
    said = {protocol: errors.quote(error) for protocol, error in answers.items()}
    if len(said) == 1:
        answer = next(iter(said.values()))
        reason = f"{name} has an array protocol that raised {answer}"
        return errors.UnsupportedArrayError(reason, source=name)
    all_said = "; ".join(f"{protocol} raised {answer}" for protocol, answer in said.items())
    reason = f"{name} has {len(said)} array protocols, and none works: {all_said}"
    return errors.UnsupportedArrayError(reason, source=name)


def stated_facts(x: Any, shape: Any, dtype: Any, device: Device, strides: Any = None) -> Facts:
    """Return the facts of an object from the stated shape and dtype."""
    framework = type(x).__name__
    name = plain_dtype_name(dtype)
    if name is None:
        problem = f"its dtype {dtype} is none of plain numbers"
        return Facts(framework, (), str(dtype), device, unsupported=problem)
    if not _is_shape(shape):
        problem = f"its shape {shape!r:.80} is none of an array"
        return Facts(framework, (), str(dtype), device, unsupported=problem)
    itemsize = np.dtype(name).itemsize
    strides = strides or contiguous_strides(shape, itemsize)
    return Facts(framework, shape, name, device, tuple(strides), itemsize * prod(shape))


def _is_shape(shape: Any) -> bool:
    if not isinstance(shape, tuple):
        return False
    return all(isinstance(n, (int, np.integer)) and n >= 0 for n in shape)


def contiguous_strides(shape: tuple[int, ...], itemsize: int) -> tuple[int, ...]:
    """Return the strides in bytes of an array in row-major order."""
    return tuple(itemsize * prod(shape[axis + 1 :]) for axis in range(len(shape)))


def why_unreadable(
    address: int, shape: tuple[int, ...], strides: tuple[int, ...], size: int
) -> str | None:
    """Return why kernels cannot read elements of `size` bytes at an address, or None."""
    if 0 in shape:
        return None
    if any(stride % size for stride, n in zip(strides, shape, strict=True) if n > 1):
        return f"its strides are not whole elements of {size} bytes"
    if address % size:
        return f"its address is not a multiple of its elements' {size} bytes"
    return None


def plain_dtype_name(dtype: Any) -> str | None:
    """Return the name of a stated dtype, or None if the dtype is not stated or not one of plain numbers."""
    if dtype is None:
        return None
    name = dtype_name(dtype)
    if name not in PLAIN_DTYPES:
        return None
    return name
