"""The report of ``python -m interop`` as tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from interop._doctor.routes import KINDS
from interop._verbs.frameworks import compiled_cell, why_not_compiled

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from interop._doctor.routes import Matrix, MeasuredRoute

_NO_PROBLEMS: Final = "none: all installed frameworks work"


class Section(NamedTuple):
    """A table with a title. The head is empty if the table has none."""

    title: str
    head: tuple[str, ...]
    rows: list[tuple[str, ...]]


def sections(report: dict[str, Any], matrix: Matrix) -> list[Section]:
    """Return the tables of a report, without empty ones.

    Parameters
    ----------
    report : dict
        The document that `interop._doctor.report.document` returns.
    matrix : Matrix
        The measured routes.
    """
    ends = [*map(str, matrix.shown), *matrix.absent]
    shown = [route for route in matrix.routes if route.source in ends]
    head = ("from \\ to", *ends)
    framework_head = ("name", "version", "devices", "compiled path")
    problems = report["problems"] or [_NO_PROBLEMS]
    parts = [
        Section(f"interop {report['interop']['version']}", (), _about(report)),
        Section("Frameworks", framework_head, _framework_rows(report["frameworks"])),
        Section("Compiled path off", (), _not_compiled(report["frameworks"])),
        Section("Routes of plain arrays", head, _grid(shown, ends)),
        Section("Routes of special arrays on the host", head, _grid(matrix.special, ends)),
        Section("Kinds of routes", (), _legend([*shown, *matrix.special])),
        Section("Reasons", (), _refusals(matrix)),
        Section("Not shown", (), _hidden(matrix)),
        Section("Warnings", (), [(line,) for line in report["warnings"]]),
        Section("Problems", (), [(line,) for line in problems]),
    ]
    return [part for part in parts if part.rows]


def _about(report: dict[str, Any]) -> list[tuple[str, ...]]:
    about = report["interop"]
    rows = [("installed in", about["location"]), ("compiled", about["compiled"])]
    variable = about["INTEROP_COMPILED"]
    if variable is not None:
        rows.append(("INTEROP_COMPILED", variable))
    return [
        *rows,
        ("Python", report["python"]),
        ("platform", report["platform"]),
    ]


def _framework_rows(infos: Iterable[dict[str, Any]]) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    for info in infos:
        version = "not installed"
        if info["installed"]:
            version = info["version"] or "unknown"
        devices = ", ".join(info["devices"]) or "none"
        compiled = compiled_cell(info["compiled"], info["not_compiled"])
        rows.append((info["name"], version, devices, compiled))
    return rows


def _not_compiled(infos: Iterable[dict[str, Any]]) -> list[tuple[str, ...]]:
    return [*why_not_compiled((info["name"], info["not_compiled"]) for info in infos)]


def _grid(routes: Iterable[MeasuredRoute], ends: Sequence[str]) -> list[tuple[str, ...]]:
    """Return a row for each source: the source, and the kind of the route to each end."""
    rows: dict[str, dict[str, str]] = {}
    for route in routes:
        rows.setdefault(route.source, {})[route.target] = route.kind
    return [(source, *(kinds[end] for end in ends)) for source, kinds in rows.items()]


def _legend(routes: Iterable[MeasuredRoute]) -> list[tuple[str, ...]]:
    used = {route.kind for route in routes}
    return [(kind, meaning) for kind, meaning in KINDS.items() if kind in used]


def _refusals(matrix: Matrix) -> list[tuple[str, ...]]:
    """Return the reasons of unavailable routes, with one row for each absent framework."""
    refused = [
        (f"{route.source} -> {route.target}", route.reason)
        for route in (*matrix.routes, *matrix.special)
        if route.kind == "unavailable" and route.target not in matrix.absent
    ]
    return [*matrix.absent.items(), *refused]


def _hidden(matrix: Matrix) -> list[tuple[str, ...]]:
    hidden = [str(location) for location in matrix.locations if location not in matrix.shown]
    if not hidden:
        return []
    return [(f"{', '.join(hidden)}: measured, and listed by --json",)]
