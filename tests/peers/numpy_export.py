"""NumPy's DLPack tests: ``__dlpack__`` and ``np.from_dlpack`` go through `interop.export`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import interop
from peers import numpy_arrays
from peers.harness import StandIn, counted

if TYPE_CHECKING:
    from collections.abc import Generator

DIFFERENCES = {
    "TestDLPack::test_dunder_dlpack_stream": "both refuse a stream on the host; NumPy's error is a RuntimeError",
    "TestDLPack::test_strides_not_multiple_of_itemsize": "NumPy refuses; interop exports a copy",
    "TestDLPack::test_invalid_byte_swapping": (
        "NumPy refuses a foreign byte order; interop exports a copy in the native one"
    ),
    "TestDLPack::test_readonly": (
        "NumPy refuses read-only memory before DLPack 1.0, which has no flag for it; interop exports a copy"
    ),
    "TestDLPack::test_writeable": (
        "NumPy takes memory for read-only if its capsule has no flag for that; interop exports the array's own flag"
    ),
}
NOT_HERE: dict[str, str] = {}

export = counted(interop.export)


class Exporting(np.ndarray[Any, Any]):
    """An ndarray whose ``__dlpack__`` calls `interop.export`."""

    def __dlpack__(self, **keywords: Any) -> Any:
        return export(self.view(np.ndarray)).__dlpack__(**keywords)

    def __dlpack_device__(self) -> Any:
        return export(self.view(np.ndarray)).__dlpack_device__()


def _exporting(array: Any) -> Exporting:
    """Copy into memory owned by an exporting array, because NumPy's tests count references."""
    result = Exporting(array.shape, array.dtype)
    result[...] = array
    return result


def _from_dlpack(x: Any, **keywords: Any) -> Any:
    plain = x.view(np.ndarray) if type(x) is Exporting else x
    return np.from_dlpack(export(plain), **keywords)


_STAND_IN = StandIn(
    np,
    ndarray=Exporting,
    from_dlpack=_from_dlpack,
    arange=lambda *args, **keywords: _exporting(np.arange(*args, **keywords)),
    array=lambda *args, **keywords: _exporting(np.array(*args, **keywords)),
    asarray=lambda *args, **keywords: _exporting(np.asarray(*args, **keywords)),
    zeros=lambda *args, **keywords: _exporting(np.zeros(*args, **keywords)),
)


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector: pytest.Collector) -> Generator[None, Any, Any]:
    """Import the test module with the replaced `numpy`."""
    return (yield from numpy_arrays.collect(_STAND_IN, collector))
