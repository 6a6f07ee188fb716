"""The actions of which a plan consists."""

from __future__ import annotations

from enum import StrEnum
from typing import Self


class Verb(StrEnum):
    """Action of one step of a plan.

    A verb is a string: ``step.verb == "copy"`` holds for `Verb.COPY`.

    Attributes
    ----------
    writes : bool
        Whether the step fills new memory. Other steps pass on existing memory.
    """

    writes: bool

    KEEP = "keep", False
    """The array already belongs to the target framework."""

    DETACH = "detach", False
    """The array leaves its gradient graph."""

    READ = "read", True
    """The object is loaded into an array."""

    COPY = "copy", True
    """The array is written again on its device."""

    MOVE = "move", True
    """The array is written to another device."""

    SHARE = "share", False
    """Source and target framework use the same memory."""

    COMPUTE = "compute", True
    """All blocks of a lazy array are computed."""

    MAP = "map", False
    """Each block of a lazy array is converted when the block is computed."""

    def __new__(cls, value: str, writes: bool) -> Self:
        """Make a member from a row of the table."""
        member = str.__new__(cls, value)
        # Otherwise Enum would make the value from the whole row, with `str(*row)`.
        member._value_ = value
        member.writes = writes
        return member

    def label(self, side: str) -> str:
        """Return the text of a step on one side, "source" or "target", of the conversion."""
        if self is Verb.SHARE:
            return "share"  # by both frameworks
        return f"{self} by the {side}'s framework"

    def __repr__(self) -> str:
        """Return the repr of the string, so that the repr of a `Step` is valid code."""
        return repr(self.value)
