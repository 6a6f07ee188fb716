"""What the matrix of routes is made of: places, routes, and what a route can cost."""

from __future__ import annotations

from typing import Final, Literal, NamedTuple

from interop.adapter import Device

Kind = Literal["zero-copy", "copy", "device copy", "host copy", "unavailable", "broken"]
KINDS: Final[dict[str, str]] = {
    "zero-copy": "the same memory",
    "copy": "new memory, on the host",
    "device copy": "new memory, and no byte leaves the devices",
    "host copy": "the bytes travel between the host and a device",
    "unavailable": "refused, with a reason",
    "broken": "not what was promised",
}
"""What each kind of route means."""
_FEW: Final = 2


class Location(NamedTuple):
    """A framework and a device; of a framework that can be nowhere here, its name alone."""

    framework: str
    device: str = ""

    def __str__(self) -> str:
        """Say it in two words: ``torch cuda:0``."""
        return f"{self.framework} {self.device}".rstrip()


class MeasuredRoute(NamedTuple):
    """What became of one conversion.

    Attributes
    ----------
    source : str
        The place (``"torch cuda:0"``), or what is special about the array (``"read-only"``).
    target : str
        The place; of a framework that can be nowhere here, its name.
    kind : str
        One of `KINDS`.
    reason : str
        Why it is so: the plan's words, the error's, or what is wrong.
    bytes : int
        Written, of the 128 bytes of the array and of its copies.
    """

    source: str
    target: str
    kind: Kind
    reason: str
    bytes: int = 0

    def __str__(self) -> str:
        """Say it in a line."""
        return f"{self.source} -> {self.target}: {self.kind}, {self.reason}"


class Matrix(NamedTuple):
    """All that was measured.

    Attributes
    ----------
    locations : tuple of Location
        Where arrays can be: the host first, then device after device.
    absent : dict
        By name, why a framework can be nowhere here.
    routes : tuple of MeasuredRoute
        From every place to every place and to every absent framework.
    special : tuple of MeasuredRoute
        The same for arrays on the host that are special: read-only, reversed, no known framework's.
    failed : tuple of str
        Frameworks that are installed and don't work.
    """

    locations: tuple[Location, ...]
    absent: dict[str, str]
    routes: tuple[MeasuredRoute, ...]
    special: tuple[MeasuredRoute, ...]
    failed: tuple[str, ...]

    @property
    def shown(self) -> tuple[Location, ...]:
        """Return the places on the first two devices of each kind: what is on more of them only repeats."""
        return tuple(
            location for location in self.locations if Device.parse(location.device).id < _FEW
        )

    @property
    def cells(self) -> dict[tuple[tuple[str, str], tuple[str, str]], str]:
        """Return the kind of each route of a plain array between the places that are shown."""
        ends = {str(location): location for location in (*self.shown, *map(Location, self.absent))}
        between = [route for route in self.routes if route.source in ends and route.target in ends]
        return {(ends[route.source], ends[route.target]): route.kind for route in between}

    @property
    def problems(self) -> list[str]:
        """Return what is wrong here, a line each; that something is not installed, or refused, is not."""
        broken = [str(route) for route in (*self.routes, *self.special) if route.kind == "broken"]
        return [*(f"{name}: {self.absent[name]}" for name in self.failed), *broken]
