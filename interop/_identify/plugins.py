"""Plugins: adapters of other distributions, found by the entry points ``interop.adapters``.

A plugin is imported only when its framework is needed. ``INTEROP_PLUGINS=0`` in the environment
disables all plugins.
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
    """Return the names of the frameworks for which an installed distribution has an adapter."""
    return _points().keys()


def load(name: str) -> Any:
    """Import the plugin for a framework and return the adapter.

    Raises
    ------
    InvalidOptionError
        Two distributions have an adapter for the framework, or the adapter has another name than
        the entry point.
    FrameworkNotInstalledError
        Importing the plugin fails.
    """
    point, *others = _points()[name]
    if others:
        claims = " and ".join(f"{p.value} of {_distribution(p)}" for p in (point, *others))
        reason = f"two adapters are called {name!r}: {claims}"
        raise errors.InvalidOptionError(reason, hint="Uninstall one.")
    try:
        adapter = point.load()
        called = getattr(adapter, "name", name)
    except MemoryError:
        raise
    except Exception as error:  # the module of the adapter may raise anything
        reason = f"{name} cannot be imported ({errors.quote(error)})"
        hint = f"Its adapter is named by an entry point, {point.value}"
        raise errors.FrameworkNotInstalledError(
            reason, target=name, hint=hint, name=name
        ) from error
    if called != name:
        reason = f"the entry point {name!r} names the adapter {called!r}, {point.value}"
        raise errors.InvalidOptionError(reason, hint="Call both after the package.")
    return adapter


# The search reads metadata of all installed distributions, so it is done once.
@cache
def _points() -> dict[str, list[EntryPoint]]:
    points: dict[str, list[EntryPoint]] = {}
    if os.environ.get("INTEROP_PLUGINS") == "0":
        return points
    # Importing this module takes longer than importing interop.
    from importlib.metadata import entry_points  # noqa: PLC0415

    for point in entry_points(group=_GROUP):
        points.setdefault(point.name, []).append(point)
    return points


def _distribution(point: EntryPoint) -> str:
    if point.dist is None:
        return "an unnamed distribution"
    return f"{point.dist.name} {point.dist.version}"
