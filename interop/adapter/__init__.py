"""The contract between interop and a framework: subclass `Adapter` to add a framework.

See `interop.adapter.base` for an overview. The modules of this package need the standard library
only, so importing them is cheap.
"""

from interop.adapter.base import INDEX, Adapter
from interop.adapter.device import (
    CPU,
    CUDA,
    CURRENT,
    HOST,
    LIBRARY,
    NOWHERE,
    ROCM,
    Device,
    LibraryDevice,
)
from interop.adapter.device_adapter import DeviceAdapter
from interop.adapter.facts import EXTENDED_DTYPES, PLAIN_DTYPES, Facts
from interop.adapter.fastpath import CompiledPath, FastPath, find_compiled, why_no_module
from interop.adapter.lazy import LazyAdapter, ReadAdapter
from interop.adapter.lease import Lease
from interop.adapter.streams import Stream

__all__ = [
    "CPU",
    "CUDA",
    "CURRENT",
    "EXTENDED_DTYPES",
    "HOST",
    "INDEX",
    "LIBRARY",
    "NOWHERE",
    "PLAIN_DTYPES",
    "ROCM",
    "Adapter",
    "CompiledPath",
    "Device",
    "DeviceAdapter",
    "Facts",
    "FastPath",
    "LazyAdapter",
    "Lease",
    "LibraryDevice",
    "ReadAdapter",
    "Stream",
    "find_compiled",
    "why_no_module",
]
