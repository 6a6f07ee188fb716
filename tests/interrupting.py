"""Raise KeyboardInterrupt at one chosen point of the package, nearly as a signal would.

The points have numbers, so a test can take samples of them, and can choose the files. The exception
comes from a trace function, also at a few places where CPython runs no signal handler, for example
between a context manager and its ``with`` block. `copyto` and the release of a lease survive that.
Context managers cannot, and are interrupted by real signals (`signals`).
"""

import dis
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import interop

PACKAGE = Path(interop.__file__).parent
# CPython handles a signal at the start of a function, after a call, and at the end of each round of
# a loop. A trace function may raise before any instruction, so it waits for the next one.
SIGNAL_POINTS = {
    dis.opmap[name]
    for name in ("RESUME", "CALL", "CALL_KW", "CALL_FUNCTION_EX", "JUMP_BACKWARD")
    if name in dis.opmap
}


class Interrupter:
    """Interrupts the call of a function at one point of some files.

    Parameters
    ----------
    *folders : str
        The folders and files whose points count, by paths relative to the package.
    """

    def __init__(self, *folders: str) -> None:
        self._folders = tuple(str(PACKAGE / folder) for folder in folders)
        self._left = -1
        self.where = ""

    def count(self, call: Callable[[], object]) -> int:
        """Return the number of points that a call passes in the files."""
        self.run(call, -1)
        return -1 - self._left

    def run(self, call: Callable[[], object], at: int) -> BaseException | None:
        """Call a function, interrupt it at the point with the number `at`, return the exception."""
        self._left = at
        self.where = ""
        previous = sys.gettrace()
        sys.settrace(self._enter)
        try:
            call()
        except BaseException as error:  # noqa: BLE001 - the caller examines every exception
            return error
        finally:
            sys.settrace(previous)
        return None

    def _enter(self, frame: FrameType, event: str, arg: Any) -> Any:  # noqa: ARG002
        if not frame.f_code.co_filename.startswith(self._folders):
            return None
        frame.f_trace_opcodes = True
        frame.f_trace_lines = False
        code = frame.f_code.co_code
        is_point = False

        def step(frame: FrameType, event: str, arg: Any) -> Any:  # noqa: ARG001
            nonlocal is_point
            if event == "opcode":
                # Instructions that end an `except` block have no line. An exception there, which no
                # signal raises, would leave the handled exception set in the thread.
                if is_point and frame.f_lineno is not None:
                    self._pass(frame)
                is_point = code[frame.f_lasti] in SIGNAL_POINTS
            return step

        return step

    def _pass(self, frame: FrameType) -> None:
        self._left -= 1
        if self._left == -1:
            self.where = f"{frame.f_code.co_filename}:{frame.f_lineno} {frame.f_code.co_qualname}"
            raise KeyboardInterrupt
