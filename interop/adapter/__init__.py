"""The contract between interop and a framework: subclass `Adapter` to add a framework.

The modules of this package need the standard library only, so importing them is cheap.
"""

from interop.adapter.base import INDEX, Adapter, find_compiled
from interop.adapter.device import (
    CPU,
    CUDA,
    CURRENT,
    HOST,
    LIBRARY,
    NOWHERE,
    Device,
    LibraryDevice,
)
from interop.adapter.facts import EXTENDED_DTYPES, PLAIN_DTYPES, Facts

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
    "Adapter",
    "Device",
    "Facts",
    "LibraryDevice",
    "find_compiled",
]
