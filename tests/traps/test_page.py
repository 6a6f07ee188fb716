"""The page of traps is made of these tests: every row has its class, and every class its row."""

from pathlib import Path
from types import ModuleType

import pytest

import pages

ROWS = set(range(1, 31))
"""Those that need no GPU."""


@pytest.fixture(scope="module")
def page() -> ModuleType:
    """`docs/_traps.py`, as `docs/conf.py` imports it."""
    return pages.load("_traps")


def test_traps_page_every_trap_has_one_class_with_tests(page: ModuleType) -> None:
    traps = page.read(page.TESTS)
    numbers = [trap.number for trap in traps]
    assert numbers == sorted(set(numbers))
    assert set(numbers) >= ROWS
    assert all(trap.tests for trap in traps)


def test_traps_page_reads_every_test_class(page: ModuleType) -> None:
    classes = [
        line for file in page.TESTS.glob("test_*.py") for line in file.read_text().splitlines()
    ]
    assert len(page.read(page.TESTS)) == sum(line.startswith("class Test") for line in classes)


def test_traps_page_has_one_row_for_each_trap(page: ModuleType, tmp_path: Path) -> None:
    page.write(tmp_path / "traps.md")
    lines = (tmp_path / "traps.md").read_text().splitlines()
    rows = [line for line in lines if line.startswith("|") and line[2].isdecimal()]
    traps = page.read(page.TESTS)
    assert len(rows) == len(traps)
    for trap in traps:
        (row,) = [
            row for row in rows if row.startswith((f"| {trap.number} |", f"| {trap.number}<"))
        ]
        assert (
            row
            == f"| {trap.number}{'<br>**silent**' if trap.silent else ''} | {trap.wrong} | {trap.instead} |"
        )
    assert {trap.section for trap in traps} == {
        line.removeprefix("## ") for line in lines if line.startswith("## ")
    }


def test_traps_page_texts_are_sentences(page: ModuleType) -> None:
    for trap in page.read(page.TESTS):
        assert trap.wrong.endswith(".")
        assert trap.instead.startswith(("interop ", "interop's "))
        assert trap.instead.endswith(".")


def test_traps_page_escapes_pipes_and_links_issues(page: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "test_x.py").write_text(
        '"""Here.\n\nMore."""\n'
        "class TestX:\n"
        '    """Trap 7, silent: a | b\n    (pytorch#1).\n\n    interop c.\n    """\n'
        "    def test_y(self): ...\n"
    )
    (trap,) = page.read(tmp_path)
    link = "[pytorch#1](https://github.com/pytorch/pytorch/issues/1)"
    assert trap == (7, True, rf"a \| b ({link}).", "interop c.", "Here", ("test_y",))
    assert page.render([trap]).splitlines()[2] == "## Here"
