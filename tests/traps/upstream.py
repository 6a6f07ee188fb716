"""What happens without interop: shown where it is safe, in a child process where not, and allowed to be mended."""

import contextlib
import subprocess
import sys
import textwrap
import warnings
from collections.abc import Callable
from typing import Any

from standins import skip_if_child_lacks


def may_go_wrong(attempt: Callable[[], Any], *, wrong: object, right: object) -> None:
    """See the wrong answer; or, where that has been mended, the right one or an honest error."""
    with warnings.catch_warnings(action="ignore"):
        try:
            answer = attempt()
        except Exception:  # noqa: BLE001 - whatever it is, it is not silent
            return
    assert answer in (wrong, right)


def may_fail(attempt: Callable[[], Any], *errors: type[Exception]) -> None:
    """See one of these errors; or none, where that has been mended."""
    with warnings.catch_warnings(action="ignore"), contextlib.suppress(*errors):
        attempt()


PROLOGUE = """
import contextlib
with contextlib.suppress(ImportError):  # a crash is no news here: it leaves no core file
    import resource
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
import numpy as np, torch, interop
"""


def in_child(code: str) -> list[str]:
    """Run code in a process of its own, and return the lines that it printed before it ended, in whatever way.

    `pytest -rA` shows how it ended.
    """
    code = textwrap.dedent(code)
    command = [sys.executable, "-c", PROLOGUE + code]
    child = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    skip_if_child_lacks(child.stderr)
    print(code, child.stdout, f"exit status {child.returncode}", child.stderr, sep="\n")  # noqa: T201
    return child.stdout.splitlines()
