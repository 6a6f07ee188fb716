"""The sources page has a row for each case, with the results that the tests check."""

from pathlib import Path
from types import ModuleType

import pytest

import pages

from .cases import CASES


@pytest.fixture
def page() -> ModuleType:
    """Import `docs/_sources.py` as `docs/conf.py` does."""
    return pages.load("_sources")


@pytest.mark.requires("torch", "numpy-dlpack")
def test_sources_page_has_a_row_with_outcomes_for_every_case(
    page: ModuleType, tmp_path: Path
) -> None:
    page.write(tmp_path / "sources.md")
    lines = (tmp_path / "sources.md").read_text().splitlines()
    rows = [
        line.strip("| ").split(" | ")
        for line in lines
        if line.startswith("| ") and "to NumPy" not in line
    ]
    assert [row[0] for row in rows] == [case.name for case in CASES]
    for case, row in zip(CASES, rows, strict=True):
        assert row[1:3] == (["-", "-"] if case.missing else [case.numpy, case.torch])
        assert row[3]


def test_cases_have_unique_names() -> None:
    assert len({case.name for case in CASES}) == len(CASES)
