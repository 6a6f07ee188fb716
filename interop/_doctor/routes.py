"""The measured routes between frameworks and devices, and the kinds of routes."""

from __future__ import annotations

from typing import Final, Literal, NamedTuple

from interop.adapter import Device

Kind = Literal["zero-copy", "copy", "device copy", "host copy", "unavailable", "broken"]
KINDS: Final[dict[str, str]] = {
    "zero-copy": "the same memory",
    "copy": "new memory on the host",
    "device copy": "new memory, and no byte leaves the devices",
    "host copy": "bytes travel between the host and a device",
    "unavailable": "refused, with a reason",
    "broken": "the result differs from the plan",
}
"""The meaning of each kind of route."""
_SHOWN_DEVICES: Final = 2
"""Number of devices of each kind in the tables. Further devices only repeat the same routes."""


class Location(NamedTuple):
    """A framework and one of its devices. The device is empty if the framework has none here."""

    framework: str
    device: str = ""

    def __str__(self) -> str:
        """Return the framework and the device, such as ``torch cuda:0``."""
        return f"{self.framework} {self.device}".rstrip()


class MeasuredRoute(NamedTuple):
    """The result of one conversion.

    Attributes
    ----------
    source : str
        The location (``"torch cuda:0"``), or the special property of the array (``"read-only"``).
    target : str
        The location, or only the name of a framework without a device.
    kind : str
        One of `KINDS`.
    reason : str
        The reason given by the plan or by the error, or the fault that was found.
    bytes : int
        Number of bytes written. The array and each of its copies have 128 bytes.
    """

    source: str
    target: str
    kind: Kind
    reason: str
    bytes: int = 0

    def __str__(self) -> str:
        """Format the route as one line."""
        return f"{self.source} -> {self.target}: {self.kind}, {self.reason}"


class Matrix(NamedTuple):
    """All measured routes.

    Attributes
    ----------
    locations : tuple of Location
        All locations of arrays: the host first, then each device.
    absent : dict
        The frameworks without a device, each with the reason.
    routes : tuple of MeasuredRoute
        From every location to every location and to every absent framework.
    special : tuple of MeasuredRoute
        The routes of special arrays on the host, for example read-only or reversed ones.
    failed : tuple of str
        The frameworks that are installed but do not work.
    """

    locations: tuple[Location, ...]
    absent: dict[str, str]
    routes: tuple[MeasuredRoute, ...]
    special: tuple[MeasuredRoute, ...]
    failed: tuple[str, ...]

    @property
    def shown(self) -> tuple[Location, ...]:
        """Return the locations on the first devices of each kind."""
        return tuple(
            location
            for location in self.locations
            if Device.parse(location.device).id < _SHOWN_DEVICES
        )

    @property
    def cells(self) -> dict[tuple[tuple[str, str], tuple[str, str]], str]:
        """Return the kind of each route of a plain array between the shown locations."""
        ends = {str(location): location for location in (*self.shown, *map(Location, self.absent))}
        between = [route for route in self.routes if route.source in ends and route.target in ends]
        return {(ends[route.source], ends[route.target]): route.kind for route in between}

    @property
    def problems(self) -> list[str]:
        """Return one line for each failed framework and broken route.

        A framework that is not installed and a refused conversion are not problems.
        """
        failed = [f"{name}: {self.absent[name]}" for name in self.failed]
        broken = [str(route) for route in (*self.routes, *self.special) if route.kind == "broken"]
        return failed + broken
