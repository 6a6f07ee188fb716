"""What there is to convert between, and where it can be. Nothing is imported to tell."""

from __future__ import annotations

import importlib.util
import sys
from typing import TYPE_CHECKING, Final, NamedTuple

from interop._engine import fastpath
from interop._identify import registration
from interop._model import html
from interop.adapter import Device

if TYPE_CHECKING:
    from collections.abc import Iterator

    from interop.adapter import Adapter

_HEAD: Final = ("framework", "version", "devices", "compiled path")
_MOST: Final = 64  # devices of one kind: an adapter may answer yes to every number


class FrameworkInfo(NamedTuple):
    """What `frameworks` tells of one framework. Nothing is imported to tell.

    Attributes
    ----------
    name : str
    installed : bool
        Whether it could be imported.
    loaded : bool
        Whether this process has imported it.
    version : str or None
        None where it can't be told without importing it.
    compiled : bool
        Whether plain arrays take the compiled path in this process: False where it was not built, where
        ``INTEROP_COMPILED=0`` turns it off, and as long as nobody has used the framework.
    devices : tuple of str
        Where it can have arrays here, spelt as ``device=`` takes them: ``"cpu"``, ``"cuda:0"``. Empty as long as
        nobody has used the framework; ``python -m interop`` uses each one, and tells.
    """

    name: str
    installed: bool
    loaded: bool
    version: str | None
    compiled: bool
    devices: tuple[str, ...]

    def cells(self) -> tuple[str, ...]:
        """Say it in a row of a table."""
        version = (self.version or "unknown") if self.installed else "not installed"
        devices = ", ".join(self.devices) or (
            "-" if self.loaded or not self.installed else "not loaded"
        )
        return self.name, version, devices, "on" if self.compiled else "off"


class Frameworks(tuple[FrameworkInfo, ...]):
    """A `FrameworkInfo` for each framework. Readable as text, as HTML in a notebook, and by its items."""

    __slots__ = ()

    def __str__(self) -> str:
        """Say it for a terminal: a headline, then a line for each framework."""
        return "\n".join(align([_HEAD, *(info.cells() for info in self)]))

    def _repr_html_(self) -> str:
        return html.table("frameworks", _HEAD, (info.cells() for info in self))


def frameworks() -> Frameworks:
    """Return what there is to convert between: every framework that has an adapter, installed or not.

    Returns
    -------
    tuple of FrameworkInfo
        Readable as text and as HTML in a notebook, too.

    Examples
    --------
    >>> import numpy as np, interop
    >>> [info.devices for info in interop.frameworks() if info.name == "numpy"]
    [('cpu',)]
    """
    return Frameworks(_info(name) for name in registration.known_names())


def devices(adapter: Adapter) -> tuple[Device, ...]:
    """Return where a framework can have arrays here: it is asked for each kind it holds, number after number."""
    return tuple(
        device for kind in sorted(adapter.device_kinds) for device in _of_kind(adapter, kind)
    )


def align(rows: list[tuple[str, ...]]) -> list[str]:
    """Return a line for each row of a table, its columns below one another."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]


def _of_kind(adapter: Adapter, kind: int) -> Iterator[Device]:
    for index in range(1 if Device(kind).is_host else _MOST):
        device = Device(kind, index)
        if adapter.resolve_device(device) != device:  # a reason why not, or another place
            return
        yield device


def _info(name: str) -> FrameworkInfo:
    module, adapter = sys.modules.get(name), registration.loaded(name)
    installed = module is not None or importlib.util.find_spec(name) is not None
    known = getattr(module, "__version__", None) or _version(name)
    return FrameworkInfo(
        name,
        installed,
        module is not None,
        known,
        fastpath.is_compiled(adapter),
        _device_names(adapter),
    )


def _device_names(adapter: Adapter | None) -> tuple[str, ...]:
    try:
        return tuple(map(str, devices(adapter))) if adapter else ()
    except Exception:  # noqa: BLE001 - a driver may fail in any way: `python -m interop` says how
        return ()


def _version(name: str) -> str | None:
    from importlib.metadata import PackageNotFoundError, version  # noqa: PLC0415 - takes longer than all of interop

    try:
        return version(name)
    except PackageNotFoundError:
        return None
