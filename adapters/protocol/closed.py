"""Closed objects: their stated facts, and the functions that read or lend their memory."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Any, NamedTuple, TypeGuard

import numpy as np

from interop import errors
from interop.adapter import PLAIN_DTYPES, Device, Facts
from interop.adapter.dtypes import dtype_name
from interop.adapter.facts import stored_attribute
from interop.adapter.strides import contiguous_strides

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from interop.adapter.streams import Stream


class Closed(NamedTuple):
    """An object that the host cannot look into, or that must be read first, with stated facts."""

    origin: Any
    """The object itself."""
    facts: Facts
    """The facts that the object states about itself."""
    read: Callable[[], NDArray[Any]] | None = None
    """The function that reads the object. None stands for `__array__`."""
    is_made: bool = False
    """Whether `read` certainly gives memory that nobody else uses.

    Another address at each read does not prove that.
    """
    lend: Callable[[Stream | None], Any] | None = None
    """The function that passes device memory to a consumer, by the protocol of opening."""
    address: int | None = None
    """The address of the first element, if a protocol states it."""
    held: list[NDArray[Any]] | None = None
    """The array that was read to open the object, for the first reader.

    So one conversion reads an object once.
    """


def get(x: Any, protocol: str) -> Any:
    """Return an object's method or description for a protocol, or None if not supported.

    The class is asked first, because the property of an image may copy the image. An object whose
    class has the property, but which does not support the protocol, raises AttributeError.
    """
    if not has_protocol(x, protocol):
        return None
    try:
        return getattr(x, protocol)
    except AttributeError:
        return None


def has_protocol(x: Any, protocol: str) -> bool:
    """Return whether an object has an attribute for a protocol. No property is evaluated."""
    return stored_attribute(x, protocol) is not None


def refusal(x: Any, failures: dict[str, Exception]) -> errors.UnsupportedArrayError:
    """Return the error for an object whose protocols all fail, with the error of each protocol."""
    cls = type(x)
    name = f"{cls.__module__}.{cls.__qualname__}".removeprefix("builtins.")
    quoted = {protocol: errors.quote(error) for protocol, error in failures.items()}
    if len(quoted) == 1:
        error = next(iter(quoted.values()))
        reason = f"{name} has an array protocol that raised {error}"
        return errors.UnsupportedArrayError(reason, source=name)
    each = "; ".join(f"{protocol} raised {error}" for protocol, error in quoted.items())
    reason = f"{name} has {len(quoted)} array protocols, and none works: {each}"
    return errors.UnsupportedArrayError(reason, source=name)


def stated_facts(x: Any, shape: Any, dtype: Any, device: Device, strides: Any = None) -> Facts:
    """Return the facts of an object from the stated shape and dtype."""
    framework = type(x).__name__
    name = plain_dtype_name(dtype)
    if name is None:
        problem = f"its dtype {dtype} is not a dtype of plain numbers"
        return Facts(framework, (), str(dtype), device, unsupported=problem)
    if not is_shape(shape):
        problem = f"its shape {shape!r:.80} is not the shape of an array"
        return Facts(framework, (), str(dtype), device, unsupported=problem)
    # No strides mean row-major order in all protocols.
    itemsize = np.dtype(name).itemsize
    strides = strides or contiguous_strides(shape, itemsize)
    return Facts(framework, shape, name, device, tuple(strides), itemsize * prod(shape))


def is_shape(shape: Any) -> TypeGuard[tuple[int, ...]]:
    """Return whether an object is a shape with known lengths."""
    # Foreign classes also use the name for methods, and for shapes with unknown lengths.
    if not isinstance(shape, tuple):
        return False
    return all(isinstance(n, (int, np.integer)) and n >= 0 for n in shape)


def plain_dtype_name(dtype: Any) -> str | None:
    """Return the name of a stated dtype, or None for no dtype and for other than plain numbers."""
    if dtype is None:
        return None
    name = dtype_name(dtype)
    if name not in PLAIN_DTYPES:
        return None
    return name
