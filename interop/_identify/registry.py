"""Who is it: names of frameworks and classes of arrays, to adapters. Adapters are imported on first use.

The table is strings, so that a look-up imports nothing. A class is found by walking its MRO against it; a class that
is not in it asks the entry points of the group ``interop.adapters`` once, and the answer is remembered.
"""

from __future__ import annotations

import importlib
import sys
import threading
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final, NamedTuple, cast
from weakref import WeakKeyDictionary

from interop import errors
from interop._identify import hints, namespaces, object_hints, plugins
from interop._identify.operand import Operand, UnwrappedOperand
from interop._model import text
from interop.adapter import Adapter

if TYPE_CHECKING:
    from collections.abc import Callable


class ShippedAdapter(NamedTuple):
    """Where a shipped adapter is, the full names of its classes of arrays, and what to install for it."""

    module: str
    classes: tuple[str, ...]
    install: str
    packages: tuple[str, ...] = ()
    """Other top-level packages whose objects (devices, dtypes) are this framework's."""


TABLE: Final[dict[str, ShippedAdapter]] = {
    "numpy": ShippedAdapter(
        "interop.adapters.numpy.adapter", ("numpy.ndarray", "numpy.generic"), "numpy"
    ),
    "torch": ShippedAdapter(
        "interop.adapters.torch.adapter", ("torch.Tensor",), "array-interop[torch]"
    ),
    "cupy": ShippedAdapter(
        "interop.adapters.cupy.adapter", ("cupy.ndarray",), "array-interop[cupy]"
    ),
    "jax": ShippedAdapter(
        "interop.adapters.jax",
        ("jax.Array", "jax.jaxlib._jax.Array", "jax._src.core.Tracer"),
        "array-interop[jax]",
        packages=("jaxlib",),
    ),
    "dask": ShippedAdapter(
        "interop.adapters.dask.adapter",
        ("dask.array.Array", "dask.array.core.Array", "dask.array._array_expr._collection.Array"),
        "array-interop[dask]",
    ),
}
_PROTOCOL: Final = "interop.adapters.protocol.adapter"

_loaded: Final[dict[str, Adapter]] = {}
_packages: Final = {
    package: name for name, shipped in TABLE.items() for package in shipped.packages
}
_names: Final = {full: name for name, shipped in TABLE.items() for full in shipped.classes}
_classes: Final[WeakKeyDictionary[type, Adapter | None]] = WeakKeyDictionary()
_lock: Final = threading.RLock()

on_change: Final[list[Callable[[], object]]] = []
"""Functions to call after an adapter was registered."""


def identify(x: Any, target: Adapter | None = None) -> Operand:
    """Find the adapter of an array, whatever package its class is from; open it when only a protocol is spoken.

    An array that is nobody's, but of the class that `target` makes, is the target's own. An object that wraps an
    array is that array. What has been identified already stays what it is, so that an object is opened once.

    Raises
    ------
    NotAnArrayError
        It is no array and speaks no protocol of arrays.
    UnsupportedArrayError
        It speaks one, but its answer is an error (the cause).
    """
    adapter = adapter_of(type(x))
    if adapter is None and target is not None and isinstance(x, target.array_type):
        adapter = target
    if adapter:
        return Operand(adapter, x)
    if isinstance(x, Operand):
        return x
    inner = unwrap(x)
    if inner is x:
        return _open_foreign(x, target)
    operand = UnwrappedOperand(*identify(inner, target))
    operand.wrapper = class_name_of(x)
    return operand


def unwrap(x: Any) -> Any:
    """Return the array that an object of no known framework wraps, without reading one; else the object."""
    if adapter_of(type(x)) is not None or isinstance(x, Operand):
        return x
    try:
        inner = importlib.import_module(_PROTOCOL).unwrap(x)
    except Exception:  # noqa: BLE001 - a producer may raise anything; reading the object says what is wrong
        return x
    return x if inner is x else unwrap(inner)


def adapter_of(cls: type) -> Adapter | None:
    """Return the adapter of a class of arrays, or None where only a protocol may help."""
    try:
        return _classes[cls]
    except KeyError:
        name = _name_of(cls) or _name_in_plugins(cls)
        _classes[cls] = adapter = adapter_named(name) if name else None
        return adapter


def is_array(cls: type) -> bool:
    """Whether a class is one of arrays of a known framework; a scalar's is not, it is a number's."""
    adapter = adapter_of(cls)
    return adapter is not None and not issubclass(cls, adapter.scalar_types)


def is_lazy(cls: type) -> bool:
    """Whether a class is one of arrays that are computed later."""
    adapter = adapter_of(cls)
    return adapter is not None and adapter.lazy


def class_name_of(x: Any) -> str:
    """Return the label of an object that belongs to no framework: the full name of the class."""
    return full_name(type(x)).removeprefix("builtins.")


def find(to: Any) -> Adapter:
    """Return the adapter of a target given as a name, a module (or array-API namespace) or a class of arrays.

    A namespace that has none gets one made on the fly, for host memory.

    Raises
    ------
    UnknownFrameworkError, FrameworkNotInstalledError
    """
    if isinstance(to, str):
        return adapter_named(to)
    if isinstance(to, ModuleType):
        return _of_module(to)
    adapter = adapter_of(to if isinstance(to, type) else type(to))
    if (
        adapter is None or adapter.array_type is not to
    ):  # a subclass would be a promise that is not kept
        framework = adapter.name if adapter else None
        raise errors.UnknownFrameworkError(hints.of_target(to, _all_names(), framework))
    return adapter


def namespace_of(x: Any) -> ModuleType | None:
    """Return the array-API namespace of an array without an adapter, or None for anything else."""
    return None if adapter_of(type(x)) else namespaces.of(x)


def adapter_of_spec(spec: Any) -> Adapter | None:
    """Return the adapter whose framework defined an object such as a dtype or a device."""
    cls = spec if isinstance(spec, type) else type(spec)
    root = spec.partition(".")[0] if isinstance(spec, str) else cls.__module__.partition(".")[0]
    root = _packages.get(root, root)
    if _is_name(root):
        return adapter_named(root)
    return (
        None
        if isinstance(spec, str) or root not in sys.modules
        else _in_namespace(sys.modules[root])
    )


def adapter_of_package(root: str) -> Adapter | None:
    """Return the adapter for a top-level package, or None if no array can belong to the package."""
    name = _packages.get(root, root)
    return (
        adapter_named(name) if name in _loaded or (name in TABLE and root in sys.modules) else None
    )


def adapter_named(name: str) -> Adapter:
    """Return the adapter of that name, imported if need be."""
    adapter = _loaded.get(name)
    if adapter is None and name in TABLE:
        adapter = _loaded.setdefault(name, _import(name, TABLE[name]))
    elif adapter is None and name in plugins.names():
        register(plugins.load(name))
        adapter = _loaded.get(name)
    adapter = adapter or _in_namespace(name)
    if adapter is None:
        raise errors.UnknownFrameworkError(hints.of_name(name, _all_names()))
    return adapter


def register(adapter: Adapter) -> None:
    """Add a framework for this process; as an entry point of the group ``interop.adapters``, for every one.

    Parameters
    ----------
    adapter : interop.adapter.Adapter
        An instance. Arrays of its `array_type` and of all subclasses belong to it from now on.

    Raises
    ------
    InvalidOptionError
        It is no adapter, or another one has its name.
    """
    if not isinstance(cast("object", adapter), Adapter):
        msg = f"register takes an instance of a subclass of interop.adapter.Adapter, not {text.short_repr(adapter)}"
        raise errors.InvalidOptionError(msg)
    with _lock:
        new, old = full_name(type(adapter)), _registered_class(adapter.name)
        if old not in (None, new):
            msg = f"two adapters are called {adapter.name!r}: {old} and {new}. Rename or uninstall one."
            raise errors.InvalidOptionError(msg)
        _loaded[adapter.name] = adapter
        _names[full_name(adapter.array_type)] = adapter.name
        _classes.clear()
        for listener in on_change:
            listener()


def known_names() -> list[str]:
    """Return the names of all frameworks that have an adapter, loaded or not."""
    return sorted(_all_names())


def loaded(name: str) -> Adapter | None:
    """Return the adapter of that name if it has been used."""
    return _loaded.get(name)


def loaded_adapters() -> list[Adapter]:
    """Return the adapters of shipped frameworks that this process has imported, NumPy among them; else none."""
    modules = {
        name: sys.modules.get(shipped.classes[0].rpartition(".")[0])
        for name, shipped in TABLE.items()
    }
    ready = [
        n
        for n, module in modules.items()
        if module and not getattr(module.__spec__, "_initializing", False)
    ]
    return [adapter_named(name) for name in ready] if "numpy" in ready else []


# -- looking up ----------------------------------------------------------------------------------------------------


def _is_name(name: str) -> bool:
    """Whether it is a framework's; only if it is none of the known, the installed packages are searched for it."""
    return name in TABLE or name in _loaded or name in plugins.names()


def _of_module(to: ModuleType) -> Adapter:
    """Return the adapter of a framework's module, of a namespace, or of the package that a module is in."""
    parts = to.__name__.split(".")
    name = parts[0] if _is_name(parts[0]) else parts[-1]
    adapter = (
        adapter_named(name) if _is_name(name) else _in_namespace(to) or _in_namespace(parts[0])
    )
    if adapter is None:
        raise errors.UnknownFrameworkError(
            hints.of_module(to.__name__, namespaces.why_not(to), _all_names())
        )
    return adapter


def _in_namespace(to: str | ModuleType) -> Adapter | None:
    """Return the adapter of a namespace without one: made on the fly, unless its arrays are somebody's already."""
    adapter = namespaces.find(to)
    return adapter and (adapter_of(adapter.array_type) or adapter)


def _all_names() -> set[str]:
    return {*TABLE, *_loaded, *plugins.names()}


def full_name(cls: type) -> str:
    """Return the module-qualified name of a class."""
    return f"{cls.__module__}.{cls.__qualname__}"


def _registered_class(name: str) -> str | None:
    if name in TABLE:
        return TABLE[name].module
    return full_name(type(_loaded[name])) if name in _loaded else None


def _name_of(cls: type) -> str | None:
    return next((_names[full] for full in map(full_name, cls.__mro__) if full in _names), None)


def _name_in_plugins(cls: type) -> str | None:
    """Load the plugins that are called like a package the class comes from, and no other; then look again."""
    roots = {base.__module__.partition(".")[0] for base in cls.__mro__} - {"builtins"}
    for root in roots & plugins.names() if roots else ():
        register(plugins.load(root))
    return _name_of(cls)


def _import(name: str, shipped: ShippedAdapter) -> Adapter:
    try:
        return cast("Adapter", importlib.import_module(shipped.module).adapter)
    except ImportError as error:
        absent = isinstance(error, ModuleNotFoundError) and error.name == name
        problem = f"{name} is not installed" if absent else f"{name} cannot be imported ({error})"
        msg = f"{problem}. Install it with: pip install '{shipped.install}'"
        raise errors.FrameworkNotInstalledError(msg, name=name) from error


# -- arrays of no known framework ------------------------------------------------------------------------------------


def _open_foreign(x: Any, target: Adapter | None) -> Operand:
    """Open what speaks `__dlpack__`, `__cuda_array_interface__`, the buffer protocol, ... as an array we know."""
    protocol = importlib.import_module(_PROTOCOL)
    class_name = class_name_of(x)
    try:
        array = protocol.open(x)
    except (errors.InteropError, MemoryError):
        raise
    except Exception as error:  # a class may be so odd that it can't be asked at all
        msg = f"{class_name} offers its memory, but asked for it, it answers {errors.quote(error)}"
        raise errors.UnsupportedArrayError(msg) from error
    if array is None:
        wanted = target.name if target else "numpy"
        raise errors.NotAnArrayError(
            object_hints.of_object(x, wanted, lambda item: is_array(type(item)))
        )
    return Operand(adapter_of(type(array)) or protocol.adapter, array, class_name)
