"""Conformance suites: subclass one in a test module to test an adapter. Needs pytest."""

from interop.testing.lazy import LazyAdapterSuite
from interop.testing.suite import AdapterSuite

__all__ = ["AdapterSuite", "LazyAdapterSuite"]
