"""The page of sources has a row for each of these cases, and says what the tests say."""

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

from .cases import CASES

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def page() -> ModuleType:
    """`docs/_sources.py`, as `docs/conf.py` imports it."""
    spec = importlib.util.spec_from_file_location("_sources", ROOT / "docs" / "_sources.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.requires("torch")
def test_every_case_is_a_row_with_its_outcomes(page: ModuleType, tmp_path: Path) -> None:
    page.write(tmp_path / "sources.md")
    lines = (tmp_path / "sources.md").read_text().splitlines()
    rows = [line.strip("| ").split(" | ") for line in lines if line.startswith("| ") and "to NumPy" not in line]
    assert [row[0] for row in rows] == [case.name for case in CASES]
    for case, row in zip(CASES, rows, strict=True):
        assert row[1:3] == (["-", "-"] if case.missing else [case.numpy, case.torch])
        assert row[3]


def test_names_are_unique() -> None:
    assert len({case.name for case in CASES}) == len(CASES)
