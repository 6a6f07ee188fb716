"""Measure the cost of conversions, compared with other calls for the same work: `make bench`.

A ratio divides the shortest times of two calls. The next column is the median of the ratios of all
rounds. Absolute times are not valid on another machine, so none is shown except the time of
`import interop`.
"""

import argparse
import platform
import warnings
from collections.abc import Iterator
from pathlib import Path

import goals
import gpu
import growth
import imports
import measure
import numpy as np
import others
import rows
import torch
from measure import FULL, QUICK, Effort
from tables import Table


def introduction(effort: Effort, cpu: int | None, *, compiled: bool) -> str:
    """Return the conditions of the measurement."""
    versions = (
        f"CPython {platform.python_version()}, torch {torch.__version__}, NumPy {np.__version__}"
    )
    place = "pinned to one CPU"
    if cpu is None:
        place = "on any CPU (this system cannot pin a process)"
    build = "compiled" if compiled else "in pure Python"
    return (
        f"interop {build}; {versions}. The process uses one thread, {place}, for the copies of "
        f"64 MiB too. The two calls of a row take turns, in up to {effort.rounds} rounds of at "
        f"least {effort.seconds * 1e3:g} ms each. The garbage collector is off, and the time of an "
        "empty loop is subtracted."
    )


def tables(effort: Effort, *, compiled: bool) -> Iterator[Table]:
    """Yield one measured table after the other."""
    names = rows.names()
    yield goals.table(names, effort, compiled=compiled)
    yield imports.table(effort)
    yield gpu.table()
    yield goals.without(names, effort)
    yield from growth.tables(names, effort)
    # The last tables, because importing the other libraries may change the process.
    yield from others.tables(names, effort)


def parse() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(prog="bench", description=__doc__.partition("\n")[0])
    parser.add_argument(
        "--quick", action="store_true", help="fewer rounds: less than a minute, with more noise"
    )
    parser.add_argument(
        "--markdown", type=Path, metavar="FILE", help="write the tables to this file, too"
    )
    return parser.parse_args()


def main() -> None:
    """Print each table after the measurement, and write all tables to a file on request."""
    options = parse()
    # A row measures the slow path that torch warns of.
    warnings.filterwarnings("ignore", "Creating a tensor from a list")
    effort = QUICK if options.quick else FULL
    cpu = measure.pin()
    compiled = rows.is_compiled()
    text = introduction(effort, cpu, compiled=compiled)
    print(text, flush=True)
    written = [f"{text}\n"]
    for table in tables(effort, compiled=compiled):
        print(f"\n{table.text()}", flush=True)
        written.append(table.markdown())
    if options.markdown:
        options.markdown.write_text("\n".join(written), encoding="utf-8")


if __name__ == "__main__":
    main()
