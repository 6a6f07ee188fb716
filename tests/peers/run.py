"""Run the test suites of other projects on interop, one process per suite, and print the counts.

python tests/peers/run.py                       # all of them
python tests/peers/run.py numpy_export          # some, by the names of their modules
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from time import perf_counter
from typing import Final, NamedTuple

HERE: Final = Path(__file__).resolve().parent
INSTALLED: Final = HERE.parents[1] / ".venv" / "peers"
"""The folder into which `make` installs projects that only these suites need."""
HEAD: Final[tuple[str, ...]] = (
    "suite",
    "passed",
    "differ",
    "not here",
    "skipped",
    "failed",
    "call interop",
    "calls",
    "seconds",
)


class Suite(NamedTuple):
    """A test suite of another project: a title, the arguments of pytest, and the environment."""

    title: str
    arguments: tuple[str, ...]
    environment: dict[str, str] = {}  # noqa: RUF012 - never written to


NUMPY: Final = ("--pyargs", "numpy._core.tests.test_dlpack")
CUPY: Final = (str(INSTALLED / "src/tests/cupy_tests/core_tests/test_dlpack.py"),)
SIMULATED: Final = {"INTEROP_SIMCUDA": "1"}
XARRAY: Final = ("test_array_api", "test_dask", "test_duck_array_wrapping", "test_namedarray")

SUITES: Final = {
    "numpy_export": Suite("NumPy, DLPack by export", NUMPY),
    "numpy_convert": Suite("NumPy, DLPack by convert", NUMPY),
    "cupy_export": Suite("CuPy, DLPack by export", CUPY, SIMULATED),
    "cupy_convert": Suite("CuPy, DLPack by convert", CUPY, SIMULATED),
    "sklearn_arrays": Suite(
        "scikit-learn, array API",
        ("--pyargs", "sklearn.utils.tests.test_array_api"),
        {"SCIPY_ARRAY_API": "1"},
    ),
    "einops_backends": Suite(
        "einops, all",
        ("--pyargs", "einops.tests"),
        # The tests create float64, which JAX supports with this setting only.
        {"EINOPS_TEST_BACKENDS": "numpy,torch,jax", "JAX_ENABLE_X64": "1"},
    ),
    "xarray_arrays": Suite(
        "xarray, duck arrays", ("--pyargs", *(f"xarray.tests.{name}" for name in XARRAY))
    ),
}


def main(arguments: list[str] | None = None) -> int:
    """Run the suites. Return 1 if one of them fails."""
    parser = argparse.ArgumentParser(
        description="Run the test suites of other projects on interop."
    )
    parser.add_argument(
        "names", nargs="*", choices=[[], *SUITES], metavar="name", help=", ".join(SUITES)
    )
    names = parser.parse_args(arguments).names or list(SUITES)
    rows: list[tuple[str, ...]] = [HEAD]
    problems = []
    for name in names:
        counts, output = run(name)
        rows.append(tuple(str(count) for count in counts.values()))
        if problem := complaint(counts):
            print(output)
            problems.append(f"{name}: {problem}")
        print("  ".join(f"{title} {count}" for title, count in counts.items()), flush=True)
    print_table(rows)
    for problem in problems:
        print(problem, file=sys.stderr)
    return 1 if problems else 0


def run(name: str) -> tuple[dict[str, str | int], str]:
    """Run one suite, and return the counts by table column and the output of pytest."""
    suite = SUITES[name]
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "counts.json"
        command = [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-c",
            str(HERE / "pytest.ini"),
            "-p",
            "peers.harness",
        ]
        start = perf_counter()
        child = subprocess.run(
            [*command, *suite.arguments],
            env=os.environ | suite.environment | environment(name, report),
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
        )  # fmt: skip
        seconds = round(perf_counter() - start)
        counts = json.loads(report.read_text()) if report.exists() else {}
    row = {title: counts.get(title, 0) for title in HEAD[1:-1]}
    return {
        "suite": suite.title,
        **row,
        "seconds": seconds,
    }, f"{child.stdout}\npytest returned {child.returncode}"


def environment(name: str, report: Path) -> dict[str, str]:
    """Return the environment variables for the plugin, with the paths of projects and Python."""
    paths = {
        "PATH": str(Path(sys.executable).parent),
        "PYTHONPATH": f"{HERE.parent}{os.pathsep}{INSTALLED}",
    }
    found = {
        key: os.pathsep.join(filter(None, (path, os.environ.get(key))))
        for key, path in paths.items()
    }
    return {"PEER": f"peers.{name}", "PEER_COUNTS": str(report), **found}


def complaint(counts: dict[str, str | int]) -> str | None:
    """Return the fault of a run, or None. A suite must run tests and call interop."""
    if counts["failed"]:
        return f"failed: {counts['failed']}"
    if not counts["passed"]:
        return "no test has passed"
    return None if counts["call interop"] else "no test has called interop"


def print_table(rows: list[tuple[str, ...]]) -> None:
    """Print rows with aligned columns."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for first, *rest in rows:
        cells = [cell.rjust(width) for cell, width in zip(rest, widths[1:], strict=True)]
        print("  ".join([first.ljust(widths[0]), *cells]))


if __name__ == "__main__":
    sys.exit(main())
