"""HTML tables that notebooks display."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


def table(
    title: str, head: Sequence[str], rows: Iterable[Sequence[str]], notes: Iterable[str] = ()
) -> str:
    """Return a table between a title and notes.

    The table has no colours, so that light and dark pages can show it.
    """
    lines = [_row("th", head), *(_row("td", row) for row in rows)]
    below = "".join(f"<div>{_escape(note)}</div>" for note in notes)
    return f"<div><b>{_escape(title)}</b><table>{''.join(lines)}</table>{below}</div>"


def _row(tag: str, cells: Iterable[str]) -> str:
    joined = "".join(f"<{tag}>{_escape(cell)}</{tag}>" for cell in cells)
    return f"<tr>{joined}</tr>"


def _escape(text: str) -> str:
    from html import escape  # noqa: PLC0415 - only notebooks need it, and its import takes 1 ms

    return escape(text)
