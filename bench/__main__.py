"""What a conversion costs, as ratios to what a user would write instead: `make bench`.

A ratio is that of two minima, and the median of the rounds' own ratios stands beside it. Absolute times mean nothing on
another machine: none is shown, but what `import interop` adds.
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
    """Return what a reader must know before the first number."""
    versions = f"CPython {platform.python_version()}, torch {torch.__version__}, NumPy {np.__version__}"
    place = "on any CPU (this system pins no process)" if cpu is None else "pinned to one CPU"
    return (
        f"interop {'compiled' if compiled else 'in pure Python'}; {versions}. One thread, {place}, the copies of "
        f"64 MiB too. Both sides of a row take turns, up to {effort.rounds} rounds of at least "
        f"{effort.seconds * 1e3:g} ms each, the garbage collector off; the time of an empty loop is taken off both."
    )


def tables(effort: Effort, *, compiled: bool) -> Iterator[Table]:
    """Measure one table after the other."""
    names = rows.names()
    yield goals.table(names, effort, compiled=compiled)
    yield imports.table(effort)
    yield gpu.table()
    yield goals.without(names, effort)
    yield from growth.tables(names, effort)
    yield from others.tables(names, effort)  # last: who knows what the other libraries change when they are imported


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench", description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="fewer rounds: less than a minute, and more noise")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the tables there, too")
    return parser.parse_args()


def main() -> None:
    """Print the tables as they come, and write them where they are wanted."""
    options = parse()
    warnings.filterwarnings("ignore", "Creating a tensor from a list")  # that it is slow: a row shows how slow
    effort, cpu = QUICK if options.quick else FULL, measure.pin()
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
