"""The table of handoffs, made of the scenarios below tests/handoffs: each runs with `from_dlpack` and with interop.

They run in a child process, since the simulated CUDA runtime (tests/simcuda) must be there before torch is imported.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

TESTS = Path(__file__).resolve().parents[1] / "tests"
SEEDS = 10
INTRODUCTION = f"""\
Each program runs under the schedules `eager`, `lazy`, `greedy` and `adversary`, and under {SEEDS} random ones. It is
wrong if under any of them a value is, or two operations on the same bytes have no order between them; it is refused if
there is an exception.
"""
HEAD = "| what happens | programs | raw: wrong | raw: refused | interop: wrong or refused |\n|---|--:|--:|--:|--:|"
RIGHT, WRONG, REFUSED, IMPOSSIBLE = "right", "wrong", "refused", "-"


class Result(NamedTuple):
    """What became of a program: with `from_dlpack`, and with interop."""

    name: str
    raw: str
    interop: str

    @property
    def row(self) -> str:
        """Return the row that it counts in: what interop and `from_dlpack` both do right needs no row of its own."""
        if self.raw == IMPOSSIBLE:
            return "uploads, downloads, copies to another device, refusals: nothing that `from_dlpack` could do"
        _direction, what, *varied = self.name.split(": ")
        return f"{what} ..." if varied else what


def write(path: Path) -> None:
    """Write the table, to be included in a page; or why it is missing."""
    folders = [str(TESTS), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {**os.environ, "INTEROP_SIMCUDA": "1", "PYTHONPATH": os.pathsep.join(folders)}
    child = [sys.executable, "-W", "ignore", __file__]
    done = subprocess.run(child, env=environment, stdout=subprocess.PIPE, text=True, check=True, timeout=300)  # noqa: S603
    found = json.loads(done.stdout.splitlines()[-1])
    text = f"The table is missing, because {found}\n" if isinstance(found, str) else render(Result(*x) for x in found)
    path.write_text(text, encoding="utf-8")


def render(results: Iterable[Result]) -> str:
    """Return a row for each kind of program that raw gets wrong, one for all others, and the sum."""
    rows: dict[str, list[Result]] = {}
    for result in results:
        rows.setdefault(result.row, []).append(result)
    others = [name for name, found in rows.items() if {r.raw for r in found} | {r.interop for r in found} == {RIGHT}]
    both = [result for name in others for result in rows.pop(name)]
    everything = [*both, *(result for found in rows.values() for result in found)]
    lines = [_line(name, found) for name, found in sorted(rows.items(), key=_most_wrong_first)]
    end = [_line(f"{len(others)} more, which both get right", both), _line("**all**", everything)]
    return "\n".join([INTRODUCTION, HEAD, *lines, *end, ""])


def _most_wrong_first(row: tuple[str, list[Result]]) -> tuple[int, int]:
    raw = [result.raw for result in row[1]]
    return -raw.count(WRONG), -raw.count(REFUSED)


def _line(name: str, results: list[Result]) -> str:
    raw = [result.raw for result in results]
    counts = [IMPOSSIBLE] * 2 if set(raw) == {IMPOSSIBLE} else [raw.count(WRONG), raw.count(REFUSED)]
    amiss = sum(result.interop != RIGHT for result in results)
    return "| {} | {} | {} | {} | {} |".format(name, len(results), *counts, amiss)


# -- in the child process -----------------------------------------------------------------------------------------


def play() -> list[Result] | str:
    """Run every program, or say why that can't be."""
    import simcuda  # noqa: PLC0415

    try:
        simcuda.load()
        import cupy  # noqa: PLC0415
        import torch  # noqa: PLC0415
    except (ImportError, simcuda.SimcudaError) as error:
        reason = str(error).partition("\n")[0]
        return f"the simulated CUDA runtime can't be loaded: {reason}"
    if not (torch.cuda.is_available() and cupy.cuda.is_available()):
        return f"torch {torch.__version__} or CuPy {cupy.__version__} is built without CUDA."
    from handoffs import runs, scenarios  # noqa: PLC0415

    def verdict(scenario: Any, convert: Callable[..., Any]) -> str:
        outcomes = [runs.run(scenario, convert, *schedule) for schedule in runs.schedules(SEEDS)]
        if any(outcome.wrong or outcome.races or outcome.errors for outcome in outcomes):
            return WRONG
        return REFUSED if any(outcome.refused for outcome in outcomes) else RIGHT

    def result(scenario: Any) -> Result:
        raw = verdict(scenario, runs.raw) if scenario.raw else IMPOSSIBLE
        return Result(str(scenario), raw, verdict(scenario, runs.considerate))

    return [result(scenario) for scenario in scenarios.SCENARIOS]


if __name__ == "__main__":
    print(json.dumps(play()))
