"""The adapters and the test file of the tutorial, docs/*_adapter.py, work as the page says."""

import inspect
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import array_api_strict as strict
import numpy as np
import pytest
from numpy.typing import NDArray

import interop
from interop.adapter import Adapter, DeviceAdapter, Facts
from interop.testing import AdapterSuite
from pages import DOCS, load
from registering import registered

LINES = 60  # the page promises that an adapter for host memory is shorter
PAGE = (DOCS / "write_an_adapter.md").read_text()


@pytest.fixture(scope="module")
def _strict() -> Iterator[None]:
    with registered(load("strict_adapter").adapter):
        yield


@pytest.fixture(scope="module")
def _arrow() -> Iterator[None]:
    with registered(load("arrow_adapter").adapter):
        yield


@pytest.mark.requires("numpy-dlpack")
@pytest.mark.usefixtures("_strict")
class TestStrict(AdapterSuite):
    framework = "array_api_strict"
    dtypes: ClassVar[tuple[str, ...]] = tuple(n for n in AdapterSuite.dtypes if n != "float16")

    def make(self, array: NDArray[Any]) -> Any:
        return strict.asarray(array, copy=True)


@pytest.mark.requires("pyarrow")
def test_tutorial_test_file_passes_without_configuration_of_ours(tmp_path: Path) -> None:
    for name in ("arrow_adapter.py", "test_arrow_adapter.py"):
        shutil.copy(DOCS / name, tmp_path)
    command = [sys.executable, "-W", "error", "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    environ = os.environ | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}  # other plugins may warn
    done = subprocess.run(
        [*command, "test_arrow_adapter.py"],
        cwd=tmp_path, env=environ, capture_output=True, text=True, check=False,
    )  # fmt: skip
    passed = re.search(r"(\d+) passed in", done.stdout)
    assert done.returncode == 0, done.stdout + done.stderr
    assert passed
    assert int(passed[1]) > len(inspect.getmembers(AdapterSuite, _is_test))


def _is_test(member: object) -> bool:
    return inspect.isfunction(member) and member.__name__.startswith("test_")


@pytest.mark.parametrize("contract", [Facts, Adapter, DeviceAdapter])
def test_tutorial_page_names_every_part_of_the_contract(contract: type) -> None:
    names = {name for cls in contract.__mro__ for name in _public_names(cls)}
    missing = [name for name in names if not re.search(rf"`(Facts\.)?{name}\b", PAGE)]
    assert missing == []


def _public_names(cls: type) -> set[str]:
    if cls in (tuple, object):
        return set()
    names = {*vars(cls), *vars(cls).get("__annotations__", {})}
    return {name for name in names if not name.startswith("_")}


@pytest.mark.parametrize("name", ["arrow_adapter", "strict_adapter"])
def test_tutorial_adapters_have_fewer_than_60_lines(name: str) -> None:
    assert len((DOCS / f"{name}.py").read_text().splitlines()) < LINES


@pytest.mark.usefixtures("_strict")
def test_tutorial_strict_adapter_pretended_device_is_refused() -> None:
    x = strict.ones(3, device=strict.Device("device1"))
    with pytest.raises(interop.UnsupportedArrayError, match=r"it pretends to be on .*device1"):
        interop.to_numpy(x)


@pytest.mark.requires("numpy-dlpack")
@pytest.mark.usefixtures("_strict")
def test_tutorial_strict_adapter_reads_its_own_dtype_objects() -> None:
    x = interop.convert(np.arange(3), "array_api_strict", dtype=strict.float32)
    assert x.dtype == strict.float32
    assert interop.to_numpy(x).tolist() == [0, 1, 2]


@pytest.mark.requires("torch", "numpy-dlpack")
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


@pytest.mark.usefixtures("_strict")
def test_tutorial_strict_adapter_casts_without_a_warning() -> None:
    large = strict.asarray(np.array([1e300 + 1j]))
    x = interop.convert(large, "array_api_strict", dtype="float32", casting="unsafe")
    assert np.isinf(interop.to_numpy(x)).all()
    copied = interop.convert(large, "array_api_strict", copy=True)
    assert not interop.shares_memory(copied, large)


@pytest.mark.usefixtures("_strict")
def test_tutorial_strict_adapter_missing_dtype_has_a_hint() -> None:
    with pytest.raises(interop.UnsupportedArrayError) as caught:
        interop.convert(np.ones(3, "float16"), "array_api_strict")
    assert caught.value.reason == "array-api-strict has no dtype float16"
    assert caught.value.hint == 'Pass dtype="float32".'
