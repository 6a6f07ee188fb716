"""A plan is a value: what a conversion will do, and why. Made by `interop._planner`, done by `interop._execute`."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

if TYPE_CHECKING:
    from interop.adapter import Device

__all__ = ["Plan", "Step"]

Verb = Literal["keep", "detach", "read", "copy", "move", "share"]
Side = Literal["source", "target"]
_WRITING: Final = frozenset({"read", "copy", "move"})


class Step(NamedTuple):
    """One thing to do: what, in which framework, to which device and dtype, and how many bytes it writes."""

    verb: Verb
    side: Side
    device: Device
    dtype: str
    bytes: int = 0

    @property
    def writes(self) -> bool:
        """Whether it fills new memory; the other verbs only pass on what there is."""
        return self.verb in _WRITING

    def __str__(self) -> str:
        """Say it in a line."""
        size = f", {_bytes(self.bytes)}" if self.bytes else ""
        where = "" if self.verb == "share" else f" by the {self.side}'s framework"
        return f"{self.verb}{where}: {self.dtype} on {self.device}{size}"

    def cells(self) -> tuple[str, ...]:
        """Say it in a row of a table."""
        return self.verb, "both" if self.verb == "share" else self.side, str(self.device), self.dtype, f"{self.bytes:,}"


class Plan(NamedTuple):
    """What a conversion will do, and why. Making it has touched nothing.

    Attributes
    ----------
    source, target : str
        Names of the frameworks; of a foreign object, its class.
    shape : tuple of int
        Of source and result alike.
    device : Device
        Where the result lives.
    dtype : str
        Of the result.
    steps : tuple of Step
        At most one in the source framework that writes memory, one share, and one in the target.
    reason : str
        What makes a copy necessary, or what makes sharing possible.
    readonly : bool
        Whether the result refuses to be written to, though its framework could write.
    """

    source: str
    target: str
    shape: tuple[int, ...]
    device: Device
    dtype: str
    steps: tuple[Step, ...]
    reason: str
    readonly: bool = False

    @property
    def zero_copy(self) -> bool:
        """Whether the result is the source's memory."""
        return not any(step.writes for step in self.steps)

    @property
    def bytes_copied(self) -> int:
        """Bytes written by all steps together."""
        return sum(step.bytes for step in self.steps)

    def __str__(self) -> str:
        """Say it for a terminal: a headline, then a line a step."""
        return "\n".join([f"{self._title()}: {self._cost()}, because {self.reason}", *(f"  {s}" for s in self.steps)])

    def _repr_html_(self) -> str:
        head = "<tr><th>step</th><th>by</th><th>device</th><th>dtype</th><th>bytes</th></tr>"
        rows = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in step.cells())}</tr>" for step in self.steps)
        words = f"<b>{html.escape(self._title())}</b>: {self._cost()}, because {html.escape(self.reason)}"
        return f"<div>{words}<table>{head}{rows}</table></div>"

    def _title(self) -> str:
        return f"{self.source} -> {self.target}, {self.dtype} {self.shape} on {self.device}"

    def _cost(self) -> str:
        cost = "zero-copy" if self.zero_copy else f"{_bytes(self.bytes_copied)} copied"
        return f"{cost}, read-only" if self.readonly else cost


def _bytes(n: int) -> str:
    return f"{n:,} byte{'s' * (n != 1)}"
