"""Shared by both CuPy suites: arrays made without kernels, which simulated CUDA cannot run."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np
import pytest

NOT_HERE = {
    "TestNewDLPackConversion::test_conversion_0d*": "fills an array by a kernel",
}


def upload(dtype: Any) -> Any:
    """Return an array on the device, instead of the random array of CuPy's tests."""
    cupy = importlib.import_module("cupy")
    return cupy.asarray(np.arange(6).reshape(2, 3).astype(dtype))


def replace(collector: pytest.Collector, **names: Any) -> None:
    """Replace names in the test module after the import."""
    if isinstance(collector, pytest.Module):
        vars(collector.obj).update(names)
