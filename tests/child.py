"""Run code in a child process, for tests that crash, exit or need a fresh import."""

import os
import subprocess
import sys
from pathlib import Path
from textwrap import dedent


def run_child(code: str, *, path: Path | None = None, sees_gpu: bool = False) -> str:
    """What Python prints that takes warnings for errors and sees no GPU, unless told. It must end well, without a sigh.

    `path` is a folder that it searches for modules first.
    """
    environ = (
        os.environ
        | ({} if sees_gpu else {"CUDA_VISIBLE_DEVICES": ""})
        | ({"PYTHONPATH": str(path)} if path else {})
    )
    command = [sys.executable, "-W", "error", "-c", dedent(code)]
    done = subprocess.run(command, capture_output=True, text=True, env=environ, check=False)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    return done.stdout
