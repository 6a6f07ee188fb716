"""Objects of no known framework that support the CUDA Array Interface.

The interface is specified by Numba. This module reads version 3.
"""

from __future__ import annotations

import ctypes
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from interop.adapter import CUDA, Device, Facts
from interop.adapter.streams import Interface
from interop.adapter.strides import FOREIGN_BYTE_ORDER, why_unreadable
from interop.errors import Reason

from .closed import Closed, get, stated_facts

if TYPE_CHECKING:
    from interop.adapter.streams import Stream

_DEVICE_ORDINAL: Final = 9
"""CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL of the CUDA driver API."""


def open_cuda(x: Any) -> Closed | None:
    """Close an object with the CUDA Array Interface, or return None if not supported."""
    interface = get(x, "__cuda_array_interface__")
    if interface is None:
        return None
    address, readonly = interface["data"]
    device = _device_at(address)
    shape = tuple(interface["shape"])
    facts = stated_facts(x, shape, interface["typestr"], device, interface.get("strides"))
    facts = facts._replace(readonly=bool(readonly))
    if problem := _why_unsupported(interface, facts):
        return Closed(x, facts._replace(unsupported=problem))
    facts = facts._replace(not_shareable=_why_not_shareable(interface, facts))

    def lend(_: Stream | None) -> Interface:
        # The interface names the producer's stream, for which the consumer's adapter waits.
        return Interface(x, facts.device)

    return Closed(x, facts, lend=lend, address=int(address))


def _why_unsupported(interface: Any, facts: Facts) -> str | None:
    """Return why a CUDA Array Interface does not describe an array of plain numbers, or None."""
    if interface.get("mask") is not None:
        return Reason("it is masked, and the mask would be lost", "Fill it first.")
    if facts.unsupported:
        return Reason(facts.unsupported, "Convert it to numbers with its own library first.")
    if len(facts.strides) != len(facts.shape):
        reason = f"its strides {facts.strides} do not fit its shape"
        return Reason(reason, "Correct its __cuda_array_interface__.")
    return None


def _why_not_shareable(interface: Any, facts: Facts) -> str | None:
    """Return why no framework can use the memory in place, or None.

    The reasons are those for ndarrays.
    """
    dtype = np.dtype(interface["typestr"])
    if not dtype.isnative:
        return FOREIGN_BYTE_ORDER
    return why_unreadable(interface["data"][0], facts.shape, facts.strides, dtype.itemsize)


def _device_at(pointer: int) -> Device:
    """Return the device of a pointer, as told by the CUDA driver.

    The interface does not state the device (CUDA Driver API, cuPointerGetAttribute). Without a
    driver the result is device 0, and the consumer of the memory reports the missing driver.
    """
    ordinal = ctypes.c_int(0)
    name = "nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1"
    with suppress(OSError, AttributeError):
        ask = ctypes.CDLL(name).cuPointerGetAttribute
        # The status is not read: after an error, the number is still 0.
        ask(ctypes.byref(ordinal), _DEVICE_ORDINAL, ctypes.c_uint64(pointer))
    return Device(CUDA.kind, ordinal.value)
