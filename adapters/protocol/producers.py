"""DLPack producers of no known framework.

A producer is asked once, with keywords that it knows, and trusted after a check.
"""

from __future__ import annotations

import inspect
import operator
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakKeyDictionary

import numpy as np

from interop import errors
from interop.adapter import CPU, CUDA, PLAIN_DTYPES, Device, capsule
from interop.adapter.streams import LEGACY, UNORDERED, Interface

from .closed import refusal

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from interop.adapter import Facts
    from interop.adapter.capsule import Header
    from interop.adapter.streams import Stream

_MANAGED: Final = 13  # CUDA memory that the host may read too
_ROCM: Final = 10
_HAVE_STREAMS: Final = frozenset({CUDA.kind, _MANAGED, _ROCM})
_NEWEST: Final = (1, 0)
_EVERYTHING: Final = frozenset({"max_version", "stream"})
_knows_dl_device: Final[WeakKeyDictionary[type, bool]] = WeakKeyDictionary()
_keywords: Final[WeakKeyDictionary[type, frozenset[str]]] = WeakKeyDictionary()


class Capsule:
    """Producer that wraps a capsule, for consumers that take no capsule.

    The header of the capsule is checked.
    """

    def __init__(self, lent: Any, device: Device) -> None:
        self._lent = lent
        self._device = device
        self.header = capsule.read_header(lent)
        if as_fact(self.header.device) != as_fact(device):
            raise BufferError(
                f"it says that it is on {device}, and its capsule says {self.header.device}"
            )

    def __dlpack_device__(self) -> tuple[int, int]:
        return self._device.kind, self._device.id

    def __dlpack__(self, **_: Any) -> Any:
        return self._lent


class Answer(Capsule):
    """A producer's answer, given once: a consumer that asks again with other keywords would get its errors twice."""

    def __init__(self, x: Any, device: Device, **keywords: Any) -> None:
        super().__init__(ask(x, max_version=_NEWEST, **keywords), device)
        self._x = x
        self._keywords = keywords

    def __dlpack__(self, *, max_version: tuple[int, int] | None = None, **_: Any) -> Any:
        """Return the capsule; ask again only for a consumer that knows no versioned one."""
        if max_version is None and self.header.readonly is not None:
            return ask(self._x, **self._keywords)
        return self._lent


class ManagedAnswer(Answer, Interface):
    """Producer of managed memory, for consumers without this kind of device in DLPack.

    torch is such a consumer.
    """

    def __init__(self, x: Any, device: Device, **keywords: Any) -> None:
        Answer.__init__(self, x, device, **keywords)
        Interface.__init__(self, _Described(self.header), as_fact(device))


class _Described:
    """The CUDA Array Interface of a header, for memory that is in order already (version 2 has no stream)."""

    def __init__(self, header: Header) -> None:
        self.__cuda_array_interface__ = {
            "version": 2,
            "typestr": np.dtype(header.dtype).str,
            "shape": header.shape,
            "strides": header.strides,
            "data": (header.address, False),
        }


def answer_for(x: Any, device: Device, stream: Stream | None, planned: Facts) -> Answer:
    """Ask a producer on a device for a capsule that is in order for one stream.

    Raises
    ------
    UnsupportedArrayError
        The producer fails, or its capsule is another one than that which was planned for.
    """
    keywords = {}
    if stream is not None:
        keywords["stream"] = (stream.handle or LEGACY) if stream.ordered else UNORDERED
    try:
        is_managed = device.kind == _MANAGED and planned.dtype in PLAIN_DTYPES
        answer = (ManagedAnswer if is_managed else Answer)(x, device, **keywords)
        _check_planned(answer.header, planned)
    except MemoryError:
        raise
    except Exception as error:
        raise refusal(x, {"__dlpack__": error}) from error
    return answer


def look(x: Any, device: Device) -> Header:
    """Read the header of a producer's capsule, which is then dropped. No stream waits for another."""
    keywords = {"stream": UNORDERED} if device.kind in _HAVE_STREAMS else {}
    return Answer(x, device, **keywords).header


def _check_planned(header: Header, planned: Facts) -> None:
    """Raise BufferError unless the array is the one that the plan was made for.

    Strides are not compared if the plan was made without a header and did not know them.
    """
    strides = planned.strides or header.strides
    same = (header.shape, header.dtype, header.strides) == (planned.shape, planned.dtype, strides)
    if not same:
        before, now = (f"{h.dtype} {h.shape} with strides {h.strides}" for h in (planned, header))
        raise BufferError(f"its capsule is {now}, and the plan was made for {before}")
    if header.readonly and not planned.readonly:
        raise BufferError(
            "its capsule is read-only, and the plan was made for memory that may be written to"
        )


def ask(x: Any, **keywords: Any) -> Any:
    """Ask for a capsule with those keywords that the producer's class knows.

    A versioned capsule tells read-only memory. A class from before DLPack 1.0 knows no `max_version`.
    """
    known = _keywords.get(type(x))
    if known is None:
        known = _accepted(x.__dlpack__)
        if _is_method_of_class(x):
            _keywords[type(x)] = known
    return x.__dlpack__(**{name: value for name, value in keywords.items() if name in known})


def _is_method_of_class(x: Any) -> bool:
    """Return whether `__dlpack__` is a method of the class, shared by all instances.

    A property may return a different method for each instance.
    """
    found = inspect.getattr_static(x, "__dlpack__", None)
    return inspect.isroutine(found) and found is inspect.getattr_static(type(x), "__dlpack__", None)


def _accepted(method: Any) -> frozenset[str]:
    """Return the keywords that a `__dlpack__` accepts."""
    try:
        parameters = inspect.signature(method).parameters
    except (TypeError, ValueError):  # written in C and silent about it: all know a stream
        return frozenset({"stream"})
    if any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
        return _EVERYTHING
    return _EVERYTHING.intersection(parameters)


def announced(x: Any) -> Device:
    """Return the device that a producer announces, as enums or as integers of any class; no number means the first.

    Raises
    ------
    BufferError
        The answer is not a pair of a device type and a number.
    """
    said = x.__dlpack_device__()
    try:
        kind, index = said
        return Device(_integer(kind), 0 if index is None else _integer(index))
    except (TypeError, ValueError) as error:
        msg = f"its __dlpack_device__() returned {said!r:.80}, which is not a device type and a number"
        raise BufferError(msg) from error


def _integer(number: Any) -> int:
    """Return an integer of any class as an int.

    An enum member that is not an integer has one as its value.
    """
    return operator.index(getattr(number, "value", number))


def as_fact(device: Device) -> Device:
    """Return the device to name in facts.

    Managed memory counts as memory of its GPU, and pinned memory as memory of the host.
    """
    if device.is_host:
        return CPU
    return Device(CUDA.kind, device.id) if device.kind == _MANAGED else device


# -- devices of array-API libraries: see decision 0029 ---------------------------------------------------------------


def elsewhere(x: Any) -> Any:
    """Return the device of an array-API array that is neither the CPU nor its namespace's default; else None."""
    if not (hasattr(type(x), "__array_namespace__") and hasattr(x, "device")) or _is_cpu(x.device):
        return None
    info = getattr(x.__array_namespace__(), "__array_namespace_info__", None)
    return None if info is None or info().default_device() == x.device else x.device


def download_of(x: Any) -> Callable[[], NDArray[Any]] | None:
    """Return a function by which an array's library copies the array to the host, or None.

    The result is None if the library offers no such copy. The array API standard has two ways:
    ``x.to_device(device)``, and ``x.__dlpack__(dl_device=(1, 0))`` since 2023.12.
    """
    if hasattr(type(x), "__array_namespace__") and hasattr(x, "to_device"):
        host = _host_device(x.__array_namespace__())
        if host is not None:
            return lambda: _downloaded(x, lambda: _insist_on_host(x.to_device(host)))
    if elsewhere(x) is None and _names_dl_device(x):
        return lambda: _downloaded(
            x, lambda: Capsule(x.__dlpack__(dl_device=CPU, max_version=(1, 0)), CPU)
        )
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


def _names_dl_device(x: Any) -> bool:
    """Whether the class names the keyword: ``**keywords`` may end up anywhere."""
    known = _knows_dl_device.get(type(x))
    if known is None:
        try:
            known = "dl_device" in inspect.signature(x.__dlpack__).parameters
        except ValueError:  # written in C and silent about it
            known = False
        if _is_method_of_class(x):
            _knows_dl_device[type(x)] = known
    return known


def _insist_on_host(x: Any) -> Answer:
    """Return an array's DLPack answer, or raise BufferError if the array is not on the host."""
    device = announced(x)
    if not device.is_host or elsewhere(x) is not None:
        msg = f"it is on {x.device} after to_device"
        raise BufferError(msg)
    return Answer(x, device)


def _downloaded(x: Any, move: Callable[[], Any]) -> NDArray[Any]:
    try:
        return np.from_dlpack(move())
    except Exception as error:  # a library may raise anything
        raise errors.UnsupportedArrayError(
            f"its library can't copy it to the host ({errors.quote(error)})",
            attempt="{source} can't be read",
            source=type(x).__name__,
        ) from error
