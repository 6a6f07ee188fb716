"""What the doctor says: one document, as data for machines, and as tables for a terminal."""

from __future__ import annotations

import os
import platform
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from interop._doctor.routes import KINDS
from interop._engine import fastpath
from interop._verbs.frameworks import align, frameworks

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from interop._doctor.routes import Matrix, MeasuredRoute

_DISTRIBUTION: Final = "array-interop"
_INSTALL: Final = "For tables in colour: pip install 'array-interop[doctor]'"
_STYLES: Final[dict[str, str]] = {
    "zero-copy": "green", "copy": "cyan", "device copy": "blue", "host copy": "yellow", "unavailable": "dim",
    "broken": "bold red",
}  # fmt: skip
_WIDE: Final = 120  # columns, where it goes to a file
_GAP: Final = 3  # columns between those of a table
_NEVER_MIND: Final = "none: what is installed works"


def document(matrix: Matrix, warned: Iterable[str], version: str) -> dict[str, Any]:
    """Return everything as JSON takes it. ``python -m interop --help`` explains the keys."""
    about = {
        "version": version,
        "location": str(Path(__file__).parent),
        "compiled": _compiled(),
        "INTEROP_COMPILED": os.environ.get("INTEROP_COMPILED"),
        "also_owned_by": _rivals(),
    }
    infos = [info._asdict() | {"problem": matrix.absent.get(info.name)} for info in frameworks()]
    rest = {
        "python": f"{platform.python_version()} ({platform.python_implementation()})",
        "platform": platform.platform(),
        "frameworks": infos,
        "routes": [route._asdict() for route in matrix.routes],
        "special": [route._asdict() for route in matrix.special],
        "warnings": [*_clash(about["also_owned_by"]), *warned],
        "problems": matrix.problems,
    }
    return {"interop": about, **_anonymous(rest)}


def _compiled() -> str:
    """Tell what has become of the compiled front."""
    if fastpath.compiled_module is not None:
        return "in use"
    if find_spec("interop._engine._fastpath") is None:
        return "not built"
    return (
        "turned off"
        if os.environ.get("INTEROP_COMPILED") == "0"
        else "built, but it can't be imported"
    )


def _rivals() -> list[str]:
    """Return the other distributions that own a top-level `interop`."""
    from importlib.metadata import packages_distributions  # noqa: PLC0415 - takes longer than all of interop

    return sorted(set(packages_distributions().get("interop", ())) - {_DISTRIBUTION})


def _clash(rivals: Any) -> list[str]:
    hint = "and may have overwritten files of this one. An environment of its own is the cure."
    return [f"the distribution {name} owns a top-level interop, too, {hint}" for name in rivals]


def _anonymous(value: Any) -> Any:
    """Leave the user's folder out of what is going to be published; reasons and warnings may name files."""
    home = os.path.expanduser("~")  # noqa: PTH111 - Path.home raises where there is none
    if isinstance(value, dict):
        return {key: _anonymous(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_anonymous(item) for item in value]
    return value.replace(home, "~") if isinstance(value, str) and home != os.sep else value


# -- tables --------------------------------------------------------------------------------------------------------


class Section(NamedTuple):
    """A table with a title, and with a head or without."""

    title: str
    head: tuple[str, ...]
    rows: list[tuple[str, ...]]


def sections(report: dict[str, Any], matrix: Matrix) -> list[Section]:
    """Return the document as tables, without those that have nothing to say."""
    ends = [*map(str, matrix.shown), *matrix.absent]
    shown = [route for route in matrix.routes if route.source in ends]
    head = ("from \\ to", *ends)
    parts = [
        Section(f"interop {report['interop']['version']}", (), _about(report)),
        Section(
            "Frameworks",
            ("name", "version", "devices", "compiled path"),
            _named(report["frameworks"]),
        ),
        Section("Routes of plain arrays", head, _grid(shown, ends)),
        Section("Routes of special arrays on the host", head, _grid(matrix.special, ends)),
        Section("What that means", (), _legend([*shown, *matrix.special])),
        Section("Why not", (), _refusals(matrix)),
        Section("Not shown", (), _hidden(matrix)),
        Section("Warnings", (), [(line,) for line in report["warnings"]]),
        Section("Problems", (), [(line,) for line in report["problems"] or [_NEVER_MIND]]),
    ]
    return [part for part in parts if part.rows]


def _about(report: dict[str, Any]) -> list[tuple[str, ...]]:
    about, said = report["interop"], report["interop"]["INTEROP_COMPILED"]
    return [
        ("installed in", about["location"]),
        ("compiled", about["compiled"] + ("" if said is None else f", INTEROP_COMPILED={said}")),
        ("Python", report["python"]),
        ("platform", report["platform"]),
    ]


def _named(infos: Iterable[dict[str, Any]]) -> list[tuple[str, ...]]:
    return [
        (
            info["name"],
            (info["version"] or "unknown") if info["installed"] else "not installed",
            ", ".join(info["devices"]) or "none",
            "on" if info["compiled"] else "off",
        )
        for info in infos
    ]


def _grid(routes: Iterable[MeasuredRoute], ends: Sequence[str]) -> list[tuple[str, ...]]:
    """Return a row for each source: its name, and the kind of the route to each end."""
    rows: dict[str, dict[str, str]] = {}
    for route in routes:
        rows.setdefault(route.source, {})[route.target] = route.kind
    return [(source, *(kinds[end] for end in ends)) for source, kinds in rows.items()]


def _legend(routes: Iterable[MeasuredRoute]) -> list[tuple[str, ...]]:
    used = {route.kind for route in routes}
    return [(kind, meaning) for kind, meaning in KINDS.items() if kind in used]


def _refusals(matrix: Matrix) -> list[tuple[str, ...]]:
    """Return why routes are unavailable: of an absent framework once, else route by route."""
    routes = [
        route for route in (*matrix.routes, *matrix.special) if route.target not in matrix.absent
    ]
    refused = [(f"{r.source} -> {r.target}", r.reason) for r in routes if r.kind == "unavailable"]
    return [*matrix.absent.items(), *refused]


def _hidden(matrix: Matrix) -> list[tuple[str, ...]]:
    hidden = ", ".join(
        str(location) for location in matrix.locations if location not in matrix.shown
    )
    return [(f"{hidden}: measured as well, and listed by --json",)] if hidden else []


# -- for a terminal ------------------------------------------------------------------------------------------------


def show(parts: Sequence[Section]) -> None:
    """Print tables: by rich where that is installed, else as aligned text."""
    try:
        from rich.console import Console  # noqa: PLC0415 - an extra
    except ImportError:
        print("\n\n".join([*map(_plain, parts), _INSTALL]))  # noqa: T201 - what a command is for
        return

    class _Console(Console):
        def on_broken_pipe(self) -> None:
            """Leave the error to the command: rich would end the process with the exit code of a failed check."""
            raise  # noqa: PLE0704 - rich calls this in its except block

    console = _Console(highlight=False)
    console.width = console.width if console.is_terminal else max(console.width, _WIDE)
    for part in parts:
        for piece in _fitting(part, console.width):
            console.print(_rich(piece))


def _fitting(part: Section, width: int) -> list[Section]:
    """Cut a table that is too wide for the terminal into some with fewer columns, each with the first one."""
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
    tables = [list(zip(*group, strict=True)) for group in groups]
    return [
        Section(part.title if i == 0 else "", table[0], table[1:]) for i, table in enumerate(tables)
    ]


def _width(column: tuple[str, ...]) -> int:
    return max(map(len, column)) + _GAP


def _plain(part: Section) -> str:
    rows = [part.head, *part.rows] if part.head else part.rows
    return "\n".join([part.title, *(f"  {line}" for line in align(rows))])


def _rich(part: Section) -> Any:
    from rich import box  # noqa: PLC0415 - an extra
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
        table.add_row(*(Text(cell, _STYLES.get(cell, "")) for cell in row))
    return table
