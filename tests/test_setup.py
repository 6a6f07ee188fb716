"""setup.py builds the extensions that a Python supports, and leaves the others out by name."""

import runpy
import sys
import sysconfig
from pathlib import Path
from typing import Any

import pytest

SETUP = Path(__file__).resolve().parents[1] / "setup.py"
FASTPATH, NATIVE = "interop._engine._fastpath", "interop.adapters.torch._native"

pytestmark = [
    pytest.mark.requires("numpy"),
    pytest.mark.skipif(not SETUP.exists(), reason="the tests of an installed package"),
]


@pytest.fixture
def keywords(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Return a dict that a run of setup.py fills with the keywords of `setup`."""
    found: dict[str, Any] = {}
    setuptools = pytest.importorskip("setuptools")
    monkeypatch.setattr(setuptools, "setup", lambda **given: found.update(given))
    return found


def names(keywords: dict[str, Any]) -> list[str]:
    runpy.run_path(str(SETUP))
    return [extension.name for extension in keywords["ext_modules"]]


def free_threaded(monkeypatch: pytest.MonkeyPatch, value: int) -> None:
    read = sysconfig.get_config_var
    monkeypatch.setattr(
        sysconfig, "get_config_var", lambda name: value if name == "Py_GIL_DISABLED" else read(name)
    )


def test_setup_cpython_with_the_gil_builds_both_extensions(
    keywords: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    free_threaded(monkeypatch, 0)
    monkeypatch.setattr(sys, "maxsize", 2**63 - 1)
    assert names(keywords) == [FASTPATH, NATIVE]


def test_setup_free_threaded_python_builds_none(
    keywords: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """CPython would switch the GIL on for the whole process (decision 0043)."""
    free_threaded(monkeypatch, 1)
    assert names(keywords) == []


def test_setup_pointers_of_32_bits_leaves_out_native(
    keywords: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    free_threaded(monkeypatch, 0)
    monkeypatch.setattr(sys, "maxsize", 2**31 - 1)
    assert names(keywords) == [FASTPATH]


@pytest.mark.parametrize("value", [0, 1])
def test_setup_without_extensions_makes_no_wheel_for_other_pythons(
    value: int, keywords: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """pip keeps a wheel that it built, and would install it where the extensions are supported."""
    free_threaded(monkeypatch, value)
    names(keywords)
    assert keywords["distclass"]().has_ext_modules()
