"""Arrays of no known framework that speak a protocol. A source only: it is opened as an array of a known one.

Host memory is opened as an ndarray over it. GPU memory, what must be read first, and what has no numbers stays closed:
a `Closed` tells what its object says of itself, and the planner decides.
"""

from __future__ import annotations

import ctypes
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any, ClassVar, Final, cast

import numpy as np

from interop import errors
from interop.adapter import CUDA, PLAIN_DTYPES, Adapter, Device, Facts, LibraryDevice
from interop.handoff import Interface

from . import _columns, _producers, _readers
from ._closed import Closed
from ._closed import speaks as _speaks
from ._closed import stated_facts as _facts

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from interop.handoff import Stream

_DEVICE_ORDINAL: Final = 9  # CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL
_MANAGED: Final = 13  # CUDA memory that the host may read too


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
        array = _readers.read(x)
        alone = x.read or (array.base is None and array.flags.owndata and sys.getrefcount(array) <= _readers.OURS)
        if alone and array.dtype == dtype and _readers.is_plain(array):
            return array
        return np.array(array, dtype=dtype, copy=True, subok=False)


adapter = ProtocolAdapter()


def open(x: Any) -> NDArray[Any] | Closed | None:  # noqa: A001 - it is said as protocol.open
    """Open an object by the first protocol that it speaks; None if it speaks none."""
    if isinstance(x, type):  # a class of arrays has all the methods, and no array
        return None
    if _columns.is_column(x):
        return _readers.open_column(x)
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
        return _readers.open_interface(x)
    if _speaks(x, "__array_struct__"):
        return np.asarray(x)
    return _readers.read_later(x) if _speaks(x, "__array__") else None


# -- opening -------------------------------------------------------------------------------------------------------


def _open_dlpack(x: Any) -> NDArray[Any] | Closed:
    """Look at host memory, unless the object's own device says that only its library can."""
    device = Device(*map(int, x.__dlpack_device__()))
    if not device.is_host:
        return _closed_dlpack(x, device)
    if (native := _producers.elsewhere(x)) is None:
        return np.from_dlpack(_producers.Answer(x, device))
    return _closed_elsewhere(x, native)


# -- what a closed object says of itself ---------------------------------------------------------------------------


def _closed_dlpack(x: Any, device: Device) -> Closed:
    """Take the object's word for shape and dtype; only its consumer can look into the capsule."""
    if device.kind == _MANAGED:
        device = Device(CUDA.kind, device.id)
    download = _producers.download_of(x)
    return Closed(x, _facts(x, tuple(x.shape), x.dtype, device)._replace(downloads=download is not None), download)


def _closed_elsewhere(x: Any, native: Any) -> Closed:
    """Leave memory on a device without a number in DLPack alone, until the library has moved it."""
    facts, download = _facts(x, tuple(x.shape), x.dtype, LibraryDevice(native)), _producers.download_of(x)
    reason = f"only its library can read memory on {native}"
    if facts.unsupported or download:
        return Closed(x, facts._replace(materialises=reason), download)
    return Closed(x, facts._replace(unsupported=f"{reason}, which does not say how it moves. Move it first."))


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
