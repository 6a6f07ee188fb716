"""The adapters that this process knows, and the registration of new ones."""

from __future__ import annotations

import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Final, NamedTuple, TypeVar, cast

from interop import errors
from interop._identify import modules, plugins, shipped
from interop._identify.locked import locked
from interop._model import text
from interop.adapter import Adapter

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    T = TypeVar("T")


class Tables(NamedTuple):
    """What interop knows of frameworks. Each registration makes new tables.

    One assignment publishes both tables, so that no thread and no error sees half a registration.
    A result of a look-up may be stored only if the tables are still those of the look-up.
    """

    adapters: Mapping[str, Adapter]
    """The registered adapters, by name."""
    names: Mapping[str, str]
    """Names of frameworks, by the full name of a class of arrays."""


tables = Tables(
    adapters={},
    names={class_name: name for name, row in shipped.TABLE.items() for class_name in row.classes},
)
_shipped: Final[dict[str, Adapter]] = {}
"""The shipped adapters that have been used. Their classes are in the tables from the start."""
_failures: Final[dict[str, tuple[object, str]]] = {}
"""For each framework whose adapter could not be loaded: the framework's module then, and why.

The error is not kept, because its traceback keeps the arrays of all callers alive.
"""
_UNFINISHED: Final = object()
"""Takes the place of a module whose import has not ended, so that the next attempt is a new one."""

on_change: Final[list[Callable[[], object]]] = []
"""Functions that clear caches. They are called under the lock, before new tables are published."""


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
        The object is not an adapter, its name or its class of arrays is missing, or another adapter
        has the name. Nothing is changed then, nor after any other error.
    """
    _add(adapter, replaces=True)


def _add(adapter: Adapter, *, replaces: bool) -> None:
    """Make new tables with an adapter. An adapter of the same class is replaced or stays."""
    global tables  # noqa: PLW0603 - one assignment publishes the tables
    if not issubclass(type(cast("object", adapter)), Adapter):
        got = text.short_repr(adapter)
        reason = f"register takes an instance of a subclass of interop.adapter.Adapter, not {got}"
        raise errors.InvalidOptionError(reason)
    # An attribute may be a property, so each is read once, and before the lock is taken.
    name = _read(adapter, "name", str)
    class_name = text.full_name(_read(adapter, "array_type", type))
    with locked():
        if name in tables.adapters and not replaces:
            return
        _check_name_is_free(name, adapter)
        # Before the new tables, so that an error in between leaves everything as it was. Until the
        # lock is released, nobody fills the caches again.
        for listener in on_change:
            listener()
        tables = Tables(
            adapters={**tables.adapters, name: adapter},
            names={**tables.names, class_name: name},
        )


def _read(adapter: Adapter, attribute: str, kind: type[T]) -> T:
    """Return an attribute of an adapter, or raise InvalidOptionError if it has another type."""
    value = getattr(adapter, attribute, None)
    if issubclass(type(value), kind):
        return cast("T", value)
    class_name = text.full_name(type(adapter))
    wanted = {str: "a string", type: "a class"}[kind]
    reason = f"{class_name}.{attribute} must be {wanted}, got {text.short_repr(value)}"
    raise errors.InvalidOptionError(reason)


def _check_name_is_free(name: str, adapter: Adapter) -> None:
    new = text.full_name(type(adapter))
    old = _registered_class(name)
    # An adapter of the same class replaces the old one, as after a reload in a notebook.
    if old not in (None, new):
        reason = f"two adapters are called {name!r}: {old} and {new}"
        raise errors.InvalidOptionError(reason, hint="Rename or uninstall one.")


def _registered_class(name: str) -> str | None:
    """Return the class of the adapter that has a name, or the module of a shipped adapter."""
    if name in shipped.TABLE:
        return shipped.TABLE[name].module
    if name in tables.adapters:
        return text.full_name(type(tables.adapters[name]))
    return None


def loaded(name: str) -> Adapter | None:
    """Return the adapter of a framework, if the adapter has been used or registered."""
    return _shipped.get(name) or tables.adapters.get(name)


def load(name: str) -> Adapter | None:
    """Return the adapter of a framework, or None for an unknown name.

    The adapter is imported if necessary. After a failure, the next call tries again, as an import
    statement does.

    Raises
    ------
    FrameworkNotInstalledError, InvalidOptionError
        The adapter cannot be imported, or another adapter has the name.
    """
    adapter = loaded(name)
    if adapter is not None:
        return adapter
    # The adapter's modules may have imported parts of a mock, which has been replaced since.
    if name in _failures and name in shipped.TABLE and problem(name) is None:
        shipped.forget_adapter(name)
    try:
        adapter = _import(name)
    except errors.InteropError as error:
        _remember(name, error)
        raise
    _failures.pop(name, None)
    return adapter


def _import(name: str) -> Adapter | None:
    if name in shipped.TABLE:
        return _shipped.setdefault(name, shipped.import_adapter(name))
    if name in plugins.names():
        # Another thread may have loaded the plugin meanwhile, and its adapter may be in use.
        _add(plugins.load(name), replaces=False)
    return tables.adapters.get(name)


def load_usable(name: str) -> Adapter | None:
    """Return the adapter of an imported framework, or None if the framework cannot be used.

    A failure is remembered until another module has the name of the framework.
    """
    adapter = loaded(name)
    if adapter is None and problem(name) is None:
        with suppress(errors.InteropError):
            adapter = load(name)
    return adapter


def problem(name: str) -> str | None:
    """Return why the last attempt to load an adapter failed, or None.

    The result is None if another module has the name of the framework now.
    """
    module, reason = _failures.get(name, (None, None))
    if module is not sys.modules.get(name):
        return None
    return reason


def _remember(name: str, error: errors.InteropError) -> None:
    module: object = sys.modules.get(name)
    if modules.is_importing(name):
        module = _UNFINISHED
    _failures[name] = module, str(error)


def is_known(name: str) -> bool:
    """Whether a framework of that name has an adapter, loaded or not."""
    # The order matters: the installed distributions are searched only for a name that is not known.
    return name in shipped.TABLE or name in tables.adapters or name in plugins.names()


def known_names() -> list[str]:
    """Return the names of all frameworks that have an adapter, loaded or not."""
    return sorted({*shipped.TABLE, *tables.adapters, *plugins.names()})


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
        # A registration empties all caches, so a plugin is loaded once, whatever the class is.
        for plugin in (packages & plugins.names()) - tables.adapters.keys():
            load(plugin)
    return _name_of(cls)


def has_known_name(cls: type) -> bool:
    """Whether a class or a base class has the name of a class of arrays, and may be a namesake."""
    return any(text.full_name(base) in tables.names for base in text.bases(cls))


def _name_of(cls: type) -> str | None:
    # The nearest base class decides, so a subclass can have an adapter of its own.
    for base in text.bases(cls):
        name = tables.names.get(text.full_name(base))
        if name and not (name in shipped.TABLE and _is_namesake(base, name)):
            return name
    return None


def _is_namesake(cls: type, framework: str) -> bool:
    """Whether a class only has the module and the name of a class of a shipped framework."""
    adapter = _shipped.get(framework)
    # The module of the framework may be replaced by a mock, for example during a test.
    if adapter is not None and adapter.array_type is cls:
        return False
    module = sys.modules.get(text.module_name(cls))
    if module is None:
        # Not all modules that classes state exist. But there is no class without the framework.
        return sys.modules.get(framework) is None
    return modules.read(module, text.full_name(cls).rpartition(".")[2]) is not cls
