"""Find the kinds of stress, run each one in its own process, and collect the results."""

import ast
import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from time import perf_counter
from typing import Any, Final, NamedTuple

HERE: Final = Path(__file__).resolve().parent
SLACK: Final = 30.0
"""Seconds that the process has to print its stacks and to end, after its own deadline."""


class Kind(NamedTuple):
    """A kind of stress: the name of its module, and its weight if kinds share an amount of time."""

    name: str
    weight: float


class Outcome(NamedTuple):
    """The result of one kind: seconds, counts, notes, and the output if the kind failed."""

    kind: str
    seconds: float
    compiled: bool | None
    counts: dict[str, int]
    notes: dict[str, str]
    failure: str
    """An empty string if all promises held."""

    def __str__(self) -> str:
        counts = ", ".join(f"{count:,} {name}" for name, count in self.counts.items())
        notes = "".join(f"; {name}: {note}" for name, note in self.notes.items())
        state = "FAILED" if self.failure else "ok"
        return f"{self.kind:<12} {state:<6} {self.seconds:6.0f} s  {counts}{notes}"


def find_kinds(folder: Path = HERE) -> list[Kind]:
    """Return the kinds in a folder: modules that define `run`. A module may define WEIGHT."""
    kinds = []
    for path in sorted(folder.glob("*.py")):
        body = ast.parse(path.read_text(encoding="utf-8")).body
        if any(isinstance(node, ast.FunctionDef) and node.name == "run" for node in body):
            kinds.append(Kind(path.stem, _weight(body)))
    return kinds


def _weight(body: list[ast.stmt]) -> float:
    for node in body:
        target = node.targets[0] if isinstance(node, ast.Assign) else getattr(node, "target", None)
        if isinstance(target, ast.Name) and target.id == "WEIGHT":
            return float(ast.literal_eval(node.value))  # type: ignore[attr-defined]
    return 1.0


class Run(NamedTuple):
    """What is the same for all kinds of one run.

    A kind hangs if it takes `grace` seconds longer than its share. `turn` is the first turn.
    """

    seed: int
    folder: Path = HERE
    grace: float = 60.0
    turn: int = 0


def run_kind(name: str, seconds: float, run: Run) -> Outcome:
    """Run one kind in a process of its own. A crash and a hang are failures with a stack."""
    with tempfile.TemporaryDirectory() as scratch:
        output = Path(scratch, "output")
        result = Path(scratch, "result.json")
        arguments = [run.folder, name, run.seed, seconds, run.turn, result]
        command = [sys.executable, "-m", "stress.child", *map(str, arguments)]
        began = perf_counter()
        with output.open("wb") as file:
            status = _wait(command, file, _environment(run), seconds + run.grace + SLACK)
        said = output.read_text(encoding="utf-8", errors="replace")
        found: dict[str, Any] = {"compiled": None, "counts": {}, "notes": {}}
        if result.exists():
            found = json.loads(result.read_text(encoding="utf-8"))
    failure = ""
    if status != 0:
        failure = f"{said}\n{_describe(status)}; {reproduce(name, run.seed, seconds)}"
    return Outcome(name, perf_counter() - began, failure=failure, **found)


def reproduce(name: str, seed: int, seconds: float) -> str:
    """Return the command that runs one kind again."""
    settings = "".join(
        f"{key}={os.environ[key]} "
        for key in ("INTEROP_COMPILED", "INTEROP_SIMCUDA")
        if key in os.environ
    )
    minutes = f"--minutes {seconds / 60:.3g}"
    return f"reproduce: {settings}python tests/stress --only {name} --seed {seed} {minutes}"


def _environment(run: Run) -> dict[str, str]:
    return os.environ | {
        "PYTHONPATH": os.pathsep.join([str(HERE.parent), os.environ.get("PYTHONPATH", "")]),
        "PYTHONHASHSEED": str(run.seed % 2**32),  # the order of sets
        "INTEROP_STRESS_GRACE": str(run.grace),
    }


def _wait(command: list[str], output: Any, environment: dict[str, str], limit: float) -> int:
    """Run a command, end it after a limit, and end the processes that it left."""
    with subprocess.Popen(
        command, stdout=output, stderr=output, env=environment, start_new_session=True
    ) as process:
        try:
            return process.wait(limit)
        except subprocess.TimeoutExpired:
            return -signal.SIGALRM
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def _describe(status: int) -> str:
    if status == -signal.SIGALRM:
        return "it did not end in time"
    if status < 0:
        return f"it was ended by {signal.Signals(-status).name}"
    return f"exit status {status}"
