"""Array-API namespaces without an adapter, as targets.

A module is tried out. A name is imported only if the source of an installed package says that the
package is a namespace: a misspelled name must not run the code of any package (decision 0020).
"""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final

from interop import errors
from interop._identify.locked import locked
from interop._model import text

if TYPE_CHECKING:
    from interop.adapter import Adapter

_ADAPTER: Final = "interop.adapters.namespace.adapter"
_TRIALS: Final = "interop.adapters.namespace.trials"
_MAKERS: Final = ("from_dlpack", "asarray")
_MARK: Final = "__array_namespace_info__"
"""The function that the standard requires of a namespace, since version 2023.12."""
_METHOD: Final = "__array_namespace__"
"""The method that the standard requires of an array."""

_adapters: Final[dict[ModuleType, Adapter]] = {}
# An adapter holds its module, so weak keys would free nothing. A full table is emptied.
_MAX_ADAPTERS: Final = 64


def find(to: str | ModuleType) -> Adapter | None:
    """Return an adapter made on the fly for a module or a name, or None if there is no namespace.

    Raises
    ------
    FrameworkNotInstalledError
        The package is installed, but importing the package fails.
    """
    module = _module(to) if isinstance(to, str) else to
    if module is None or not any(hasattr(module, maker) for maker in _MAKERS):
        return None
    adapter = _adapters.get(module)
    if adapter is None:
        adapter = importlib.import_module(_ADAPTER).make_adapter(module)
        if adapter is None:
            return None
        with locked():
            if len(_adapters) >= _MAX_ADAPTERS:
                _adapters.clear()
            # Two threads may try one module, and both must use one adapter.
            adapter = _adapters.setdefault(module, adapter)
    return adapter


def of(x: Any) -> ModuleType | None:
    """Return the namespace of an array, or None if no valid namespace is named.

    A namespace is valid if it is a module that makes arrays of the array's class.
    """
    if issubclass(type(x), type) or not has_namespace(type(x)):
        return None
    try:
        module = x.__array_namespace__()
    except MemoryError:
        raise
    except Exception:  # noqa: BLE001 - a library may raise anything
        return None
    if not issubclass(type(module), ModuleType):
        return None
    adapter = find(module)
    if adapter is None or not issubclass(type(x), adapter.array_type):
        return None
    return module


def has_namespace(cls: type) -> bool:
    """Whether instances of a class are arrays by the array API standard."""
    # A metaclass may answer to every name, so the classes themselves are asked.
    return text.declared(cls, _METHOD) is not None


def why_not(module: ModuleType) -> str:
    """Return why a module is not accepted as a namespace: missing functions or a failed trial."""
    makers = [maker for maker in _MAKERS if hasattr(module, maker)]
    if not makers:
        return f"it has neither {' nor '.join(_MAKERS)}"
    return str(importlib.import_module(_TRIALS).why_not(module, makers))


def _module(name: str) -> ModuleType | None:
    """Return the module of that name. It is imported only if its source declares a namespace."""
    # For a module that is imported already, no code would run, so it needs no declaration.
    if name in sys.modules or not _is_declared(name):
        return sys.modules.get(name)
    try:
        return importlib.import_module(name)
    except MemoryError:
        raise
    except Exception as error:  # a package may raise anything
        reason = (
            f"{name} cannot be imported ({errors.quote(error)}), although its source says that it "
            "is an array-API namespace"
        )
        raise errors.FrameworkNotInstalledError(reason, target=name, name=name) from error


def _is_declared(name: str) -> bool:
    """Whether the source of an installed top-level package names the function of the standard.

    The source is read and not run.
    """
    # A dotted name is refused: finding a submodule would import the package.
    source = _source(name) if name.isidentifier() else None
    return source is not None and _MARK in source


def _source(name: str) -> str | None:
    """Return the source of a top-level package or module, or None."""
    # Importing this module is needed only for names of no known framework.
    from importlib.util import find_spec  # noqa: PLC0415

    try:
        spec = find_spec(name)
        if spec is None or spec.loader is None:
            return None
        source: str | None = spec.loader.get_source(name)  # type: ignore[attr-defined]
    except (AttributeError, ImportError, OSError, SyntaxError, ValueError):
        return None  # an extension module, or a source that cannot be decoded
    return source
