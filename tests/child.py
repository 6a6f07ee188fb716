"""Run code in a child process, for tests that crash, exit or need a fresh import."""

import os
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import standins


def run_child(code: str, *, path: Path | None = None, sees_gpu: bool = False) -> str:
    """Run code in a new Python process, and return its standard output.

    Warnings are errors. CUDA devices are hidden unless `sees_gpu` is true. The process must exit
    with status 0 and an empty stderr. `path` is added to the module search path.
    """
    environ = (
        os.environ
        | ({} if sees_gpu else {"CUDA_VISIBLE_DEVICES": ""})
        | ({"PYTHONPATH": str(path)} if path else {})
    )
    command = [sys.executable, "-W", "error", "-c", dedent(code)]
    done = subprocess.run(command, capture_output=True, text=True, env=environ, check=False)
    standins.skip_if_child_lacks(done.stderr)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    return done.stdout
