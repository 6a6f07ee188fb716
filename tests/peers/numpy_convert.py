"""NumPy's DLPack tests, with ``np.from_dlpack`` as `interop.to_numpy` of a DLPack-only object."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import interop
from peers import numpy_arrays
from peers.harness import StandIn, counted

if TYPE_CHECKING:
    from collections.abc import Generator

DIFFERENCES: dict[str, str] = {}
NOT_HERE: dict[str, str] = {}

to_numpy = counted(interop.to_numpy)
_producers: dict[type, type] = {}


def _producer(x: Any) -> Any:
    """Return an object with only the DLPack methods of an array, signatures included."""
    cls = type(x)
    if cls not in _producers:
        methods = {"__init__": _keep, "__dlpack__": property(_method), "__dlpack_device__": _device}
        _producers[cls] = type(f"{cls.__name__}Producer", (), methods)
    return _producers[cls](x)


def _keep(self: Any, x: Any) -> None:
    self.array = x


def _method(self: Any) -> Any:
    return self.array.__dlpack__


def _device(self: Any) -> Any:
    return self.array.__dlpack_device__()


def _from_dlpack(x: Any, **keywords: Any) -> Any:
    return to_numpy(_producer(x), **keywords)


_STAND_IN = StandIn(np, from_dlpack=_from_dlpack)


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector: pytest.Collector) -> Generator[None, Any, Any]:
    """Import the test module with the replaced `numpy`."""
    return (yield from numpy_arrays.collect(_STAND_IN, collector))
