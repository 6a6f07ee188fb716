"""The tables of goals: ours against the fastest call that a user has for the same work."""

from typing import Any

import measure
from measure import NOT_MET, Effort, Ratio
from rows import GOALS, WITHOUT_A_GOAL, Row
from tables import Table

HEAD = ("work", "this", "against", "ratio", "median", "goal", "verdict")
NOTES = (
    "`t`, `g` and `a` have 16 float32 elements, `s` and `sa` are every second of 32, `r` is reversed.",
    "`m` is 4096 x 4096, float32. `to_numpy` keeps its layout, as `clone` does, `contiguous` and `stack` do not.",
)


def table(names: dict[str, Any], effort: Effort, *, compiled: bool) -> Table:
    """Measure every row that has a goal."""
    lines = [_line(row, run(row, names, effort), row.goal(compiled=compiled)) for row in GOALS]
    reasons = [_reason(row) for row, line in zip(GOALS, lines, strict=True) if line[-1] == NOT_MET and row.why]
    return Table(f"Goals, {'compiled' if compiled else 'pure Python'}", HEAD, lines, [*NOTES, *reasons])


def without(names: dict[str, Any], effort: Effort) -> Table:
    """Measure the rows that are there to be known."""
    lines = [_line(row, run(row, names, effort), None) for row in WITHOUT_A_GOAL]
    return Table("Without a goal", HEAD[:-2], [line[:-2] for line in lines])


def run(row: Row, names: dict[str, Any], effort: Effort) -> Ratio:
    """Compare the two sides of a row, where it says so."""
    with row.within():
        return measure.compare(row.ours, row.theirs, names, effort)


def _line(row: Row, ratio: Ratio, goal: float | None) -> tuple[str, ...]:
    calls = f"`{row.ours.removeprefix('interop.')}`", f"`{row.theirs}`"
    return row.work, *calls, *ratio.cells, measure.show_goal(goal), measure.verdict(ratio.minima, goal)


def _reason(row: Row) -> str:
    return f"{row.work}, against `{row.theirs}`: {row.why}"
