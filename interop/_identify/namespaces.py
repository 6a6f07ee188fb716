"""Array-API namespaces that no adapter knows, as targets: which module a name may mean.

A module that is at hand is tried. A name imports nothing but an installed package whose source says that it is a
namespace: a misspelt one must not run a stranger's code (decision 0020).
"""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final

from interop import errors

if TYPE_CHECKING:
    from interop.adapter import Adapter

_ADAPTER: Final = "interop.adapters.namespace.adapter"
_TRIALS: Final = "interop.adapters.namespace.trials"
_MAKERS: Final = ("from_dlpack", "asarray")
_MARK: Final = "__array_namespace_info__"
"""The function that the standard asks of a namespace, since its version 2023.12."""

_METHOD: Final = "__array_namespace__"
"""The method that the standard asks of an array."""

_adapters: Final[dict[ModuleType, Adapter]] = {}


def find(to: str | ModuleType) -> Adapter | None:
    """Return an adapter made on the fly for a module, or for the one of that name; None if it is no namespace.

    Raises
    ------
    FrameworkNotInstalledError
        The package is installed, but importing it fails.
    """
    module = to if isinstance(to, ModuleType) else _module(to)
    if module is None or not any(hasattr(module, maker) for maker in _MAKERS):
        return None
    if module not in _adapters:
        adapter = importlib.import_module(_ADAPTER).make_adapter(module)
        if adapter is None:
            return None
        _adapters.setdefault(module, adapter)
    return _adapters[module]


def of(x: Any) -> ModuleType | None:
    """Return the namespace of an array, or None if no valid namespace is named.

    A namespace is valid if it is a module that makes arrays of the array's class.
    """
    if isinstance(x, type) or not has_namespace(type(x)):
        return None
    try:
        module = x.__array_namespace__()
    except Exception:  # noqa: BLE001 - a library may raise anything
        return None
    adapter = find(module) if isinstance(module, ModuleType) else None
    return module if adapter and isinstance(x, adapter.array_type) else None


def has_namespace(cls: type) -> bool:
    """Whether instances of a class are arrays by the array API standard."""
    if not hasattr(cls, _METHOD):
        return False
    return any(
        _METHOD in vars(base) for base in cls.__mro__
    )  # a metaclass may answer to every name


def why_not(module: ModuleType) -> str:
    """Return why a module is not accepted as a namespace: missing functions or a failed trial."""
    makers = [maker for maker in _MAKERS if hasattr(module, maker)]
    if not makers:
        return f"it has neither {' nor '.join(_MAKERS)}"
    return str(importlib.import_module(_TRIALS).why_not(module, makers))


def _module(name: str) -> ModuleType | None:
    """Return the module of that name: one that is imported, or a package that may be."""
    if name in sys.modules or not _says_so(name):
        return sys.modules.get(name)
    try:
        return importlib.import_module(name)
    except Exception as error:  # a package may raise anything
        msg = f"{name} cannot be imported ({error}), though its source says that it is an array-API namespace"
        raise errors.FrameworkNotInstalledError(msg, name=name) from error


def _says_so(name: str) -> bool:
    """Whether the source of an installed top-level package names the standard's function. It is read, not run."""
    if not name.isidentifier():  # to find a submodule is to import its package
        return False
    from importlib.util import find_spec  # noqa: PLC0415 - only for names that are nobody's

    try:
        spec = find_spec(name)
        source = spec.loader.get_source(name) if spec and spec.loader else None  # type: ignore[attr-defined]
    except (
        AttributeError,
        ImportError,
        OSError,
        SyntaxError,
        ValueError,
    ):  # it has none that could be read
        return False
    return _MARK in (source or "")
