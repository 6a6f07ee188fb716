"""Objects of no known framework that support the CUDA Array Interface.

The interface is specified by Numba. This module reads version 3.
"""

from __future__ import annotations

import ctypes
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from interop.adapter import CUDA, Device, Facts
from interop.adapter.streams import Interface
from interop.adapter.strides import FOREIGN_BYTE_ORDER, why_unreadable
from interop.errors import Reason, UnsupportedArrayError

from . import interfaces
from .closed import Closed, get, refusal, stated_facts

if TYPE_CHECKING:
    from interop.adapter.streams import Stream

    from .interfaces import Checked

_DEVICE_ORDINAL: Final = 9
"""CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL of the CUDA driver API."""
_READS_HOST_MEMORY: Final = 88
"""CU_DEVICE_ATTRIBUTE_PAGEABLE_MEMORY_ACCESS of the CUDA driver API."""
_INVALID_VALUE: Final = 1
"""CUDA_ERROR_INVALID_VALUE, the status for a pointer that CUDA does not know."""


def open_cuda(x: Any) -> Closed | None:
    """Close an object with the CUDA Array Interface, or return None if not supported.

    Raises
    ------
    BufferError
        The interface is malformed.
    """
    interface = get(x, interfaces.CUDA)
    if interface is None:
        return None
    checked = interfaces.check(interface, interfaces.CUDA)
    device = _device_of(checked)
    facts = stated_facts(x, checked.shape, checked.dtype, device, checked.strides)
    facts = facts._replace(readonly=checked.readonly)
    if problem := _why_unsupported(checked, facts):
        return Closed(x, facts._replace(unsupported=problem))
    facts = facts._replace(not_shareable=_why_not_shareable(checked))

    def lend(_: Stream | None) -> Interface:
        # The interface names the producer's stream, for which the consumer's adapter waits.
        return Interface(_Held(x, _check_again(x, checked, device)), device)

    return Closed(x, facts, lend=lend, address=checked.address)


class _Held:
    """An object with a checked interface, which does not change between two reads."""

    def __init__(self, origin: Any, checked: Checked) -> None:
        self._origin = origin  # kept alive, because the interface names its memory by the address
        self.__cuda_array_interface__ = checked.entries


def _check_again(x: Any, planned: Checked, device: Device) -> Checked:
    """Read an interface for a consumer, and insist on the layout that the plan was made for.

    The stream and the address may have changed since then.

    Raises
    ------
    UnsupportedArrayError
    """
    try:
        checked = interfaces.check(x.__cuda_array_interface__, interfaces.CUDA)
        is_planned = (checked.layout, _device_of(checked)) == (planned.layout, device)
    except MemoryError:
        raise
    except Exception as error:
        raise refusal(x, {interfaces.CUDA: error}) from error
    if is_planned:
        return checked
    reason = f"its {interfaces.CUDA} has changed since the plan was made"
    raise UnsupportedArrayError(reason, source=type(x).__name__)


def _why_unsupported(checked: Checked, facts: Facts) -> str | None:
    """Return why a CUDA Array Interface does not describe an array of plain numbers, or None."""
    if checked.is_masked:
        return Reason("it is masked, and the mask would be lost", "Fill it first.")
    if facts.unsupported:
        return Reason(facts.unsupported, "Convert it to numbers with its own library first.")
    return None


def _why_not_shareable(checked: Checked) -> str | None:
    """Return why no framework can use the memory in place, or None.

    The reasons are those for ndarrays.
    """
    if not checked.dtype.isnative:
        return FOREIGN_BYTE_ORDER
    itemsize = checked.dtype.itemsize
    return why_unreadable(checked.address or 0, checked.shape, checked.strides, itemsize)


def _device_of(checked: Checked) -> Device:
    """Return the device of the memory, as told by the CUDA driver.

    The interface does not state the device (CUDA Driver API, cuPointerGetAttribute). Without a
    driver the result is device 0, and the consumer of the memory reports the missing driver.

    Raises
    ------
    BufferError
        The driver does not know the address, and the device cannot read memory of the host.
    """
    ordinal = ctypes.c_int(0)
    if 0 in checked.shape:
        return Device(CUDA.kind, 0)
    name = "nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1"
    with suppress(OSError, AttributeError):
        driver = ctypes.CDLL(name)
        address = ctypes.c_uint64(checked.address or 0)
        status = driver.cuPointerGetAttribute(ctypes.byref(ordinal), _DEVICE_ORDINAL, address)
        # After other errors, the number is still 0. For example, CUDA may not be initialised yet.
        if status == _INVALID_VALUE and not _reads_host_memory(driver):
            msg = f"its {interfaces.CUDA} has the address {checked.address}, unknown to CUDA"
            raise BufferError(msg)
    return Device(CUDA.kind, ordinal.value)


def _reads_host_memory(driver: Any) -> bool:
    """Return whether a GPU can read all memory of the process, or does not tell."""
    answer = ctypes.c_int(0)
    status = driver.cuDeviceGetAttribute(ctypes.byref(answer), _READS_HOST_MEMORY, 0)
    return bool(status or answer.value)
