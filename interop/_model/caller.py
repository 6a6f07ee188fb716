"""The place in the user's code that has called interop."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from types import FrameType

_PACKAGE: Final = __name__.partition(".")[0]


def caller() -> FrameType:
    """Return the innermost frame outside interop, or the outermost frame if all are inside."""
    frame = sys._getframe(1)  # noqa: SLF001 - `inspect` looks at the source of every frame
    # Code that `exec` runs may have no name.
    while frame.f_back and frame.f_globals.get("__name__", "").partition(".")[0] == _PACKAGE:
        frame = frame.f_back
    return frame


def format_frame(frame: FrameType) -> str:
    """Format a frame as file, line and function, in the form that editors can jump to."""
    return f"{frame.f_code.co_filename}:{frame.f_lineno} in {frame.f_code.co_qualname}"
