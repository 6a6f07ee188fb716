"""Make the table of handoffs: each scenario of tests/handoffs runs with `from_dlpack` and with interop.

The scenarios run in a child process, because the simulated CUDA runtime (tests/simcuda) must be loaded before torch.
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
Each program runs under the schedules `eager`, `lazy`, `greedy` and `adversary`, and under {SEEDS} random schedules. A
program counts as wrong if, under any schedule, it reads a wrong value, a CUDA call fails, or nothing orders two
operations on the same bytes. A program counts as refused if it raises an exception instead.
"""
HEAD = "| program | number of programs | raw: wrong | raw: refused | interop: wrong or refused |\n|---|--:|--:|--:|--:|"
RIGHT, WRONG, REFUSED, IMPOSSIBLE = "right", "wrong", "refused", "-"
INTEROP_ONLY = (
    "uploads, downloads, copies between devices and refusals, which `from_dlpack` cannot do"
)
TITLES = {
    "a blocking consumer of the default stream": "a blocking stream reads an array of the legacy default stream",
    "a blocking producer": "the producer writes on a blocking stream",
    "a per thread stream is dropped by": "the consumer uses the per-thread default stream, and the memory is reused",
    "a view": "a slice, a row or a column is handed over, and the memory of the whole array is reused",
    "bfloat16": "a bfloat16 array is handed over, and its memory is reused",
    "chain of four": "an array passes through four streams, and the arrays are dropped in different orders",
    "device 0 while device 1 is current": "arrays on device 0 while device 1 is current",
    "every link reads": "an array passes through four streams, and each stream reads it",
    "every link writes": "an array passes through four streams, and each stream writes to it",
    "everything current stays": "other streams are current at the handoff and at the release",
    "four threads": "four threads hand arrays over, each on its own streams",
    "memory of a per thread stream is dropped by": "the producer uses the per-thread default stream, and the memory "
    "is reused",
    "next to nothing": "scalars and empty arrays, in float32 and bfloat16",
    "on device 1": "arrays on device 1 while device 0 is current",
    "on device 1 for": "arrays on device 1; the consumer uses the per-thread default stream or the producer's stream",
    "on device 1 with a stream given": "arrays on device 1; `stream=` names the consumer's stream",
    "per thread consumer": "the consumer reads on the per-thread default stream",
    "per thread producer": "the producer writes on the per-thread default stream",
    "reuse waits": "the arrays are dropped in different ways, and the memory is reused",
    "reuse waits on": "the memory is reused, with different streams of producer and consumer",
    "stream given": "`stream=` names the consumer's stream, and the memory is reused",
    "stream minus one is ordered by the caller": "`stream=-1`, and the caller orders the read",
    "ten in a row": "ten handoffs in a row, each in the memory that the last one released",
    "the consumer writes and hands back": "the consumer writes to the array and hands it back",
    "the consumers stream object goes first": "the consumer's stream object is destroyed before the arrays",
    "the producers stream object goes first": "the producer's stream object is destroyed before the arrays",
    "the read follows the write": "the consumer reads after the producer has written",
    "the result is dropped and the source is kept": "the result is dropped first and the source later",
    "the source is refilled in an order of its own": "the producer overwrites the source after a synchronisation",
    "the source is refilled once the result is dropped": "the producer overwrites the source after the result is gone",
    "there and back many times": "an array goes back and forth between two streams",
    "three consumers": "three streams read the same array, and the memory is reused",
}
"""The row of the table, by the name of the function in tests/handoffs."""


class Result(NamedTuple):
    """The outcome of one program with `from_dlpack` and with interop."""

    name: str
    raw: str
    interop: str

    @property
    def row(self) -> str:
        """Return the first cell of the table's row that counts this program."""
        if self.raw == IMPOSSIBLE:
            return INTEROP_ONLY
        function = self.name.split(": ")[1]
        return TITLES[function]


def write(path: Path) -> None:
    """Write the table for the page, or a sentence that says why there is no table."""
    folders = [str(TESTS), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {**os.environ, "INTEROP_SIMCUDA": "1", "PYTHONPATH": os.pathsep.join(folders)}
    child = [sys.executable, "-W", "ignore", __file__]
    done = subprocess.run(  # noqa: S603
        child, env=environment, stdout=subprocess.PIPE, text=True, check=True, timeout=300
    )
    found = json.loads(done.stdout.splitlines()[-1])
    if isinstance(found, str):
        text = f"There is no table in this build, because {found}\n"
    else:
        text = render(Result(*fields) for fields in found)
    path.write_text(text, encoding="utf-8")


def render(results: Iterable[Result]) -> str:
    """Return a table: a row for each kind of program that `from_dlpack` gets wrong, one for the others, and the sum."""
    rows: dict[str, list[Result]] = {}
    for result in results:
        rows.setdefault(result.row, []).append(result)
    others = [name for name, found in rows.items() if _are_all_right(found)]
    both = [result for name in others for result in rows.pop(name)]
    everything = [*both, *(result for found in rows.values() for result in found)]
    lines = [_line(name, found) for name, found in sorted(rows.items(), key=_most_wrong_first)]
    end = [
        _line(f"{len(others)} other kinds of program, which are right with both", both),
        _line("**all**", everything),
    ]
    return "\n".join([INTRODUCTION, HEAD, *lines, *end, ""])


def _are_all_right(results: list[Result]) -> bool:
    return all(result.raw == RIGHT and result.interop == RIGHT for result in results)


def _most_wrong_first(row: tuple[str, list[Result]]) -> tuple[int, int]:
    raw = [result.raw for result in row[1]]
    return -raw.count(WRONG), -raw.count(REFUSED)


def _line(name: str, results: list[Result]) -> str:
    raw = [result.raw for result in results]
    counts: list[object] = [raw.count(WRONG), raw.count(REFUSED)]
    if set(raw) == {IMPOSSIBLE}:
        counts = [IMPOSSIBLE, IMPOSSIBLE]
    not_right = [result for result in results if result.interop != RIGHT]
    cells = [name, len(results), *counts, len(not_right)]
    return f"| {' | '.join(map(str, cells))} |"


# -- in the child process -----------------------------------------------------------------------------------------


def play() -> list[Result] | str:
    """Run every program, or return the reason why the programs cannot run."""
    import simcuda  # noqa: PLC0415

    try:
        simcuda.load()
        import cupy  # noqa: PLC0415
        import torch  # noqa: PLC0415
    except (ImportError, simcuda.SimcudaError) as error:
        reason = str(error).partition("\n")[0]
        return f"the simulated CUDA runtime cannot be loaded: {reason}"
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
