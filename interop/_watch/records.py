"""Records of conversions, and sums of records by route, reason and line of code."""

from __future__ import annotations

from operator import attrgetter
from typing import TYPE_CHECKING, Final, NamedTuple

from interop._model import html

if TYPE_CHECKING:
    from collections.abc import Iterable

    from interop._model.plan import Plan

_HEAD: Final = ("calls", "host bytes", "bytes copied", "ms", "conversion", "because", "where")
# Copies between host and device come first, because they are the most expensive.
_COSTS: Final = attrgetter("host_bytes", "bytes_copied", "calls")


class Record(NamedTuple):
    """One conversion.

    Attributes
    ----------
    plan : Plan
        The steps of the conversion, with bytes and reason.
    seconds : float
        Time from the call to the result, with planning. Pending work on the stream of a device is
        not included.
    where : str
        File, line and function of the code that called interop.
    """

    plan: Plan
    seconds: float
    where: str

    @property
    def source(self) -> str:
        """Name of the source framework, or the class of a foreign object."""
        return self.plan.source

    @property
    def target(self) -> str:
        """Name of the target framework."""
        return self.plan.target

    @property
    def route(self) -> str:
        """Source and target with devices: ``torch on cuda:0 -> numpy on cpu``."""
        return f"{self.source} on {self.plan.source_device} -> {self.target} on {self.plan.device}"

    @property
    def zero_copy(self) -> bool:
        """Whether the result uses the memory of the source."""
        return self.plan.zero_copy

    @property
    def bytes_copied(self) -> int:
        """Number of bytes that all steps have written."""
        return self.plan.bytes_copied

    @property
    def host_bytes(self) -> int:
        """Number of bytes that moved between host and device, or were computed: see `Plan`."""
        return self.plan.host_bytes

    @property
    def reason(self) -> str:
        """Why the conversion made a copy, or why sharing was possible."""
        return self.plan.reason

    def __str__(self) -> str:
        """Format the record as one line."""
        return f"{self.plan.title}: {self.plan.cost}, because {self.reason} ({self.where})"


class Sum(NamedTuple):
    """The sum of all records with one route, one reason and one line of code.

    ``route``, ``reason`` and ``where`` are those of each `Record`. ``calls`` is the number of
    records. ``bytes_copied``, ``host_bytes`` and ``seconds`` are sums over the records.
    """

    route: str
    reason: str
    where: str
    calls: int = 0
    bytes_copied: int = 0
    host_bytes: int = 0
    seconds: float = 0.0

    def plus(self, record: Record) -> Sum:
        """Return the sum with one more record."""
        return self._replace(
            calls=self.calls + 1,
            bytes_copied=self.bytes_copied + record.bytes_copied,
            host_bytes=self.host_bytes + record.host_bytes,
            seconds=self.seconds + record.seconds,
        )

    def cells(self) -> tuple[str, ...]:
        """Format the sum as the cells of a table row."""
        numbers = (
            f"{self.calls:,}",
            f"{self.host_bytes:,}",
            f"{self.bytes_copied:,}",
            f"{self.seconds * 1e3:.2f}",
        )
        return *numbers, self.route, self.reason, self.where


class Summary(tuple[Sum, ...]):
    """A tuple of `Sum`, sorted by host bytes, then by bytes copied, then by calls, largest first.

    ``str`` formats the summary for a terminal. A notebook shows the summary as a table.
    """

    __slots__ = ()

    @classmethod
    def of(cls, records: Iterable[Record]) -> Summary:
        """Make a summary of records."""
        sums: dict[tuple[str, str, str], Sum] = {}
        for record in records:
            # Records with one route, reason and line have one remedy, so they are added up.
            key = record.route, record.reason, record.where
            sums[key] = sums.get(key, Sum(*key)).plus(record)
        return cls(sorted(sums.values(), key=_COSTS, reverse=True))

    def __str__(self) -> str:
        """Format the summary as a title and two lines for each sum."""
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
        calls = sum(one.calls for one in self)
        free = sum(one.calls for one in self if not one.bytes_copied)
        copied = sum(one.bytes_copied for one in self)
        host = sum(one.host_bytes for one in self)
        noun = "conversion" if calls == 1 else "conversions"
        return (
            f"{calls:,} {noun}, {free:,} without a copy; "
            f"{copied:,} bytes copied, {host:,} of them host bytes"
        )
