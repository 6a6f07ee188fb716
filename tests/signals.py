"""Real signals at every place where CPython can run a signal handler.

They need a process of their own, and all places of a call are tried. `interrupting` raises at
chosen points instead, and is not exact enough for context managers.
"""

import signal
import sys
from _thread import interrupt_main
from collections import defaultdict
from collections.abc import Callable
from types import FrameType
from typing import Any

Place = tuple[Any, ...]


def interrupt_everywhere(work: Callable[[], object], check: Callable[[str], object]) -> int:
    """Interrupt a function once at each of its instructions, and return how often.

    The signal arrives before an instruction of `work` or of a Python function that `work` calls.
    CPython runs the handler, which raises KeyboardInterrupt, at the next instruction where it may.
    Then `check` is called with the name of the place, while the exception keeps its frames alive.
    """
    work()  # what is imported or cached at the first call is not interrupted
    former = signal.signal(signal.SIGINT, signal.default_int_handler)
    places: dict[Place, str] = {}
    try:
        while True:
            before = len(places)
            try:
                _interrupt_once(work, places)
            except KeyboardInterrupt:
                check(places[next(reversed(places))])
            if len(places) == before:
                return before
    finally:
        signal.signal(signal.SIGINT, former)


def _interrupt_once(work: Callable[[], object], places: dict[Place, str]) -> None:
    """Call a function, and send a signal before the first instruction that is not in `places`."""
    signals: defaultdict[str, Any] = defaultdict(interrupt_main)

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        frame.f_trace_opcodes = True
        if event == "opcode":
            back = frame.f_back
            # A function that is called at two places is interrupted in both calls.
            place = frame.f_code, frame.f_lasti, back and (back.f_code, back.f_lasti)
            if place not in places:
                places[place] = f"{frame.f_code.co_qualname}:{frame.f_lineno}+{frame.f_lasti}"
                # The signal is sent last and without a call. Otherwise the handler would run in this
                # function, and not in `work`.
                sys.settrace(None)
                signals["sent"]
        return trace

    sys._getframe().f_trace_opcodes = True  # CPython 3.12.1 looks at this before the first event
    sys.settrace(trace)
    try:
        work()
    finally:
        sys.settrace(None)
