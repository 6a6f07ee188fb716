"""Arrays of no known framework that speak a protocol. A source only: it is opened as an array of a known one.

Host memory is opened as an ndarray over it. GPU memory, what must be read first, and what has no numbers stays closed:
a `Closed` tells what its object says of itself, and the planner decides.
"""

from __future__ import annotations

import ctypes
import inspect
import sys
from contextlib import suppress
from math import prod
from typing import TYPE_CHECKING, Any, ClassVar, Final, NamedTuple, cast

import numpy as np

from interop import errors
from interop.adapter import CPU, CUDA, PLAIN_DTYPES, Adapter, Device, Facts
from interop.handoff import Interface

from . import _columns, _producers

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from interop.handoff import Stream

_DEVICE_ORDINAL: Final = 9  # CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL
_MANAGED: Final = 13  # CUDA memory that the host may read too


class Closed(NamedTuple):
    """An object whose memory the host can't look at, or that has to be read first; and what it says of itself."""

    origin: Any
    facts: Facts
    read: Callable[[], NDArray[Any]] | None = None
    """What reads it into new memory each time, as was seen when it was opened."""


class ProtocolAdapter(Adapter):
    """What can be done with a closed object."""

    name: ClassVar[str] = "protocol"
    array_type = Closed

    def describe(self, x: Closed, /) -> Facts:
        """Tell what the object says of itself."""
        return x.facts

    def address(self, x: Closed, /) -> int:
        """Return what the CUDA Array Interface tells; DLPack tells it to a consumer only."""
        if not _speaks(x.origin, "__cuda_array_interface__"):
            msg = f"{x.facts} tells nobody its address but a consumer of DLPack. Convert it first."
            raise errors.UnsupportedArrayError(msg)
        return int(x.origin.__cuda_array_interface__["data"][0])

    def lacks(self, dtype: str, /) -> str | None:
        """Have every dtype that NumPy can cast to by itself."""
        return None if dtype in PLAIN_DTYPES else f"an array that is read as {dtype} is no ndarray"

    def export(self, x: Closed, stream: Stream | None, /) -> Any:
        """Return the object's memory by its protocol, for the consumer's stream."""
        if _speaks(x.origin, "__dlpack__"):
            return _producers.ForStream(x.origin, stream)
        return Interface(x.origin, x.facts.device)

    def export_host(self, x: Any, /) -> NDArray[Any]:
        """Return the ndarray that `copy` has read."""
        return cast("NDArray[Any]", x)

    def copy(self, x: Closed, device: Device, dtype: str, /) -> NDArray[Any]:  # noqa: ARG002 - read on the host
        """Read the object, and copy what it gives only if somebody else may hold it too.

        Raises
        ------
        UnsupportedArrayError
            The object says that it can't be read (the cause). What fails on the way, as a file does, is its own error.
        """
        array = _read(x)
        alone = x.read or (array.base is None and array.flags.owndata and sys.getrefcount(array) <= _OURS)
        if alone and array.dtype == dtype and _is_plain(array):
            return array
        return np.array(array, dtype=dtype, copy=True, subok=False)


def _count_ours() -> int:
    """Count how often an array is referenced from here that nobody else has: the interpreters differ."""
    array = np.empty(0)
    return sys.getrefcount(array)


_OURS: Final = _count_ours()
adapter = ProtocolAdapter()


def _read(x: Closed) -> NDArray[Any]:
    try:
        return x.origin.__array__() if x.read is None else x.read()
    except (TypeError, ValueError, RuntimeError) as error:
        msg = f"{x.facts.framework} can't be read: asked for its numbers, it answers {type(error).__name__}: {error}"
        raise errors.UnsupportedArrayError(msg) from error


def _is_plain(array: NDArray[Any]) -> bool:
    """Whether new memory can be passed on as it is: it is made writable, if only its view is not."""
    with suppress(ValueError):
        array.flags.writeable = True
    return array.flags.writeable and min(array.strides, default=0) >= 0


def open(x: Any) -> NDArray[Any] | Closed | None:  # noqa: A001 - it is said as protocol.open
    """Open an object by the first protocol that it speaks; None if it speaks none."""
    if isinstance(x, type):  # a class of arrays has all the methods, and no array
        return None
    if _columns.is_column(x):
        return _open_column(x)
    if _speaks(x, "__dlpack__") and _speaks(x, "__dlpack_device__"):
        return _open_dlpack(x)
    if _speaks(x, "__cuda_array_interface__"):
        return _closed_cuda(x)
    try:
        return np.asarray(memoryview(x))
    except TypeError:  # it has no buffer
        return _open_by_array(x)


def _open_by_array(x: Any) -> NDArray[Any] | Closed | None:
    """Open an object by the protocols that are NumPy's."""
    if _speaks(x, "__array_interface__"):
        return _open_interface(x)
    if _speaks(x, "__array_struct__"):
        return np.asarray(x)
    return _read_later(x) if _speaks(x, "__array__") else None


def _speaks(x: Any, protocol: str) -> bool:
    """Ask statically: a property that copies an image should not run only to be found there."""
    return inspect.getattr_static(x, protocol, None) is not None


# -- opening -------------------------------------------------------------------------------------------------------


def _open_dlpack(x: Any) -> NDArray[Any] | Closed:
    """Look at host memory, unless the object's own device says that it is none."""
    device = Device(*map(int, x.__dlpack_device__()))
    if not device.is_host:
        return _closed_dlpack(x, device)
    if (place := _producers.elsewhere(x)) is None:
        return np.from_dlpack(_producers.Answer(x, device))
    reason = f"it is on the device {place}, where only its library may read. Move it first: x.to_device(device)."
    return Closed(x, _facts(x, tuple(x.shape), x.dtype, CPU)._replace(unsupported=reason))


def _open_column(x: Any) -> NDArray[Any] | Closed:
    """Open a column or a table whose values are all numbers, and all there."""
    if facts := _columns.refusal(x):
        return Closed(x, facts)
    if _speaks(x, "__dlpack__"):
        with suppress(TypeError, BufferError, NotImplementedError):  # numbers that are packed into bits
            return np.from_dlpack(_producers.Answer(x, CPU))
    opened = _open_view(x, lambda: np.asarray(x.__array__()), "__array__")
    if hasattr(type(x), "get_indexer") and not isinstance(opened, Closed):  # it finds its labels by a hash table
        opened = opened.view()
        opened.flags.writeable = False
    return opened


def _open_interface(x: Any) -> NDArray[Any] | Closed:
    """Open the array interface; its data may also be an object, which is then made each time, or not."""
    if isinstance(x.__array_interface__.get("data"), tuple):
        return np.asarray(x)
    return _open_view(x, lambda: np.asarray(_Words(x.__array_interface__)), "__array_interface__")


def _open_view(x: Any, read: Callable[[], NDArray[Any]], protocol: str) -> NDArray[Any] | Closed:
    """Tell the object's own memory from a copy that was made for us: unless nobody else holds it, by asking again."""
    first = read()
    owner: Any = first if first.base is None else first.base
    fresh = isinstance(owner, np.ndarray) and owner.flags.owndata and sys.getrefcount(owner) <= _OURS + 1
    facts = _facts(x, first.shape, first.dtype, CPU, first.strides)
    if facts.unsupported or not first.nbytes or not (fresh or _address(first) != _address(read())):
        return first
    return Closed(x, facts._replace(materialises=f"it has to be read by {protocol}"), read)


def _address(array: NDArray[Any]) -> int:
    return int(array.__array_interface__["data"][0])


class _Words:
    """What an object says of its memory, held still."""

    def __init__(self, words: dict[str, Any]) -> None:
        self.__array_interface__ = words


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
    said = getattr(x, "dtype", None)
    facts = _facts(x, getattr(x, "shape", None), said, CPU)
    if not facts.unsupported:
        return Closed(x, facts._replace(materialises="it has to be read by __array__"))
    if hasattr(x, "astype") and said is not None and (refused := _columns.refusal(x)):
        return Closed(x, refused)
    array = np.asarray(x.__array__())
    if said is None or _dtype_name(said) or not _dtype_name(array.dtype):
        return array
    reason = (
        f"{facts.unsupported}, and may hide missing values. Say which numbers it holds: x.astype({array.dtype.name!r})."
    )
    return Closed(x, facts._replace(shape=array.shape, unsupported=reason))


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
