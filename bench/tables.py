"""Format a table as text for a terminal and as Markdown for the documentation."""

import re
from collections.abc import Sequence
from typing import NamedTuple

NUMBER = re.compile(r"[+-]?[\d.]*|-")
_RULES = {True: "--:", False: "---"}  # Markdown aligns numbers to the right


class Table(NamedTuple):
    """A table of text. Code in a cell is between backticks, and `notes` stand below the table."""

    title: str
    head: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]
    notes: Sequence[str] = ()

    def text(self) -> str:
        """Return the table in columns of equal width."""
        lines = [[cell.replace("`", "") for cell in row] for row in (self.head, *self.rows)]
        columns = list(zip(*lines, strict=True))
        widths = [max(map(len, column)) for column in columns]
        numeric = [_is_numeric(column[1:]) for column in columns]
        body = ["  ".join(map(_pad, line, widths, numeric)).rstrip() for line in lines]
        notes = [f"- {note.replace('`', '')}" for note in self.notes]
        return "\n".join([f"== {self.title}", *body, *notes])

    def markdown(self) -> str:
        """Return the table as Markdown."""
        columns: list[tuple[str, ...]] = [()] * len(self.head)
        if self.rows:
            columns = list(zip(*self.rows, strict=True))
        rule = [_RULES[_is_numeric(column)] for column in columns]
        lines = [_line(row) for row in (self.head, rule, *map(_escaped, self.rows))]
        notes = [f"- {note}" for note in self.notes]
        return "\n".join([f"### {self.title}", "", *lines, "", *notes, ""])


def _is_numeric(cells: Sequence[str]) -> bool:
    return any(cells) and all(NUMBER.fullmatch(cell) for cell in cells)


def _pad(cell: str, width: int, numeric: bool) -> str:
    if numeric:
        return cell.rjust(width)
    return cell.ljust(width)


def _escaped(row: Sequence[str]) -> list[str]:
    return [cell.replace("|", r"\|") for cell in row]


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
