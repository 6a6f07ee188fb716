"""Count the CUDA calls of a handoff on a GPU with the simulated runtime of tests/simcuda.

The runtime must be loaded before torch is imported. So this file runs in a child process, which
prints the counts.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

TESTS = Path(__file__).resolve().parents[1] / "tests"
STREAMS = {"same stream": ("side", "the producer's"), "other stream": ("side", "side")}
WHEN = ("conversion", "release of the result", "release of the source")
GOALS = {"same stream": ((0, 0), (0, 0), (0, 0)), "other stream": ((1, 1), (1, 1), None)}
HEAD = (
    "GPU handoff",
    "streams",
    "when",
    "memcpys",
    "syncs",
    "kernels",
    "records",
    "waits",
    "goal",
    "verdict",
)
NOTES = (
    "The goal is no memcpy, no synchronisation, no kernel, and a number of event records + waits.",
    "At the release of the source, torch records an event if another stream has used the memory.",
)


class Calls(NamedTuple):
    """The number of CUDA calls of each kind."""

    memcpys: int
    syncs: int
    kernels: int
    records: int
    waits: int

    def verdict(self, goal: tuple[int, int] | None) -> str:
        """Return in words whether only the given numbers of records and waits were made."""
        if goal is None:
            return ""
        if self == (0, 0, 0, *goal):
            return "met"
        return "NOT MET"


class Handoff(NamedTuple):
    """The counts for one direction and one choice of streams, one entry for each of `WHEN`."""

    direction: str
    streams: str
    calls: tuple[Calls, ...]

    def lines(self) -> Iterator[tuple[str, ...]]:
        """Yield the rows of the table."""
        for when, calls, goal in zip(WHEN, self.calls, GOALS[self.streams], strict=True):
            shown_goal = "-"
            if goal is not None:
                shown_goal = "{} + {}".format(*goal)
            verdict = calls.verdict(goal)
            yield self.direction, self.streams, when, *map(str, calls), shown_goal, verdict


def table() -> Any:
    """Return the table of counts. If CUDA cannot be simulated, the only row gives the reason."""
    from tables import Table  # noqa: PLC0415 - the child process needs none

    found = ask()
    if isinstance(found, str):
        head = ("GPU handoff", "reason why nothing was counted")
        return Table("GPU handoffs", head, [("torch and CuPy", found)])
    lines = [line for handoff in found for line in handoff.lines()]
    return Table("GPU handoffs", HEAD, lines, NOTES)


def ask() -> list[Handoff] | str:
    """Return the counts of a child process, or the reason for a failure."""
    folders = [str(TESTS), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {**os.environ, "INTEROP_SIMCUDA": "1", "PYTHONPATH": os.pathsep.join(folders)}
    child = [sys.executable, "-W", "ignore", __file__]
    done = subprocess.run(  # noqa: S603
        child, env=environment, capture_output=True, text=True, check=False, timeout=300
    )
    if done.returncode:
        reason = done.stderr.strip() or f"the child process ended with {done.returncode}"
        return reason.splitlines()[-1]
    found = json.loads(done.stdout.splitlines()[-1])
    if isinstance(found, str):
        return found
    return [Handoff(direction, streams, _calls(counted)) for direction, streams, counted in found]


def _calls(counted: list[list[int]]) -> tuple[Calls, ...]:
    return tuple(Calls(*numbers) for numbers in counted)


# -- in the child process --------------------------------------------------------------------------


def play() -> list[Handoff] | str:
    """Return the counts, or the reason for a failure. Call this in the child process only."""
    import simcuda  # noqa: PLC0415

    try:
        simcuda.load()
        import cupy  # noqa: PLC0415
        import torch  # noqa: PLC0415
    except (ImportError, simcuda.SimcudaError) as error:
        return f"the simulated CUDA runtime cannot be loaded: {error}".partition("\n")[0]
    if not (torch.cuda.is_available() and cupy.cuda.is_available()):
        return f"torch {torch.__version__} or CuPy {cupy.__version__} is built without CUDA"
    from handoffs.collect import WAYS  # noqa: PLC0415
    from handoffs.test_costs import counted  # noqa: PLC0415 - the tests assert these counts

    def handoff(source: Any, target: Any, streams: str) -> Handoff:
        # The simulated device works only when something waits, so a missing wait is visible.
        simcuda.schedule("lazy")
        counts = counted(source, target, *STREAMS[streams], 0)
        calls = [
            Calls(c.memcpys, c.synchronisations, c.launches, c.records, c.waits) for c in counts
        ]
        return Handoff(f"{source.name} to {target.name}", streams, tuple(calls))

    return [handoff(*way, streams) for way in WAYS for streams in STREAMS]


if __name__ == "__main__":
    print(json.dumps(play()))
