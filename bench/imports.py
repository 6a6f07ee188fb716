"""Measure the time of `import interop`, compared with an empty module, in child processes."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from measure import Effort, show, show_goal, verdict
from tables import Table

EMPTY = "import empty"
OURS = "import interop"
FIRST = "from interop import to_numpy"  # loads the rest of interop, but no framework
GOALS = {OURS: 3.0, FIRST: None}  # extra milliseconds
FRAMEWORKS = ("array_api_compat", "cupy", "jax", "ml_dtypes", "torch")
CLOCK = "import time; start = time.perf_counter(); {}; print(time.perf_counter() - start)"
LOADED = "import sys; {}; print(*(name for name in {} if name in sys.modules))"
HEAD = (
    "statement",
    "compared with",
    "extra ms",
    "goal",
    "verdict",
    "frameworks loaded",
    "NumPy loaded",
)
NOTES = (
    "Difference of the shortest times, measured inside the child process with cached bytecode.",
)


def table(effort: Effort) -> Table:
    """Time `import interop`, and the import of a first name."""
    with tempfile.TemporaryDirectory() as folder:
        environment = surroundings(Path(folder))
        for statement in (EMPTY, *GOALS):
            # The first run writes the bytecode, and is not counted.
            _run(CLOCK.format(statement), environment)
        times: dict[str, list[float]] = {statement: [] for statement in (EMPTY, *GOALS)}
        for _ in range(effort.rounds):
            for statement, taken in times.items():
                taken.append(float(_run(CLOCK.format(statement), environment)))
        return Table(
            "Import", HEAD, [_line(statement, times, environment) for statement in GOALS], NOTES
        )


def surroundings(folder: Path) -> dict[str, str]:
    """Return an environment with a module `empty` and a separate folder for bytecode."""
    (folder / "empty.py").touch()
    environment = {
        key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"
    }
    return {**environment, "PYTHONPATH": str(folder), "PYTHONPYCACHEPREFIX": str(folder / "cache")}


def _line(
    statement: str, times: dict[str, list[float]], environment: dict[str, str]
) -> tuple[str, ...]:
    more = 1e3 * (min(times[statement]) - min(times[EMPTY]))
    goal = GOALS[statement]
    loaded = _run(LOADED.format(statement, (*FRAMEWORKS, "numpy")), environment).split()
    frameworks = ", ".join(name for name in loaded if name != "numpy") or "none"
    loads_numpy = "yes" if "numpy" in loaded else "no"
    return (
        f"`{statement}`",
        "an empty module",
        show(more),
        show_goal(goal),
        verdict(more, goal),
        frameworks,
        loads_numpy,
    )


def _run(code: str, environment: dict[str, str]) -> str:
    """Return the output of a child process."""
    child = [sys.executable, "-c", code]
    return subprocess.run(  # noqa: S603
        child, env=environment, stdout=subprocess.PIPE, text=True, check=True
    ).stdout
