"""What a watch has seen: a record of each conversion, and their sums by place and plan."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from interop._model import html

if TYPE_CHECKING:
    from collections.abc import Iterable

    from interop._model.plan import Plan

_HEAD: Final = ("calls", "host bytes", "bytes copied", "ms", "conversion", "because", "where")


class Record(NamedTuple):
    """One conversion that was done.

    Attributes
    ----------
    plan : Plan
        What was done: its steps, their bytes, and the reason.
    seconds : float
        From the call to the result, planning included. Work that waits on a device's stream is not.
    where : str
        The line that called interop: file, line and function.
    """

    plan: Plan
    seconds: float
    where: str

    @property
    def source(self) -> str:
        """Name of the source's framework; of a foreign object, its class."""
        return self.plan.source

    @property
    def target(self) -> str:
        """Name of the result's framework."""
        return self.plan.target

    @property
    def route(self) -> str:
        """From where to where: ``torch on cuda:0 -> numpy on cpu``."""
        return f"{self.source} on {self.plan.source_device} -> {self.target} on {self.plan.device}"

    @property
    def zero_copy(self) -> bool:
        """Whether the result is the source's memory."""
        return self.plan.zero_copy

    @property
    def bytes_copied(self) -> int:
        """Bytes written by all steps together."""
        return self.plan.bytes_copied

    @property
    def host_bytes(self) -> int:
        """Bytes that have travelled between the host and a device, or that were computed: see `Plan.host_bytes`."""
        return self.plan.host_bytes

    @property
    def reason(self) -> str:
        """What made a copy necessary, or what made sharing possible."""
        return self.plan.reason

    def __str__(self) -> str:
        """Say it in a line."""
        return f"{self.plan.title}: {self.plan.cost}, because {self.reason} ({self.where})"


class Sum(NamedTuple):
    """Conversions of one route and one reason, made at one line: how many, and what they came to."""

    route: str
    reason: str
    where: str
    calls: int = 0
    bytes_copied: int = 0
    host_bytes: int = 0
    seconds: float = 0.0

    def plus(self, record: Record) -> Sum:
        """Add one more."""
        return self._replace(
            calls=self.calls + 1,
            bytes_copied=self.bytes_copied + record.bytes_copied,
            host_bytes=self.host_bytes + record.host_bytes,
            seconds=self.seconds + record.seconds,
        )

    def cells(self) -> tuple[str, ...]:
        """Say it in a row of a table."""
        numbers = (
            f"{self.calls:,}",
            f"{self.host_bytes:,}",
            f"{self.bytes_copied:,}",
            f"{self.seconds * 1e3:.2f}",
        )
        return *numbers, self.route, self.reason, self.where


class Summary(tuple[Sum, ...]):
    """The sums, those first that brought most bytes between the host and a device, then those that copied most.

    Readable as text, as HTML in a notebook, and by its items, each a `Sum`.
    """

    __slots__ = ()

    @classmethod
    def of(cls, records: Iterable[Record]) -> Summary:
        """Add up records."""
        sums: dict[tuple[str, str, str], Sum] = {}
        for record in records:
            key = record.route, record.reason, record.where
            sums[key] = sums.get(key, Sum(*key)).plus(record)
        return cls(
            sorted(
                sums.values(), key=lambda s: (s.host_bytes, s.bytes_copied, s.calls), reverse=True
            )
        )

    def __str__(self) -> str:
        """Say it for a terminal: a headline, then two lines for each sum."""
        lines = [self._title()]
        for calls, host, copied, ms, route, reason, where in (one.cells() for one in self):
            lines.append(
                f"{calls:>7} x {route}: {copied} bytes copied, {host} of them host bytes, {ms} ms"
            )
            lines.append(f"{'':9} at {where}, because {reason}")
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        return html.table(self._title(), _HEAD, (one.cells() for one in self))

    def _title(self) -> str:
        calls, copied, host = (sum(one[i] for one in self) for i in (3, 4, 5))  # type: ignore[misc]
        free = sum(one.calls for one in self if not one.bytes_copied)
        return f"{calls:,} conversions, {free:,} without a copy; {copied:,} bytes copied, {host:,} of them host bytes"
