"""Objects of no known framework that support DLPack.

The header of a capsule is read before the capsule is adopted.
"""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from interop import errors
from interop.adapter import CPU, PLAIN_DTYPES, Facts, LibraryDevice, capsule
from interop.adapter.strides import why_unreadable
from interop.errors import Reason

from . import producers
from .closed import Closed, get, has_protocol, stated_facts
from .library_devices import download_of, library_device

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from interop.adapter import Device, Stream
    from interop.adapter.capsule import Header


def open_dlpack(x: Any) -> NDArray[Any] | Closed | None:
    """Open an object by DLPack, or return None if DLPack is not supported.

    Raises
    ------
    BufferError
        The device or the header of the capsule is not valid.
    """
    if get(x, "__dlpack_device__") is None or not has_protocol(x, "__dlpack__"):
        return None
    device = producers.announced(x)
    if not device.is_host:
        return _lend_on_device(x, device)
    # A library may announce the host for all its devices, as array-api-strict does
    # (decision 0029).
    native = library_device(x)
    if native is None:
        return _open_host(x, device)
    return _close_on_library_device(x, native)


def is_on_device(x: Any) -> bool:
    """Return whether an object announces device memory, which no host protocol should read."""
    if not has_protocol(x, "__dlpack_device__"):
        return False
    try:
        return not producers.announced(x).is_host
    except MemoryError:
        raise
    except Exception:  # noqa: BLE001 - a producer may raise anything; open_dlpack reports it
        return False


def _close_on_library_device(x: Any, native: Any) -> Closed:
    """Close an object in memory on a device for which DLPack has no number.

    The memory is not read before the library has moved it.
    """
    facts = stated_facts(x, tuple(x.shape), x.dtype, LibraryDevice(native))
    download = download_of(x)
    reason = f"only its library can read memory on {native}"
    if facts.unsupported or download:
        return Closed(x, facts._replace(needs_read=reason), download, is_made=True)
    problem = Reason(f"{reason}, and offers no way to move it", "Move it first.")
    return Closed(x, facts._replace(unsupported=problem))


def _lend_on_device(x: Any, device: Device) -> Closed:
    """Close an object in device memory, with a new capsule for each consumer."""
    # The facts come from a capsule of their own. The consumer gets a second one that is ordered
    # for the consumer's stream (decision 0028).
    facts, address = _look_or_trust(x, device)
    download = download_of(x)

    def lend(stream: Stream | None) -> producers.Answer:
        return producers.answer_for(x, device, stream, facts)

    described = facts._replace(downloads=download is not None)
    return Closed(x, described, download, is_made=True, lend=lend, address=address)


def _look_or_trust(x: Any, device: Device) -> tuple[Facts, int | None]:
    """Return the facts of memory on a device, and the address or None.

    They are read from the header of a capsule, which is dropped. Some libraries give no capsule of
    such memory. Their stated shape and dtype are trusted, unless another protocol can be used.
    """
    try:
        lent = producers.ask_unordered(x, device)
    except MemoryError:
        raise
    except Exception:
        shape = getattr(x, "shape", None)
        dtype = getattr(x, "dtype", None)
        stated = stated_facts(x, shape, dtype, producers.as_fact(device))
        if stated.unsupported or has_protocol(x, "__cuda_array_interface__"):
            raise
        # The strides are unknown, and `_check_planned` does not compare them.
        return stated._replace(strides=()), None
    header = producers.read_header(x, lent, device)
    return _facts_of_header(x, header), header.address


def _facts_of_header(x: Any, header: Header) -> Facts:
    readonly = header.readonly
    if readonly is None:
        readonly = _is_readonly_by_cuda(x)
    itemsize = header.nbytes // max(prod(header.shape), 1)
    return Facts(
        type(x).__name__,
        header.shape,
        header.dtype,
        producers.as_fact(header.device),
        header.strides,
        header.nbytes,
        readonly=readonly,
        not_shareable=why_unreadable(header.address, header.shape, header.strides, itemsize),
    )


def _is_readonly_by_cuda(x: Any) -> bool:
    """Return whether the CUDA Array Interface marks memory as read-only.

    A capsule from before DLPack 1.0 cannot say this.
    """
    with errors.ignored_refusals:  # a producer may raise anything, and then the flag is unknown
        return bool(get(x, "__cuda_array_interface__")["data"][1])
    return False


# -- host memory -----------------------------------------------------------------------------------


def _open_host(x: Any, device: Device) -> NDArray[Any] | Closed:
    """Return an ndarray over a producer's host memory, or a closed object if DLPack copies."""
    answer = producers.Answer(x, device)
    if answer.header.dtype not in PLAIN_DTYPES:
        msg = f"it lends {answer.header.dtype}, which NumPy does not accept by DLPack"
        raise BufferError(msg)
    array = capsule.as_ndarray(answer)
    if answer.header.copied:
        return _close_copied(x, device, array)
    if answer.header.readonly is None:
        return _with_readonly_flag(x, array)
    return array


def _close_copied(x: Any, device: Device, first: NDArray[Any]) -> Closed:
    """Close an object that DLPack copies; the first read returns the copy already made."""
    facts = stated_facts(x, first.shape, first.dtype, CPU, first.strides)
    facts = facts._replace(needs_read="its DLPack gives a copy")

    def read() -> NDArray[Any]:
        return capsule.as_ndarray(producers.Answer(x, device))

    return Closed(x, facts, read, is_made=True, held=[first])


def _with_readonly_flag(x: Any, array: NDArray[Any]) -> NDArray[Any]:
    """Return the array as lent by a protocol with a read-only flag, or the given array.

    NumPy treats all memory of a capsule from before DLPack 1.0 as read-only.
    """
    for look in (_by_buffer, _by_interface):
        # A protocol may fail in any way, and is needed for the flag only.
        with errors.ignored_refusals:
            other = look(x)
            if other is not None and _is_same(other, array):
                return other
    return array


def _by_buffer(x: Any) -> NDArray[Any]:
    return np.asarray(memoryview(x))


def _by_interface(x: Any) -> NDArray[Any] | None:
    interface = get(x, "__array_interface__")
    if interface and isinstance(interface.get("data"), tuple):
        return np.asarray(x)
    return None


def _is_same(one: NDArray[Any], other: NDArray[Any]) -> bool:
    same_layout = (one.dtype, one.shape, one.strides) == (other.dtype, other.shape, other.strides)
    return same_layout and one.ctypes.data == other.ctypes.data
