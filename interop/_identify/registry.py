"""The look-up of adapters, by an array, a class, a name or a module.

Adapters are imported when they are first needed. A class of arrays is found by the names of the
classes in the MRO. If no name is known, the entry points of the group ``interop.adapters`` are
searched once, and the answer is cached.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final

from interop import errors
from interop._identify import foreign, hints, modules, namespaces, registration, shipped
from interop._identify.classes import ClassTable
from interop._identify.locked import locked
from interop._identify.operand import Operand, UnwrappedOperand
from interop._model import text

if TYPE_CHECKING:
    from interop.adapter import Adapter

# None stands for a class without an adapter, so that the plugins are not searched again.
_classes: Final[ClassTable[Adapter | None]] = ClassTable()
"""Adapters by class: a cache."""
_UNKNOWN: Final = object()
registration.on_change.append(_classes.clear)


# -- arrays --------------------------------------------------------------------------------------


def identify(x: Any, target: Adapter | None = None) -> Operand:
    """Find the adapter of an array, and open a foreign object as an array.

    An array without an adapter belongs to `target` if it is of the class that `target` makes. A
    wrapper object is replaced by the array in it. An Operand is returned as it is, so an object is
    opened only once.

    Raises
    ------
    NotAnArrayError
        The object is not an array and has no array protocol.
    UnsupportedArrayError
        The object has an array protocol, and the protocol raised an error (the cause).
    """
    adapter = adapter_of(type(x))
    # A namespace owns its arrays only as a target. Otherwise the answer of `framework_of` would
    # depend on earlier conversions (decision 0020).
    if adapter is None and target is not None and issubclass(type(x), target.array_type):
        adapter = target
    if adapter:
        return Operand(adapter, x)
    # This comes after the look-up, because most objects are arrays.
    if issubclass(type(x), Operand):
        return x
    inner = unwrap(x)
    if inner is x:
        return _open_foreign(x, target)
    operand = UnwrappedOperand(*identify(inner, target))
    operand.wrapper = class_name_of(x)
    return operand


def _open_foreign(x: Any, target: Adapter | None) -> Operand:
    # The target is not known if only the device or the memory of an object is asked for.
    wanted = target.name if target else "numpy"
    array = foreign.open_array(x, wanted, is_array)
    return Operand(adapter_of(type(array)) or foreign.adapter(), array, class_name_of(x))


def unwrap(x: Any) -> Any:
    """Return the array in a wrapper object (or in several, one in the other), without reading data.

    Any other object is returned unchanged.
    """
    if adapter_of(type(x)) is not None or issubclass(type(x), Operand):
        return x
    inner = foreign.unwrap(x)
    if inner is x:
        return x
    return unwrap(inner)


def class_name_of(x: Any) -> str:
    """Return the label of an object that belongs to no framework: the full name of the class."""
    return text.full_name(type(x))


# -- classes -------------------------------------------------------------------------------------


def adapter_of(cls: type) -> Adapter | None:
    """Return the adapter of a class of arrays, or None for any other class."""
    adapter: Adapter | None = _classes.get(cls, _UNKNOWN)
    if adapter is _UNKNOWN:
        tables = registration.tables
        name = registration.framework_of_class(cls)
        adapter = adapter_named(name) if name else None
        # The answer for a namesake changes when a mock is replaced by the framework.
        if adapter is None and registration.has_known_name(cls):
            return None
        with locked():
            # An answer from before a registration must not fill the cache that it has emptied.
            if registration.tables is tables:
                _classes.set(cls, adapter)
    return adapter


def is_array(cls: type) -> bool:
    """Whether a class is a class of arrays of a known framework. Scalar classes are not."""
    adapter = adapter_of(cls)
    return adapter is not None and not issubclass(cls, adapter.scalar_types)


def is_lazy(cls: type) -> bool:
    """Whether a class is a class of lazy arrays."""
    adapter = adapter_of(cls)
    return adapter is not None and adapter.lazy


# -- targets: names, modules and classes ---------------------------------------------------------


def find(to: Any) -> Adapter:
    """Return the adapter of a target: a name, a module, a namespace or a class of arrays.

    A namespace without an adapter gets an adapter that is made on the fly.

    Raises
    ------
    UnknownFrameworkError, FrameworkNotInstalledError
    """
    if type(to) is str:
        return adapter_named(to)
    # The class is asked, because the attribute `__class__` of an object may be a property.
    if issubclass(type(to), str):
        return adapter_named(str.__str__(to))
    if issubclass(type(to), ModuleType):
        return _of_module(to)
    # An instance is always refused. The class of the instance is only for the hint.
    cls = to if issubclass(type(to), type) else type(to)
    adapter = adapter_of(cls)
    # A subclass is refused: the result would not be an instance of it.
    if adapter is None or adapter.array_type is not to:
        framework = adapter.name if adapter else None
        reason = hints.of_target(to, registration.known_names(), framework)
        raise errors.UnknownFrameworkError(reason, target=text.short_repr(to))
    return adapter


def adapter_named(name: str) -> Adapter:
    """Return the adapter of a framework. The adapter is imported if necessary.

    Raises
    ------
    UnknownFrameworkError, FrameworkNotInstalledError
    """
    adapter = registration.load(name) or _in_namespace(name)
    if adapter is None:
        reason = hints.of_name(name, registration.known_names())
        raise errors.UnknownFrameworkError(reason, target=text.short_repr(name))
    return adapter


def _of_module(to: ModuleType) -> Adapter:
    """Return the adapter of a framework's module or submodule, or of an array-API namespace."""
    parts = to.__name__.split(".")
    package = parts[0]
    # The package decides for `dask.array`, the last part for `array_api_compat.torch`.
    name = package if registration.is_known(package) else parts[-1]
    if registration.is_known(name):
        return adapter_named(name)
    adapter = _in_namespace(to) or _in_namespace(package)
    if adapter is None:
        why_not = namespaces.why_not(to)
        reason = hints.of_module(to.__name__, why_not, registration.known_names())
        raise errors.UnknownFrameworkError(reason, target=to.__name__)
    return adapter


def _in_namespace(to: str | ModuleType) -> Adapter | None:
    """Return the adapter of an array-API namespace, or None if there is no such namespace.

    If the arrays of the namespace have an adapter already, that adapter is returned.
    """
    adapter = namespaces.find(to)
    if adapter is None:
        return None
    return adapter_of(adapter.array_type) or adapter


def namespace_of(x: Any) -> ModuleType | None:
    """Return the array-API namespace of an array without an adapter, or None for anything else."""
    if adapter_of(type(x)):
        return None
    return namespaces.of(x)


def adapter_of_spec(spec: Any) -> Adapter | None:
    """Return the adapter whose framework defined an object such as a dtype or a device."""
    is_name = issubclass(type(spec), str)
    if is_name:
        path = str.__str__(spec)  # "torch.float32"
    # A dtype may be a class, such as numpy.float32.
    elif issubclass(type(spec), type):
        path = text.module_name(spec)
    else:
        path = text.module_name(type(spec))
    package = shipped.framework_of_package(path.partition(".")[0])
    if registration.is_known(package):
        return adapter_named(package)
    if is_name or package not in sys.modules:
        return None
    return _in_namespace(sys.modules[package])


def adapter_of_package(package: str) -> Adapter | None:
    """Return the adapter for a top-level package, or None if no array can belong to the package."""
    name = shipped.framework_of_package(package)
    # A framework that is only installed is not imported: without it, there are no arrays of it.
    if registration.loaded(name) or (name in shipped.TABLE and package in sys.modules):
        return registration.load_usable(name)
    return None


def loaded_adapters() -> list[Adapter]:
    """Return the adapters of all shipped frameworks that this process has imported.

    A framework that cannot be used is left out. The list is empty without NumPy, which the other
    adapters need.
    """
    names = [name for name in shipped.TABLE if modules.is_imported(shipped.framework_module(name))]
    if "numpy" not in names:
        return []
    found = map(registration.load_usable, names)
    return [adapter for adapter in found if adapter is not None]
