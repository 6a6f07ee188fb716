"""Arrays of no known framework that speak a protocol. A source only: it is opened as an array of a known one.

Host memory is opened as an ndarray over it. GPU memory, and what must be read first, stays closed: a `Closed` tells
what its object says of itself, and the planner decides.
"""

from __future__ import annotations

import ctypes
import inspect
import sys
from contextlib import suppress
from math import prod
from typing import TYPE_CHECKING, Any, ClassVar, Final, NamedTuple, cast
from weakref import WeakKeyDictionary

import numpy as np

from interop.adapter import CPU, CUDA, PLAIN_DTYPES, Adapter, Device, Facts
from interop.handoff import LEGACY, UNORDERED, Interface

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from interop.handoff import Stream

_DEVICE_ORDINAL: Final = 9  # CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL
_MANAGED: Final = 13  # CUDA memory that the host may read too
_knows_version: Final[WeakKeyDictionary[type, bool]] = WeakKeyDictionary()


class Closed(NamedTuple):
    """An object whose memory the host can't look at, or that has to be read first; and what it says of itself."""

    origin: Any
    facts: Facts


class ProtocolAdapter(Adapter):
    """What can be done with a closed object."""

    name: ClassVar[str] = "protocol"
    array_type = Closed

    def describe(self, x: Closed, /) -> Facts:
        """Tell what the object says of itself."""
        return x.facts

    def lacks(self, dtype: str, /) -> str | None:
        """Have every dtype that NumPy can cast to by itself."""
        return None if dtype in PLAIN_DTYPES else f"an array that is read as {dtype} is no ndarray"

    def export(self, x: Closed, stream: Stream | None, /) -> Any:
        """Return the object's memory by its protocol, for the consumer's stream."""
        if _speaks(x.origin, "__dlpack__"):
            return _ForStream(x.origin, stream)
        return Interface(x.origin, x.facts.device)

    def export_host(self, x: Any, /) -> NDArray[Any]:
        """Return the ndarray that `copy` has read."""
        return cast("NDArray[Any]", x)

    def copy(self, x: Closed, device: Device, dtype: str, /) -> NDArray[Any]:  # noqa: ARG002 - read on the host
        """Read the object once, and copy what it gives only if somebody else may hold it too."""
        array = x.origin.__array__()
        if array.dtype == dtype and array.base is None and array.flags.owndata and sys.getrefcount(array) <= _OURS:
            return cast("NDArray[Any]", array)
        return np.array(array, dtype=dtype, copy=True, subok=False)


# How often a fresh array is referenced from here: by our variable, and by the argument of the question.
_OURS: Final = 2
adapter = ProtocolAdapter()


def open(x: Any) -> NDArray[Any] | Closed | None:  # noqa: A001 - it is said as protocol.open
    """Open an object by the first protocol that it speaks; None if it speaks none."""
    if isinstance(x, type):  # a class of arrays has all the methods, and no array
        return None
    if _speaks(x, "__dlpack__") and _speaks(x, "__dlpack_device__"):
        device = Device(*map(int, x.__dlpack_device__()))
        return np.from_dlpack(_Answer(x, device)) if device.is_host else _closed_dlpack(x, device)
    if _speaks(x, "__cuda_array_interface__"):
        return _closed_cuda(x)
    try:
        return np.asarray(memoryview(x))
    except TypeError:  # it has no buffer
        pass
    if _speaks(x, "__array_interface__") or _speaks(x, "__array_struct__"):
        return np.asarray(x)
    return _read_later(x) if _speaks(x, "__array__") else None


def _speaks(x: Any, protocol: str) -> bool:
    """Ask statically: a property that copies an image should not run only to be found there."""
    return inspect.getattr_static(x, protocol, None) is not None


class _ForStream:
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


class _Answer:
    """A producer's answer, given once: a consumer that asks again with other keywords would get its errors twice."""

    def __init__(self, x: Any, device: tuple[int, int]) -> None:
        self._capsule = _ask(x)
        self._device = device

    def __dlpack_device__(self) -> tuple[int, int]:
        return self._device

    def __dlpack__(self, **_: Any) -> Any:
        return self._capsule


def _ask(x: Any) -> Any:
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


# -- what a closed object says of itself ---------------------------------------------------------------------------


def _closed_dlpack(x: Any, device: Device) -> Closed:
    """Take the object's word for shape and dtype; only its consumer can look into the capsule."""
    if device.kind == _MANAGED:
        device = Device(CUDA.kind, device.id)
    return Closed(x, _facts(x, tuple(x.shape), x.dtype, device))


def _closed_cuda(x: Any) -> Closed:
    """Read the CUDA Array Interface, version 3 (specified by Numba)."""
    words = x.__cuda_array_interface__
    facts = _facts(x, tuple(words["shape"]), words["typestr"], _device_at(words["data"][0]), words.get("strides"))
    problem = (
        "it is masked, and the mask would be lost. Fill it first."
        if words.get("mask") is not None
        else facts.unsupported
    )
    return Closed(x, facts._replace(readonly=bool(words["data"][1]), unsupported=problem))


def _device_at(pointer: int) -> Device:
    """Ask the CUDA driver, since the interface doesn't tell (CUDA Driver API, cuPointerGetAttribute)."""
    ordinal = ctypes.c_int(0)
    name = "nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1"
    with suppress(OSError, AttributeError):  # no driver: whoever is to use the memory will say so
        ask = ctypes.CDLL(name).cuPointerGetAttribute
        ask(ctypes.byref(ordinal), _DEVICE_ORDINAL, ctypes.c_uint64(pointer))
    return Device(CUDA.kind, ordinal.value)


def _read_later(x: Any) -> NDArray[Any] | Closed:
    """Close an object that tells its shape and dtype; any other must be read to be described at all."""
    facts = _facts(x, getattr(x, "shape", None), getattr(x, "dtype", None), CPU)
    if facts.unsupported:
        return np.asarray(x.__array__())
    return Closed(x, facts._replace(materialises="it has to be read by __array__"))


def _facts(x: Any, shape: Any, dtype: Any, device: Device, strides: Any = None) -> Facts:
    name = _dtype_name(dtype)
    problem = None if name and isinstance(shape, tuple) else f"its dtype {dtype} is none of plain numbers"
    if problem:
        return Facts(type(x).__name__, (), str(dtype), device, unsupported=problem)
    itemsize = np.dtype(name).itemsize
    strides = strides or tuple(itemsize * prod(shape[axis + 1 :]) for axis in range(len(shape)))
    return Facts(type(x).__name__, shape, name, device, tuple(strides), itemsize * prod(shape))


def _dtype_name(dtype: Any) -> str:
    """Return NumPy's name of a plain dtype, be it NumPy's own object or another library's with the same name."""
    try:
        name = np.dtype(dtype).name if dtype is not None else ""
    except TypeError:
        name = str(dtype).rpartition(".")[2]
    return name if name in PLAIN_DTYPES else ""
