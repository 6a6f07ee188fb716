"""Plans: the steps of a conversion and the reason for them, as values.

`interop._engine.planner` makes plans, and `interop._engine.executor` carries them out.
"""

from __future__ import annotations

from math import isnan
from typing import TYPE_CHECKING, Literal, NamedTuple

from interop._model import html
from interop._model.verb import Verb

if TYPE_CHECKING:
    from interop.adapter import Device

__all__ = ["Plan", "Step"]

Side = Literal["source", "target"]


class Step(NamedTuple):
    """One step of a plan.

    Attributes
    ----------
    verb : str
        "keep", "detach", "read", "copy", "move", "share", "compute" or "map".
    side : {"source", "target"}
        The framework that does the step. Both frameworks take part in "share".
    device : Device
        Where the array is after the step.
    dtype : str
        The dtype of the array after the step.
    bytes : int
        The number of bytes that the step writes.
    host_bytes : int
        The number of bytes that travel between the host and a device. A step that also casts sends
        the smaller dtype if it can.
    """

    verb: Verb
    side: Side
    device: Device
    dtype: str
    bytes: int = 0
    host_bytes: int = 0

    @property
    def writes(self) -> bool:
        """Whether the step fills new memory. Other steps pass on existing memory."""
        return self.verb.writes

    def __str__(self) -> str:
        """Format as one line."""
        size = f", {_format_bytes(self.bytes)}" if self.bytes else ""
        return f"{self.verb.label(self.side)}: {self.dtype} on {self.device}{size}"

    def cells(self) -> tuple[str, ...]:
        """Return the texts of a row of a table."""
        side = "both" if self.verb is Verb.SHARE else self.side
        return (self.verb, side, str(self.device), self.dtype, f"{self.bytes:,}")


class Plan(NamedTuple):
    """Steps of a conversion, with the reason for them. Making a plan reads and copies nothing.

    Attributes
    ----------
    source, target : str
        Names of the frameworks. For an object without a framework, the name of its class.
    shape : tuple of int
        The shape of source and result.
    source_device : Device
        Where the source is.
    device : Device
        Where the result is.
    dtype : str
        The dtype of the result.
    steps : tuple of Step
        At most one step in the source framework that writes memory, one share, and one step in the
        target framework.
    reason : str
        Why a copy is necessary, or why the memory can be shared.
    readonly : bool
        Whether the result is read-only although arrays of its framework can be writable.
    later : Plan or None
        The plan for the blocks of a lazy result. It describes all blocks together, and it is
        carried out when the blocks are computed.
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
        """Whether the result uses the memory of the source, in a lazy result for all blocks."""
        if any(step.writes for step in self.steps):
            return False
        return self.later is None or self.later.zero_copy

    @property
    def bytes_copied(self) -> int:
        """Number of bytes that all steps write. The blocks of a lazy result do not count."""
        return sum(step.bytes for step in self.steps)

    @property
    def host_bytes(self) -> int:
        """Number of bytes that travel between the host and a device, now or later.

        The policy of `interop.options` limits this number. All bytes of a computed lazy array
        count, because they travel to this process from wherever they are computed.
        """
        later = self.later.host_bytes if self.later else 0
        return sum(step.host_bytes for step in self.steps) + later

    def __str__(self) -> str:
        """Format as text: a headline, and one line for each step."""
        lines = [self._headline, *(f"  {step}" for step in self.steps)]
        if self.later:
            lines += ["  its blocks, when they are computed:", str(self.later)]
        return "\n".join(lines)

    # Notebooks call a method of this name.
    def _repr_html_(self) -> str:
        head = ("step", "by", "device", "dtype", "bytes")
        now = html.table(self._headline, head, (step.cells() for step in self.steps))
        if self.later:
            now += self.later._repr_html_()
        return now

    @property
    def _headline(self) -> str:
        return f"{self.title}: {self.cost}, because {self.reason}"

    @property
    def title(self) -> str:
        """Source, target and result: ``torch -> numpy, float32 (3, 4) on cpu``."""
        return f"{self.source} -> {self.target}, {self.dtype} {self.shape} on {self.device}"

    @property
    def cost(self) -> str:
        """Cost in words: ``zero-copy``, ``48 bytes copied``, or ``lazy`` if it comes later."""
        if self.later:
            return "lazy"
        cost = "zero-copy"
        if not self.zero_copy:
            is_unknown = any(map(isnan, self.shape))  # a lazy array with unknown chunk sizes
            size = "some bytes" if is_unknown else _format_bytes(self.bytes_copied)
            cost = f"{size} copied"
        return f"{cost}, read-only" if self.readonly else cost


def _format_bytes(n: int) -> str:
    unit = "byte" if n == 1 else "bytes"
    return f"{n:,} {unit}"
