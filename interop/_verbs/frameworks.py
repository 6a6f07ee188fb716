"""The public function `frameworks`, which lists the frameworks without importing any of them."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final, NamedTuple

from interop._engine import fastpath
from interop._identify import modules, registration, registry
from interop._model import html
from interop.adapter import Device

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from interop.adapter import Adapter

_HEAD: Final = ("framework", "version", "devices", "compiled path")
_MAX_DEVICES: Final = 64
"""Maximum number of devices of one kind, because an adapter may accept every id."""


class FrameworkInfo(NamedTuple):
    """Information about one framework, found without an import of the framework.

    Attributes
    ----------
    name : str
    installed : bool
        Whether the framework can be imported.
    loaded : bool
        Whether this process has imported the framework.
    version : str or None
        None if the version cannot be found without an import.
    compiled : bool
        Whether plain arrays take the compiled fast path in this process. False if the extension
        modules were not built, if ``INTEROP_COMPILED=0`` is set, or if the framework is not loaded.
    devices : tuple of str
        The devices of the framework in this process, as values for ``device=``: ``"cpu"``,
        ``"cuda:0"``. Empty if the framework is not loaded. The command ``python -m interop``
        uses each framework and shows the devices.
    not_compiled : str or None
        Why plain arrays do not take the compiled fast path, and what to do. None if they take it,
        if interop has no compiled fast path for the framework, or if the framework is not loaded.
    problem : str or None
        Why the framework cannot be used in this process, although a package of that name is
        installed. None if there is no problem, or if the framework is not loaded.
    """

    name: str
    installed: bool
    loaded: bool
    version: str | None
    compiled: bool
    devices: tuple[str, ...]
    not_compiled: str | None = None
    problem: str | None = None

    def cells(self) -> tuple[str, ...]:
        """Format the information as the cells of a table row."""
        version = self.version or "unknown"
        if not self.installed:
            version = "not installed"
        devices = ", ".join(self.devices) or "-"
        if self.problem:
            devices = "not usable"
        elif self.installed and not self.loaded and not self.devices:
            devices = "not loaded"
        return self.name, version, devices, compiled_cell(self.compiled, self.not_compiled)


class Frameworks(tuple[FrameworkInfo, ...]):
    """A tuple with a `FrameworkInfo` for each framework.

    ``str`` formats a table for a terminal, and a notebook shows a table.
    """

    __slots__ = ()

    def __str__(self) -> str:
        """Format a table with a line for each framework, and notes below the table."""
        return "\n".join([*align([_HEAD, *(info.cells() for info in self)]), *self._notes()])

    def _repr_html_(self) -> str:
        return html.table("frameworks", _HEAD, (info.cells() for info in self), self._notes())

    def _notes(self) -> list[str]:
        problems = [f"{info.name}: {info.problem}" for info in self if info.problem]
        reasons = why_not_compiled((info.name, info.not_compiled) for info in self)
        return [*problems, *(f"compiled path off for {names}: {why}" for names, why in reasons)]


def frameworks() -> Frameworks:
    """List the frameworks that have an adapter, installed or not.

    Returns
    -------
    tuple of FrameworkInfo
        ``str`` formats a table for a terminal, and a notebook shows a table. The reasons for
        which a compiled fast path is off stand below the table.

    Examples
    --------
    >>> import numpy as np, interop
    >>> [info.devices for info in interop.frameworks() if info.name == "numpy"]
    [('cpu',)]
    """
    # Loads the adapters of the imported frameworks, so that devices and problems are known.
    registry.loaded_adapters()
    return Frameworks(_info(name) for name in registration.known_names())


def devices(adapter: Adapter) -> tuple[Device, ...]:
    """Return the devices on which a framework can have arrays in this process."""
    kinds = sorted(adapter.device_kinds)
    return tuple(device for kind in kinds for device in _of_kind(adapter, kind))


def why_not_compiled(infos: Iterable[tuple[str, str | None]]) -> list[tuple[str, str]]:
    """Return the reasons for which a compiled fast path is off, each behind its frameworks.

    Parameters
    ----------
    infos : iterable of (name, reason)
        The name and `FrameworkInfo.not_compiled` of each framework.
    """
    names: dict[str, list[str]] = {}
    for name, reason in infos:
        if reason is not None:
            names.setdefault(reason, []).append(name)
    return [(", ".join(found), reason) for reason, found in names.items()]


def compiled_cell(compiled: bool, not_compiled: str | None) -> str:
    """Format whether a compiled fast path is in use. "off" always has a reason below the table."""
    if compiled:
        return "on"
    if not_compiled is None:
        return "-"
    return "off"


def align(rows: list[tuple[str, ...]]) -> list[str]:
    """Format the rows of a table as lines with aligned columns."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]


def _of_kind(adapter: Adapter, kind: int) -> Iterator[Device]:
    """Yield the devices of one kind, up to the first id that the adapter does not accept."""
    count = _MAX_DEVICES
    if Device(kind).is_host:
        # The host is one device, even if an adapter accepts every id.
        count = 1
    for index in range(count):
        device = Device(kind, index)
        # The answer is the device, another device, or a reason.
        if adapter.resolve_device(device) != device:
            return
        yield device


def _info(name: str) -> FrameworkInfo:
    adapter = registration.loaded(name)
    is_installed = modules.is_installed(name)
    problem = None
    if adapter is None and is_installed:
        problem = registration.problem(name)
    return FrameworkInfo(
        name=name,
        installed=is_installed,
        loaded=sys.modules.get(name) is not None,
        version=modules.version(name),
        compiled=fastpath.is_compiled(adapter),
        devices=_device_names(adapter),
        not_compiled=fastpath.why_not_compiled(adapter),
        problem=problem,
    )


def _device_names(adapter: Adapter | None) -> tuple[str, ...]:
    if adapter is None:
        return ()
    try:
        return tuple(map(str, devices(adapter)))
    except Exception:  # noqa: BLE001 - a driver may fail in any way, and the doctor reports how
        return ()
