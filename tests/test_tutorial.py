"""The adapter that the tutorial writes, docs/strict_adapter.py, passes the suite that it is told to pass."""

import importlib.util
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import array_api_strict as strict
import numpy as np
import pytest
from numpy.typing import NDArray

import interop
from interop import _registry
from interop.testing import AdapterSuite

TUTORIAL = Path(__file__).resolve().parents[1] / "docs" / "strict_adapter.py"


@pytest.fixture(scope="module", autouse=True)
def _registered() -> Iterator[None]:
    """Register the adapter for these tests only: there is no way back that a user would need."""
    spec = importlib.util.spec_from_file_location("strict_adapter", TUTORIAL)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    with pytest.MonkeyPatch.context() as patch:
        for table in ("_loaded", "_names"):
            patch.setattr(_registry, table, dict(getattr(_registry, table)))
        interop.register(module.adapter)
        yield
    _registry._classes.clear()


class TestStrict(AdapterSuite):
    framework = "array_api_strict"
    dtypes: ClassVar[tuple[str, ...]] = tuple(n for n in AdapterSuite.dtypes if n != "float16")

    def make(self, array: NDArray[Any]) -> Any:
        return strict.asarray(array, copy=True)


def test_a_pretended_device_is_refused() -> None:
    x = strict.ones(3, device=strict.Device("device1"))
    with pytest.raises(interop.UnsupportedArrayError, match=r"it pretends to be on .*device1"):
        interop.to_numpy(x)


def test_its_own_dtypes_are_read() -> None:
    x = interop.convert(np.arange(3), "array_api_strict", dtype=strict.float32)
    assert x.dtype == strict.float32
    assert interop.to_numpy(x).tolist() == [0, 1, 2]


@pytest.mark.requires("torch")
def test_it_meets_torch_without_knowing_it() -> None:
    import torch

    t = torch.arange(3)
    x = interop.convert(t, "array_api_strict")
    assert isinstance(x, type(strict.empty(0)))
    x[0] = 7
    assert t.tolist() == [7, 1, 2]
