"""Adapters of other distributions, by their entry points in the group ``interop.adapters``. None is loaded unasked.

``INTEROP_PLUGINS=0`` in the environment forbids them all: then only those are known that are here.
"""

from __future__ import annotations

import os
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from interop import errors

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet
    from importlib.metadata import EntryPoint

_GROUP: Final = "interop.adapters"


def names() -> AbstractSet[str]:
    """Return the names of all frameworks that an installed distribution has an adapter for."""
    return _points().keys()


def load(name: str) -> Any:
    """Return what the entry point of that name names; nothing else is imported.

    Raises
    ------
    InvalidOptionError
        Two distributions have an adapter for it, or the adapter is called otherwise.
    FrameworkNotInstalledError
        It can't be imported.
    """
    point, *others = _points()[name]
    if others:
        claims = " and ".join(f"{p.value} of {_distribution(p)}" for p in (point, *others))
        msg = f"two adapters are called {name!r}: {claims}. Uninstall one."
        raise errors.InvalidOptionError(msg)
    try:
        adapter = point.load()
    except (ImportError, AttributeError) as error:
        msg = f"{name} cannot be imported ({error}). Its adapter is named by an entry point, {point.value}"
        raise errors.FrameworkNotInstalledError(msg, name=name) from error
    if (called := getattr(adapter, "name", name)) != name:
        msg = f"the entry point {name!r} names the adapter {called!r}, {point.value}. Call both after the package."
        raise errors.InvalidOptionError(msg)
    return adapter


@cache
def _points() -> dict[str, list[EntryPoint]]:
    points: dict[str, list[EntryPoint]] = {}
    if os.environ.get("INTEROP_PLUGINS") == "0":
        return points
    from importlib.metadata import entry_points  # noqa: PLC0415 - takes longer to import than all of interop

    for point in entry_points(group=_GROUP):
        points.setdefault(point.name, []).append(point)
    return points


def _distribution(point: EntryPoint) -> str:
    return f"{point.dist.name} {point.dist.version}" if point.dist else "an unnamed distribution"
