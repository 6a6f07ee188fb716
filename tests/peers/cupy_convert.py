"""CuPy's DLPack tests, with ``from_dlpack`` as a conversion of an object that has only DLPack."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import cupy
import numpy as np

import interop
from peers import cupy_arrays
from peers.harness import StandIn, counted

if TYPE_CHECKING:
    import pytest

DIFFERENCES = {
    "TestNewDLPackConversion::test_from_dlpack_and_conv_errors*": (
        "CuPy refuses device= and copy=True, since it cannot do either yet; interop moves and copies"
    ),
    "TestNewDLPackConversion::test_conversion_device_to_cpu[managed]": (
        "the test's object says that it is on the host while its capsule says managed CUDA memory; interop refuses "
        "an object that contradicts its own capsule"
    ),
}
NOT_HERE = cupy_arrays.NOT_HERE

to_cupy = counted(interop.to_cupy)
to_numpy = counted(interop.to_numpy)


class Producer:
    """An object that has only the DLPack methods of an array."""

    def __init__(self, x: Any) -> None:
        self._x = x

    def __dlpack__(
        self,
        *,
        stream: Any = None,
        max_version: Any = None,
        dl_device: Any = None,
        copy: Any = None,
    ) -> Any:
        return self._x.__dlpack__(
            stream=stream, max_version=max_version, dl_device=dl_device, copy=copy
        )

    def __dlpack_device__(self) -> Any:
        return self._x.__dlpack_device__()


def _from_dlpack(x: Any, **keywords: Any) -> Any:
    if not hasattr(x, "__dlpack__"):  # a capsule, whose memory only the consumer may access
        return cupy.from_dlpack(x, **keywords)
    return to_cupy(Producer(x) if isinstance(x, cupy.ndarray) else x, **keywords)


def pytest_collectstart(collector: pytest.Collector) -> None:
    """Replace names in the test module."""
    cupy_arrays.replace(
        collector,
        cupy=StandIn(cupy, from_dlpack=_from_dlpack),
        numpy=StandIn(np, from_dlpack=lambda x: to_numpy(x)),  # noqa: PLW0108 - no keyword is let through
        _gen_array=cupy_arrays.upload,
    )
