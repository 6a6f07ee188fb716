"""The page of traps, made of the tests below tests/traps: what it says is what they show.

A trap is a class of tests. Its docstring says what goes wrong, and in a paragraph of its own what interop does
instead; the first line of its module is the section.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

TESTS = Path(__file__).resolve().parents[1] / "tests" / "traps"
TRAP = re.compile(r"Trap (?P<number>\d+)(?P<silent>, silent)?: (?P<wrong>.+?)\n\n(?P<instead>.+)", re.DOTALL)
ISSUES = {"pytorch": "pytorch/pytorch", "numpy": "numpy/numpy", "cupy": "cupy/cupy", "dlpack": "dmlc/dlpack"}
SILENT = "<br>**silent**"
INTRODUCTION = "What is marked silent raises nothing: the numbers are wrong, or the memory is."
HEAD = "| # | what goes wrong | what interop does instead |\n|---|---|---|"


class Trap(NamedTuple):
    """A row of the table."""

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
    """Write the page, to be included in another one."""
    path.write_text(render(read(TESTS)), encoding="utf-8")


def render(traps: list[Trap]) -> str:
    """Return the traps as Markdown: a table for each section, in the order of their first rows."""
    tables = {trap.section: f"## {trap.section}\n\n{HEAD}\n" for trap in traps}
    for trap in traps:
        tables[trap.section] += f"{trap}\n"
    return "\n".join([f"{INTRODUCTION}\n", *tables.values()])


def read(folder: Path) -> list[Trap]:
    """Return the traps that the tests of a folder are about, by number."""
    files = sorted(folder.glob("test_*.py"))
    return sorted(trap for file in files for trap in _traps_of(ast.parse(file.read_text(encoding="utf-8"))))


def _traps_of(module: ast.Module) -> Iterator[Trap]:
    section = (ast.get_docstring(module) or "").partition("\n")[0].rstrip(".")
    for node in module.body:
        if isinstance(node, ast.ClassDef) and (found := TRAP.fullmatch(ast.get_docstring(node) or "")):
            tests = tuple(f.name for f in node.body if isinstance(f, ast.FunctionDef) and f.name.startswith("test_"))
            wrong, instead = _cell(found["wrong"]), _cell(found["instead"])
            yield Trap(int(found["number"]), bool(found["silent"]), wrong, instead, section, tests)


def _cell(text: str) -> str:
    """Join the lines of a paragraph, link the issues upstream, and keep the bars of the table apart."""
    line = " ".join(text.split()).replace("|", r"\|")
    return re.sub(rf"\b({'|'.join(ISSUES)})#(\d+)", _link, line)


def _link(issue: re.Match[str]) -> str:
    return f"[{issue[0]}](https://github.com/{ISSUES[issue[1]]}/issues/{issue[2]})"
