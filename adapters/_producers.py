"""Producers of DLPack of no known framework: asked for their capsule once, in words that they know."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakKeyDictionary

from interop.handoff import LEGACY, UNORDERED

if TYPE_CHECKING:
    from interop.handoff import Stream

_knows_version: Final[WeakKeyDictionary[type, bool]] = WeakKeyDictionary()


class ForStream:
    """A producer on a device, whose memory is to be used on one stream, whatever is current when it is asked."""

    def __init__(self, x: Any, stream: Stream | None) -> None:
        self._x = x
        self._stream = stream

    def __dlpack_device__(self) -> Any:
        return self._x.__dlpack_device__()

    def __dlpack__(self, **keywords: Any) -> Any:
        if self._stream is not None:
            keywords["stream"] = (self._stream.handle or LEGACY) if self._stream.ordered else UNORDERED
        return self._x.__dlpack__(**keywords)


class Answer:
    """A producer's answer, given once: a consumer that asks again with other keywords would get its errors twice."""

    def __init__(self, x: Any, device: tuple[int, int]) -> None:
        self._capsule = ask(x)
        self._device = device

    def __dlpack_device__(self) -> tuple[int, int]:
        return self._device

    def __dlpack__(self, **_: Any) -> Any:
        return self._capsule


def ask(x: Any) -> Any:
    """Ask for a versioned capsule, which tells read-only memory, unless the class is from before DLPack 1.0."""
    cls = type(x)
    if cls not in _knows_version:
        _knows_version[cls] = _accepts_version(x.__dlpack__)
    if _knows_version[cls]:
        return x.__dlpack__(max_version=(1, 0))
    return x.__dlpack__()


def _accepts_version(method: Any) -> bool:
    try:
        parameters = inspect.signature(method).parameters
    except ValueError:  # written in C and silent about it: an unversioned capsule is what all can give
        return False
    return "max_version" in parameters or any(p.kind is p.VAR_KEYWORD for p in parameters.values())


def elsewhere(x: Any) -> Any:
    """Return the device of an array-API array that is neither the CPU nor its namespace's default; else None."""
    if not (hasattr(type(x), "__array_namespace__") and hasattr(x, "device")) or "cpu" in str(x.device).lower():
        return None
    info = getattr(x.__array_namespace__(), "__array_namespace_info__", None)
    return None if info is None or info().default_device() == x.device else x.device
