"""Objects of no known framework that support DLPack.

The header of a capsule is read before the capsule is adopted.
"""

from __future__ import annotations

from contextlib import suppress
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from interop import errors
from interop.adapter import CPU, PLAIN_DTYPES, Facts, LibraryDevice

from . import producers
from .closed import Closed, get, has_protocol, stated_facts, why_unreadable

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from interop.adapter import Device


def open_dlpack(x: Any) -> NDArray[Any] | Closed | None:
    """Open an object by DLPack, or return None if DLPack is not supported.

    Raises
    ------
    BufferError
        The device, or the header of the capsule, can't be believed.
    """
    if get(x, "__dlpack_device__") is None or not has_protocol(x, "__dlpack__"):
        return None
    device = producers.announced(x)
    if not device.is_host:
        return _lend_on_device(x, device)
    native = producers.elsewhere(x)
    return _open_host(x, device) if native is None else _close_elsewhere(x, native)


def is_on_device(x: Any) -> bool:
    """Whether an object announces memory on a device, which no protocol of the host should read."""
    if not has_protocol(x, "__dlpack_device__"):
        return False
    try:
        return not producers.announced(x).is_host
    except Exception:  # noqa: BLE001 - a producer may raise anything; open_dlpack reports it
        return False


def _close_elsewhere(x: Any, native: Any) -> Closed:
    """Close an object in memory on a device for which DLPack has no number.

    The memory is left alone until the library has moved it.
    """
    facts, download = (
        stated_facts(x, tuple(x.shape), x.dtype, LibraryDevice(native)),
        producers.download_of(x),
    )
    reason = f"only its library can read memory on {native}"
    if facts.unsupported or download:
        return Closed(x, facts._replace(needs_read=reason), download, is_made=True)
    return Closed(
        x,
        facts._replace(
            unsupported=errors.Reason(
                f"{reason}, which does not say how it moves", "Move it first."
            )
        ),
    )


def _lend_on_device(x: Any, device: Device) -> Closed:
    """Close an object in device memory, with a new capsule for each consumer."""
    facts, address = _look_or_believe(x, device)
    download = producers.download_of(x)
    return Closed(
        x, facts._replace(downloads=download is not None), download, is_made=True,
        lend=lambda stream: producers.answer_for(x, device, stream, facts), address=address,
    )  # fmt: skip


def _look_or_believe(x: Any, device: Device) -> tuple[Facts, int | None]:
    """Return the facts and the address of memory on a device.

    They are in the header of a capsule, which is dropped. A producer that gives none before a consumer asks for it
    with a stream is believed, if it states shape and dtype itself and has no other protocol.
    """
    try:
        header = producers.look(x, device)
    except Exception:
        stated = stated_facts(
            x, getattr(x, "shape", None), getattr(x, "dtype", None), producers.as_fact(device)
        )
        if stated.unsupported or has_protocol(x, "__cuda_array_interface__"):
            raise
        return stated._replace(strides=()), None
    readonly = _is_readonly_by_cuda(x) if header.readonly is None else header.readonly
    size = header.nbytes // max(prod(header.shape), 1)
    facts = Facts(
        type(x).__name__, header.shape, header.dtype, producers.as_fact(device), header.strides, header.nbytes,
        readonly=readonly, not_shareable=why_unreadable(header.address, header.shape, header.strides, size),
    )  # fmt: skip
    return facts, header.address


def _is_readonly_by_cuda(x: Any) -> bool:
    """Return whether the CUDA Array Interface marks memory as read-only.

    A capsule from before DLPack 1.0 cannot say this.
    """
    with suppress(Exception):  # it is asked for this flag only: then nothing is known
        return bool(get(x, "__cuda_array_interface__")["data"][1])
    return False


# -- host memory ---------------------------------------------------------------------------------------------------


def _open_host(x: Any, device: Device) -> NDArray[Any] | Closed:
    """Return an ndarray over a producer's host memory, or a closed object if DLPack copies."""
    answer = producers.Answer(x, device)
    if answer.header.dtype not in PLAIN_DTYPES:
        raise BufferError(f"it lends {answer.header.dtype}, which NumPy does not take by DLPack")
    array: NDArray[Any] = np.from_dlpack(answer)
    if answer.header.copied:
        return _close_copied(x, device, array)
    return _as_told_elsewhere(x, array) if answer.header.readonly is None else array


def _close_copied(x: Any, device: Device, first: NDArray[Any]) -> Closed:
    """Close an object that DLPack copies; the first read returns the copy already made."""
    facts = stated_facts(x, first.shape, first.dtype, CPU, first.strides)
    return Closed(
        x, facts._replace(needs_read="its DLPack gives a copy"),
        lambda: np.from_dlpack(producers.Answer(x, device)), is_made=True, held=[first],
    )  # fmt: skip


def _as_told_elsewhere(x: Any, array: NDArray[Any]) -> NDArray[Any]:
    """Return the array as lent by a protocol with a read-only flag, or the given array.

    NumPy takes all memory of a capsule from before DLPack 1.0 for read-only.
    """
    for look in (_by_buffer, _by_interface):
        with suppress(Exception):  # it is asked for this flag only
            other = look(x)
            if other is not None and _is_same(other, array):
                return other
    return array


def _by_buffer(x: Any) -> NDArray[Any]:
    return np.asarray(memoryview(x))


def _by_interface(x: Any) -> NDArray[Any] | None:
    interface = get(x, "__array_interface__")
    return np.asarray(x) if interface and isinstance(interface.get("data"), tuple) else None


def _is_same(one: NDArray[Any], other: NDArray[Any]) -> bool:
    same_layout = (one.dtype, one.shape, one.strides) == (other.dtype, other.shape, other.strides)
    return same_layout and one.ctypes.data == other.ctypes.data
