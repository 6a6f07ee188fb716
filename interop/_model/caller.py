"""Where in the user's code we were called from."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from types import FrameType

_US: Final = __name__.partition(".")[0]


def caller() -> FrameType:
    """Return the innermost frame that is not ours; ours, if there is no other."""
    frame = sys._getframe(1)  # noqa: SLF001 - `inspect` looks at the source of every frame
    while frame.f_back and frame.f_globals.get("__name__", "").partition(".")[0] == _US:
        frame = frame.f_back
    return frame


def format_frame(frame: FrameType) -> str:
    """Write a frame as a file, a line and a function: what an editor jumps to."""
    return f"{frame.f_code.co_filename}:{frame.f_lineno} in {frame.f_code.co_qualname}"
