"""Producers of DLPack of no known framework: asked for their capsule once, in words that they know."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakKeyDictionary

import numpy as np

from interop import errors
from interop.adapter import CPU, Device
from interop.handoff import LEGACY, UNORDERED

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from interop.handoff import Stream

_knows_version: Final[WeakKeyDictionary[type, bool]] = WeakKeyDictionary()
_knows_dl_device: Final[WeakKeyDictionary[type, bool]] = WeakKeyDictionary()


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


class Capsule:
    """A capsule as a producer, for consumers that take no capsule."""

    def __init__(self, capsule: Any, device: tuple[int, int]) -> None:
        self._capsule = capsule
        self._device = device

    def __dlpack_device__(self) -> tuple[int, int]:
        return self._device

    def __dlpack__(self, **_: Any) -> Any:
        return self._capsule


class Answer(Capsule):
    """A producer's answer, given once: a consumer that asks again with other keywords would get its errors twice."""

    def __init__(self, x: Any, device: tuple[int, int]) -> None:
        super().__init__(ask(x), device)


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


# -- devices of array-API libraries: see decision 0029 ---------------------------------------------------------------


def elsewhere(x: Any) -> Any:
    """Return the device of an array-API array that is neither the CPU nor its namespace's default; else None."""
    if not (hasattr(type(x), "__array_namespace__") and hasattr(x, "device")) or _is_cpu(x.device):
        return None
    info = getattr(x.__array_namespace__(), "__array_namespace_info__", None)
    return None if info is None or info().default_device() == x.device else x.device


def download_of(x: Any) -> Callable[[], NDArray[Any]] | None:
    """Return a function that lets the library of an array copy it to the host; None if the library offers none.

    The array API standard has two ways: ``x.to_device(device)``, and ``x.__dlpack__(dl_device=(1, 0))`` since 2023.12.
    """
    if hasattr(type(x), "__array_namespace__") and hasattr(x, "to_device"):
        host = _host_device(x.__array_namespace__())
        if host is not None:
            return lambda: _downloaded(x, lambda: _insist_on_host(x.to_device(host)))
    if elsewhere(x) is None and _names_dl_device(x):
        return lambda: _downloaded(x, lambda: Capsule(x.__dlpack__(dl_device=CPU, max_version=(1, 0)), CPU))
    return None


def _is_cpu(device: Any) -> bool:
    return "cpu" in str(device).lower()


def _host_device(namespace: Any) -> Any:
    """Return the device on which a library keeps host memory, by its name; else the default one, which may be it."""
    info = getattr(namespace, "__array_namespace_info__", None)
    if info is None:
        return None
    return next((device for device in info().devices() if _is_cpu(device)), info().default_device())


def _names_dl_device(x: Any) -> bool:
    """Whether the class names the keyword: ``**keywords`` may end up anywhere."""
    cls = type(x)
    if cls not in _knows_dl_device:
        try:
            _knows_dl_device[cls] = "dl_device" in inspect.signature(x.__dlpack__).parameters
        except ValueError:  # written in C and silent about it
            _knows_dl_device[cls] = False
    return _knows_dl_device[cls]


def _insist_on_host(x: Any) -> Answer:
    """Ask an array for its capsule, if it says of itself that it is on the host."""
    device = Device(*map(int, x.__dlpack_device__()))
    if not device.is_host or elsewhere(x) is not None:
        msg = f"it is on {x.device} after to_device"
        raise BufferError(msg)
    return Answer(x, device)


def _downloaded(x: Any, move: Callable[[], Any]) -> NDArray[Any]:
    try:
        return np.from_dlpack(move())
    except Exception as error:  # a library may raise anything
        reason = f"its library can't copy it to the host ({type(error).__name__}: {error})"
        msg = f"{type(x).__name__} can't be read: {reason}"
        raise errors.UnsupportedArrayError(msg) from error
