"""Conformance suites: subclass one in a test module to test an adapter. Needs pytest.

`AdapterSuite` tests every framework with arrays in memory, `DeviceAdapterSuite` also its streams,
and `LazyAdapterSuite` a framework of lazy arrays.
"""

from interop.testing.device import DeviceAdapterSuite
from interop.testing.lazy import LazyAdapterSuite
from interop.testing.suite import AdapterSuite

__all__ = ["AdapterSuite", "DeviceAdapterSuite", "LazyAdapterSuite"]
