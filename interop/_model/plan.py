"""A plan is a value: the steps of a conversion, and the reason for them.

Made by `interop._engine.planner`, done by `interop._engine.executor`.
"""

from __future__ import annotations

from math import isnan
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

from interop._model import html

if TYPE_CHECKING:
    from interop.adapter import Device

__all__ = ["Plan", "Step"]

Verb = Literal["keep", "detach", "read", "copy", "move", "share", "compute", "map"]
Side = Literal["source", "target"]
_WRITING: Final = frozenset({"read", "copy", "move", "compute"})


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
        return (
            self.verb,
            "both" if self.verb == "share" else self.side,
            str(self.device),
            self.dtype,
            f"{self.bytes:,}",
        )


class Plan(NamedTuple):
    """What a conversion will do, and why. Making it has touched nothing.

    Attributes
    ----------
    source, target : str
        Names of the frameworks; of a foreign object, its class.
    shape : tuple of int
        Of source and result alike.
    source_device : Device
        Where the source lives.
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
    later : Plan or None
        Of a lazy result: what will be done with its blocks, all of them together, when they are computed.
    """

    source: str
    target: str
    shape: tuple[int, ...]
    source_device: Device
    device: Device
    dtype: str
    steps: tuple[Step, ...]
    reason: str
    readonly: bool = False
    later: Plan | None = None

    @property
    def zero_copy(self) -> bool:
        """Whether the result is the source's memory; of a lazy one: whether its blocks will be."""
        return not any(step.writes for step in self.steps) and (
            self.later is None or self.later.zero_copy
        )

    @property
    def bytes_copied(self) -> int:
        """Bytes written by all steps together, now."""
        return sum(step.bytes for step in self.steps)

    @property
    def host_bytes(self) -> int:
        """Bytes that travel between the host and a device, now or later: what the policy of `options` is about.

        All that is computed of a lazy array counts: it comes to this process, from wherever that is done.
        """
        places = [self.source_device, *(step.device for step in self.steps)]
        now = sum(
            step.bytes
            for here, step in zip(places, self.steps, strict=False)
            if step.verb == "compute" or (step.writes and here.is_host != step.device.is_host)
        )
        return now + (self.later.host_bytes if self.later else 0)

    def __str__(self) -> str:
        """Say it for a terminal: a headline, then a line a step."""
        lines = [
            f"{self.title}: {self.cost}, because {self.reason}",
            *(f"  {s}" for s in self.steps),
        ]
        return "\n".join(
            [
                *lines,
                *(["  its blocks, when they are computed:", str(self.later)] if self.later else []),
            ]
        )

    def _repr_html_(self) -> str:
        title = f"{self.title}: {self.cost}, because {self.reason}"
        head = ("step", "by", "device", "dtype", "bytes")
        now = html.table(title, head, (step.cells() for step in self.steps))
        return now + (self.later._repr_html_() if self.later else "")

    @property
    def title(self) -> str:
        """Who gives what to whom: ``torch -> numpy, float32 (3, 4) on cpu``."""
        return f"{self.source} -> {self.target}, {self.dtype} {self.shape} on {self.device}"

    @property
    def cost(self) -> str:
        """What it costs: ``zero-copy``, or ``48 bytes copied``; ``lazy`` where it costs nothing yet."""
        if self.later:
            return "lazy"
        size = (
            "some bytes" if any(map(isnan, self.shape)) else _bytes(self.bytes_copied)
        )  # its shape is not known yet
        cost = "zero-copy" if self.zero_copy else f"{size} copied"
        return f"{cost}, read-only" if self.readonly else cost


def _bytes(n: int) -> str:
    return f"{n:,} byte{'s' * (n != 1)}"
