"""Print tables on a terminal: with rich if it is installed, otherwise as aligned text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from interop._doctor.tables import Section
from interop._verbs.frameworks import align

if TYPE_CHECKING:
    from collections.abc import Sequence

_INSTALL: Final = "For tables in colour: pip install 'array-interop[doctor]'"
_STYLES: Final[dict[str, str]] = {
    "zero-copy": "green",
    "copy": "cyan",
    "device copy": "blue",
    "host copy": "yellow",
    "unavailable": "dim",
    "broken": "bold red",
}
_FILE_WIDTH: Final = 120
"""Number of characters in a line, if the output is not a terminal."""
_GAP: Final = 3
"""Number of characters between two columns."""


def show(parts: Sequence[Section]) -> None:
    """Print tables."""
    try:
        from rich.console import Console  # noqa: PLC0415 - an optional dependency
    except ImportError:
        print("\n\n".join([*map(_as_text, parts), _INSTALL]))  # noqa: T201 - a command prints
        return

    class _Console(Console):
        def on_broken_pipe(self) -> None:
            """Raise the error again for `interop._doctor.cli.run_in_pipe`.

            Rich would end the process with exit code 1, which means a failed check here.
            """
            raise  # noqa: PLE0704 - rich calls this method in an except block

    console = _Console(highlight=False)
    if not console.is_terminal:
        console.width = max(console.width, _FILE_WIDTH)
    for part in parts:
        for table in _fit(part, console.width):
            console.print(_rich_table(table))


def _fit(part: Section, width: int) -> list[Section]:
    """Split a table that is too wide into narrower ones, each with the first column."""
    if not part.head:
        return [part]
    first, *others = zip(part.head, *part.rows, strict=True)
    groups: list[list[tuple[str, ...]]] = []
    room = 0
    for column in others:
        if not groups or room < _width(column):
            groups.append([first])
            room = width - _width(first)
        groups[-1].append(column)
        room -= _width(column)
    tables: list[Section] = []
    title = part.title
    for group in groups:
        head, *rows = zip(*group, strict=True)
        tables.append(Section(title, head, rows))
        title = ""  # only the first part of the table has a title
    return tables


def _width(column: tuple[str, ...]) -> int:
    return max(map(len, column)) + _GAP


def _as_text(part: Section) -> str:
    rows = part.rows
    if part.head:
        rows = [part.head, *rows]
    return "\n".join([part.title, *(f"  {line}" for line in align(rows))])


def _rich_table(part: Section) -> Any:
    from rich import box  # noqa: PLC0415 - an optional dependency
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    table = Table(
        box=box.SIMPLE_HEAD,
        title=part.title,
        title_justify="left",
        title_style="bold",
        show_header=bool(part.head),
    )
    for name in part.head or part.rows[0]:
        table.add_column(Text(name), overflow="fold")
    for row in part.rows:
        # As Text, because rich reads square brackets in a str as markup.
        table.add_row(*(Text(cell, _STYLES.get(cell, "")) for cell in row))
    return table
