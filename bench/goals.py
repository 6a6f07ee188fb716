"""Measure interop against the fastest other call for the same work, and compare with the goals."""

from typing import Any

import measure
from measure import NOT_MET, Effort, Ratio
from rows import GOALS, WITHOUT_A_GOAL, Row
from tables import Table

HEAD = ("work", "call", "compared with", "ratio", "median", "goal", "verdict")
NOTES = (
    "`t`, `g` and `a` have 16 float32 elements. `r` is `a`, reversed.",
    "`s` and `sa` are every second of 32 float32 elements.",
    "`m` is 4096 x 4096, float32.",
    "`to_numpy` and `clone` keep the layout of `m.T`. `contiguous` and `stack` do not.",
)


def table(names: dict[str, Any], effort: Effort, *, compiled: bool) -> Table:
    """Measure every row that has a goal."""
    lines = [_line(row, run(row, names, effort), row.goal(compiled=compiled)) for row in GOALS]
    reasons = [
        _reason(row)
        for row, line in zip(GOALS, lines, strict=True)
        if line[-1] == NOT_MET and row.why
    ]
    title = "Goals, compiled" if compiled else "Goals, pure Python"
    return Table(title, HEAD, lines, [*NOTES, *reasons])


def without(names: dict[str, Any], effort: Effort) -> Table:
    """Measure the rows without a goal."""
    lines = [_line(row, run(row, names, effort), None) for row in WITHOUT_A_GOAL]
    return Table("Other calls, without a goal", HEAD[:-2], [line[:-2] for line in lines])


def run(row: Row, names: dict[str, Any], effort: Effort) -> Ratio:
    """Compare the two calls of a row, within the context of the row."""
    with row.within():
        return measure.compare(row.ours, row.theirs, names, effort)


def _line(row: Row, ratio: Ratio, goal: float | None) -> tuple[str, ...]:
    calls = f"`{row.ours.removeprefix('interop.')}`", f"`{row.theirs}`"
    return (
        row.work,
        *calls,
        *ratio.cells,
        measure.show_goal(goal),
        measure.verdict(ratio.minima, goal),
    )


def _reason(row: Row) -> str:
    return f"{row.work}, compared with `{row.theirs}`: {row.why}"
