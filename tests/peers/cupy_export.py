"""CuPy's DLPack tests: ``__dlpack__`` and ``cupy.from_dlpack`` go through `interop.export`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import cupy

import interop
from peers import cupy_arrays
from peers.harness import StandIn, counted

if TYPE_CHECKING:
    import pytest

DIFFERENCES = {
    "TestNewDLPackConversion::test_from_dlpack_and_conv_errors*": (
        "CuPy refuses copy=True on a device, since it cannot do that yet; interop copies"
    ),
    "TestNewDLPackConversion::test_conversion_device_to_cpu[managed]": (
        "CuPy shares managed memory with the host; for interop it is memory of a device, and is copied to the host"
    ),
    "TestNewDLPackConversion::test_stream_zero_legacy_compat*": (
        "CuPy warns of stream 0; for interop, 0 is the legacy default stream, as for the CUDA runtime"
    ),
}
NOT_HERE = cupy_arrays.NOT_HERE

export = counted(interop.export)


class Exporting(cupy.ndarray):  # type: ignore[misc]  # CuPy has no types
    """A CuPy array whose ``__dlpack__`` calls `interop.export`."""

    def __dlpack__(self, **keywords: Any) -> Any:
        return export(_plain(self)).__dlpack__(**keywords)

    def __dlpack_device__(self) -> Any:
        return export(_plain(self)).__dlpack_device__()


def _plain(x: Any) -> Any:
    return cupy.ndarray(x.shape, x.dtype, x.data, x.strides) if type(x) is Exporting else x


def _exporting(x: Any) -> Exporting:
    return Exporting(x.shape, x.dtype, x.data, x.strides)


def _from_dlpack(x: Any, **keywords: Any) -> Any:
    return cupy.from_dlpack(export(_plain(x)) if isinstance(x, Exporting) else x, **keywords)


_STAND_IN = StandIn(
    cupy, from_dlpack=_from_dlpack, empty=lambda shape: _exporting(cupy.empty(shape))
)


def pytest_collectstart(collector: pytest.Collector) -> None:
    """Replace names in the test module."""
    cupy_arrays.replace(
        collector, cupy=_STAND_IN, _gen_array=lambda dtype: _exporting(cupy_arrays.upload(dtype))
    )
