"""The adapters that this process knows, and the registration of new ones."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final, cast

from interop import errors
from interop._identify import plugins, shipped
from interop._lock import LOCK
from interop._model import text
from interop.adapter import Adapter

if TYPE_CHECKING:
    from collections.abc import Callable

_loaded: Final[dict[str, Adapter]] = {}
_names: Final = {
    class_name: name for name, row in shipped.TABLE.items() for class_name in row.classes
}
"""Names of frameworks, by the full name of a class of arrays."""

on_change: Final[list[Callable[[], object]]] = []
"""Functions to call after an adapter was registered: they clear caches."""


def register(adapter: Adapter) -> None:
    """Add a framework for this process.

    To add a framework for every process, name the adapter in an entry point of the group
    ``interop.adapters``.

    Parameters
    ----------
    adapter : interop.adapter.Adapter
        An instance. Arrays of its `array_type` and of all subclasses belong to it from now on.

    Raises
    ------
    InvalidOptionError
        The object is not an adapter, or another adapter has the name.
    """
    if not issubclass(type(cast("object", adapter)), Adapter):
        got = text.short_repr(adapter)
        reason = f"register takes an instance of a subclass of interop.adapter.Adapter, not {got}"
        raise errors.InvalidOptionError(reason)
    with LOCK:
        _check_name_is_free(adapter)
        _loaded[adapter.name] = adapter
        _names[text.full_name(adapter.array_type)] = adapter.name
        for listener in on_change:
            listener()


def _check_name_is_free(adapter: Adapter) -> None:
    new = text.full_name(type(adapter))
    old = _registered_class(adapter.name)
    # An adapter of the same class replaces the old one, as after a reload in a notebook.
    if old not in (None, new):
        reason = f"two adapters are called {adapter.name!r}: {old} and {new}"
        raise errors.InvalidOptionError(reason, hint="Rename or uninstall one.")


def _registered_class(name: str) -> str | None:
    """Return the class of the adapter that has a name, or the module of a shipped adapter."""
    if name in shipped.TABLE:
        return shipped.TABLE[name].module
    if name in _loaded:
        return text.full_name(type(_loaded[name]))
    return None


def loaded(name: str) -> Adapter | None:
    """Return the adapter of a framework, if the adapter has been used or registered."""
    return _loaded.get(name)


def load(name: str) -> Adapter | None:
    """Return the adapter of a framework, or None for an unknown name.

    The adapter is imported if necessary.

    Raises
    ------
    FrameworkNotInstalledError, InvalidOptionError
        The adapter cannot be imported, or another adapter has the name.
    """
    if name in _loaded:
        return _loaded[name]
    if name in shipped.TABLE:
        # `register` is not needed: the classes are in `_names` already, so no cache becomes wrong.
        return _loaded.setdefault(name, shipped.import_adapter(name))
    if name in plugins.names():
        register(plugins.load(name))
    return _loaded.get(name)


def is_known(name: str) -> bool:
    """Whether a framework of that name has an adapter, loaded or not."""
    # The order matters: the installed distributions are searched only for a name that is not known.
    return name in shipped.TABLE or name in _loaded or name in plugins.names()


def known_names() -> list[str]:
    """Return the names of all frameworks that have an adapter, loaded or not."""
    return sorted({*shipped.TABLE, *_loaded, *plugins.names()})


def framework_of_class(cls: type) -> str | None:
    """Return the name of the framework whose arrays have a class, or None.

    An unknown class may be from a plugin, so the plugins named after a package of the class are
    loaded.
    """
    name = _name_of(cls)
    if name:
        return name
    # No other plugin is loaded, because each may import a large package.
    modules = map(text.module_name, text.bases(cls))
    packages = {module.partition(".")[0] for module in modules} - {"builtins"}
    if packages:
        for plugin in packages & plugins.names():
            register(plugins.load(plugin))
    return _name_of(cls)


def _name_of(cls: type) -> str | None:
    # The nearest base class decides, so a subclass can have an adapter of its own.
    for base in text.bases(cls):
        name = _names.get(text.full_name(base))
        if name and not (name in shipped.TABLE and _is_namesake(base)):
            return name
    return None


def _is_namesake(cls: type) -> bool:
    """Return whether a class only has the module and the name of another class."""
    full_name = text.full_name(cls)
    module = sys.modules.get(text.module_name(cls))
    return getattr(module, full_name.rpartition(".")[2], cls) is not cls
