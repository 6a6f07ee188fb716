"""Devices for which DLPack has no number, and copies to the host by an array's own library.

The array API standard offers both ways to copy an array to the host. See decision 0029.
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakKeyDictionary

from interop import errors
from interop.adapter import CPU, capsule

from .producers import NEWEST, Answer, Capsule, announced, function_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

_names_dl_device: Final[WeakKeyDictionary[Any, bool]] = WeakKeyDictionary()
"""By function, whether a `__dlpack__` has the keyword ``dl_device``."""


def library_device(x: Any) -> Any:
    """Return the device of an array-API array, or None for the CPU and the namespace's default."""
    if not (hasattr(type(x), "__array_namespace__") and hasattr(x, "device")):
        return None
    if _is_cpu(x.device):
        return None
    info = getattr(x.__array_namespace__(), "__array_namespace_info__", None)
    if info is None or info().default_device() == x.device:
        return None
    return x.device


def download_of(x: Any) -> Callable[[], NDArray[Any]] | None:
    """Return a function by which an array's library copies the array to the host, or None.

    The result is None if the library offers no such copy. The array API standard has two ways:
    ``x.to_device(device)``, and ``x.__dlpack__(dl_device=(1, 0))`` since 2023.12.
    """
    if hasattr(type(x), "__array_namespace__") and hasattr(x, "to_device"):
        host = _host_device(x.__array_namespace__())
        if host is not None:
            return lambda: _download(x, lambda: _answer_on_host(x.to_device(host)))
    if library_device(x) is None and _has_dl_device(x):
        return lambda: _download(x, lambda: _capsule_on_host(x))
    return None


def _is_cpu(device: Any) -> bool:
    return "cpu" in str(device).lower()


def _host_device(namespace: Any) -> Any:
    """Return a library's host memory device, found by name, or else the default device.

    The default device may be the host.
    """
    info = getattr(namespace, "__array_namespace_info__", None)
    if info is None:
        return None
    return next((device for device in info().devices() if _is_cpu(device)), info().default_device())


def _has_dl_device(x: Any) -> bool:
    """Return whether `__dlpack__` names the keyword ``dl_device``.

    A producer with ``**keywords`` may ignore the keyword, and does not count.
    """
    method = x.__dlpack__
    function = function_of(method)
    known = None if function is None else _names_dl_device.get(function)
    if known is not None:
        return known
    try:
        known = "dl_device" in inspect.signature(method).parameters
    except (TypeError, ValueError):  # written in C without a signature
        known = False
    if function is not None:
        _names_dl_device[function] = known
    return known


def _answer_on_host(x: Any) -> Answer:
    """Return an array's DLPack answer, or raise BufferError if the array is not on the host."""
    device = announced(x)
    # Only the answer after the move counts, and a library may ignore the request.
    if not device.is_host or library_device(x) is not None:
        msg = f"it is on {x.device} after to_device"
        raise BufferError(msg)
    return Answer(x, device)


def _capsule_on_host(x: Any) -> Capsule:
    return Capsule(x.__dlpack__(dl_device=CPU, max_version=NEWEST), CPU)


def _download(x: Any, move: Callable[[], Any]) -> NDArray[Any]:
    try:
        return capsule.as_ndarray(move())
    except MemoryError:
        raise
    except Exception as error:  # a library may raise anything
        reason = f"its library can't copy it to the host ({errors.quote(error)})"
        attempt = "{source} can't be read"
        raise errors.UnsupportedArrayError(
            reason, attempt=attempt, source=type(x).__name__
        ) from error
