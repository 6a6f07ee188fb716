"""The adapters of the tutorial, docs/*_adapter.py, pass the suite that they are told to pass."""

from collections.abc import Iterator
from typing import Any, ClassVar

import array_api_strict as strict
import numpy as np
import pytest
from numpy.typing import NDArray

import interop
from interop.testing import AdapterSuite
from pages import DOCS, load
from registering import registered

LINES = 60  # that an adapter of host memory may take, as the page promises


@pytest.fixture(scope="module")
def _strict() -> Iterator[None]:
    with registered(load("strict_adapter").adapter):
        yield


@pytest.fixture(scope="module")
def _arrow() -> Iterator[None]:
    with registered(load("arrow_adapter").adapter):
        yield


@pytest.mark.requires("pyarrow")
@pytest.mark.usefixtures("_arrow")
class TestTensor(AdapterSuite):
    framework = "pyarrow"
    dtypes: ClassVar[tuple[str, ...]] = (
        "uint8",
        "int8",
        "int16",
        "int32",
        "int64",
        "float16",
        "float32",
        "float64",
    )

    def make(self, array: NDArray[Any]) -> Any:
        return self.adapter.array_type.from_numpy(np.array(array))


@pytest.mark.usefixtures("_strict")
class TestStrict(AdapterSuite):
    framework = "array_api_strict"
    dtypes: ClassVar[tuple[str, ...]] = tuple(n for n in AdapterSuite.dtypes if n != "float16")

    def make(self, array: NDArray[Any]) -> Any:
        return strict.asarray(array, copy=True)


@pytest.mark.parametrize("name", ["arrow_adapter", "strict_adapter"])
def test_tutorial_adapters_have_fewer_than_60_lines(name: str) -> None:
    assert len((DOCS / f"{name}.py").read_text().splitlines()) < LINES


@pytest.mark.usefixtures("_strict")
def test_tutorial_strict_adapter_pretended_device_is_refused() -> None:
    x = strict.ones(3, device=strict.Device("device1"))
    with pytest.raises(interop.UnsupportedArrayError, match=r"it pretends to be on .*device1"):
        interop.to_numpy(x)


@pytest.mark.usefixtures("_strict")
def test_tutorial_strict_adapter_reads_its_own_dtype_objects() -> None:
    x = interop.convert(np.arange(3), "array_api_strict", dtype=strict.float32)
    assert x.dtype == strict.float32
    assert interop.to_numpy(x).tolist() == [0, 1, 2]


@pytest.mark.requires("torch")
@pytest.mark.usefixtures("_strict")
def test_tutorial_strict_adapter_shares_memory_with_torch() -> None:
    import torch

    t = torch.arange(3)
    x = interop.convert(t, "array_api_strict")
    assert isinstance(x, type(strict.empty(0)))
    x[0] = 7
    assert t.tolist() == [7, 1, 2]


@pytest.mark.requires("torch", "pyarrow")
@pytest.mark.usefixtures("_arrow")
def test_tutorial_arrow_adapter_copies_negative_strides_with_a_reason() -> None:
    import torch

    t = torch.arange(3)
    assert interop.shares_memory(interop.convert(t, "pyarrow"), t)
    plan = interop.explain(np.arange(3)[::-1], "pyarrow")
    assert plan.bytes_copied == 24
    assert plan.reason == "pyarrow.Tensor has no negative strides"
