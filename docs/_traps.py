"""Generate the tables of docs/traps.md from the tests in tests/traps, so that every statement is tested.

A trap is a class of tests. The first paragraph of the class docstring says what goes wrong, and the
second paragraph says what interop does instead. The first line of the module docstring is the heading
of the section.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

TESTS = Path(__file__).resolve().parents[1] / "tests" / "traps"
TRAP = re.compile(
    r"Trap (?P<number>\d+)(?P<silent>, silent)?: (?P<wrong>.+?)\n\n(?P<instead>.+)", re.DOTALL
)
ISSUES = {
    "pytorch": "pytorch/pytorch",
    "numpy": "numpy/numpy",
    "cupy": "cupy/cupy",
    "dlpack": "dmlc/dlpack",
}
SILENT = "<br>**silent**"
INTRODUCTION = "A trap that is marked **silent** raises no error, although the numbers or the memory are wrong."
HEAD = "| # | what goes wrong | what interop does |\n|---|---|---|"


class Trap(NamedTuple):
    """One trap, which is one row of a table."""

    number: int
    silent: bool
    wrong: str
    instead: str
    section: str
    tests: tuple[str, ...]

    def __str__(self) -> str:
        number = f"{self.number}{SILENT if self.silent else ''}"
        return f"| {number} | {self.wrong} | {self.instead} |"


def write(path: Path) -> None:
    """Write the tables as Markdown, which docs/traps.md includes."""
    path.write_text(render(read(TESTS)), encoding="utf-8")


def render(traps: list[Trap]) -> str:
    """Return the traps as Markdown, with one table for each section."""
    tables = {trap.section: f"## {trap.section}\n\n{HEAD}\n" for trap in traps}
    for trap in traps:
        tables[trap.section] += f"{trap}\n"
    return "\n".join([f"{INTRODUCTION}\n", *tables.values()])


def read(folder: Path) -> list[Trap]:
    """Return the traps that a folder of tests describes, sorted by number."""
    files = sorted(folder.glob("test_*.py"))
    return sorted(
        trap for file in files for trap in _traps_of(ast.parse(file.read_text(encoding="utf-8")))
    )


def _traps_of(module: ast.Module) -> Iterator[Trap]:
    section = (ast.get_docstring(module) or "").partition("\n")[0].rstrip(".")
    for node in module.body:
        if isinstance(node, ast.ClassDef) and (
            found := TRAP.fullmatch(ast.get_docstring(node) or "")
        ):
            tests = tuple(
                f.name
                for f in node.body
                if isinstance(f, ast.FunctionDef) and f.name.startswith("test_")
            )
            wrong, instead = _cell(found["wrong"]), _cell(found["instead"])
            yield Trap(int(found["number"]), bool(found["silent"]), wrong, instead, section, tests)


def _cell(text: str) -> str:
    """Join the lines of a paragraph, escape vertical bars, and link upstream issues."""
    line = " ".join(text.split()).replace("|", r"\|")
    return re.sub(rf"\b({'|'.join(ISSUES)})#(\d+)", _link, line)


def _link(issue: re.Match[str]) -> str:
    return f"[{issue[0]}](https://github.com/{ISSUES[issue[1]]}/issues/{issue[2]})"
