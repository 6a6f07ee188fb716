"""Measure the tables of docs/performance.md on the machine that builds the pages, compiled and in pure Python."""

import os
import subprocess
import sys
from pathlib import Path

BENCH = Path(__file__).resolve().parents[1] / "bench"


def write(folder: Path) -> None:
    """Write the tables of both runs as Markdown, which docs/performance.md includes."""
    for name, compiled in (("bench_compiled", "1"), ("bench_pure", "0")):
        command = [sys.executable, str(BENCH), "--quick", "--markdown", str(folder / f"{name}.md")]
        environment = {**os.environ, "INTEROP_COMPILED": compiled}
        subprocess.run(command, env=environment, stdout=subprocess.DEVNULL, check=True, timeout=300)  # noqa: S603
