"""The frameworks whose adapters are part of interop.

The table consists of strings, so that a look-up imports no framework.
"""

from __future__ import annotations

import importlib
import sys
from typing import TYPE_CHECKING, Final, NamedTuple

from interop import errors
from interop._identify import modules
from interop._model import text

if TYPE_CHECKING:
    from interop.adapter import Adapter


class ShippedAdapter(NamedTuple):
    """The location of a shipped adapter, and the names that identify the framework."""

    module: str
    """Module with the instance `adapter`."""
    classes: tuple[str, ...]
    """Full names of the classes of arrays."""
    install: str
    """Requirement that pip installs."""
    oldest: str
    """The oldest version of the framework that interop supports."""
    packages: tuple[str, ...] = ()
    """Other top-level packages that define dtypes or devices of the framework."""


# The first class of a row also shows whether the framework is imported (see
# `registry.loaded_adapters`). The further classes are other names, scalars and tracers.
TABLE: Final[dict[str, ShippedAdapter]] = {
    "numpy": ShippedAdapter(
        "interop.adapters.numpy.adapter", ("numpy.ndarray", "numpy.generic"), "numpy", "2.0"
    ),
    "torch": ShippedAdapter(
        "interop.adapters.torch.adapter", ("torch.Tensor",), "array-interop[torch]", "2.5"
    ),
    "cupy": ShippedAdapter(
        "interop.adapters.cupy.adapter", ("cupy.ndarray",), "array-interop[cupy]", "13.6"
    ),
    "jax": ShippedAdapter(
        "interop.adapters.jax.adapter",
        # The module of the class has changed in JAX 0.6.1. A tracer stands for an array while
        # JAX traces a function.
        (
            "jax.Array",
            "jax.jaxlib._jax.Array",
            "jaxlib.xla_extension.ArrayImpl",
            "jax._src.core.Tracer",
        ),
        "array-interop[jax]",
        "0.6",
        packages=("jaxlib",),
    ),
    "dask": ShippedAdapter(
        "interop.adapters.dask.adapter",
        ("dask.array.Array", "dask.array.core.Array", "dask.array._array_expr._collection.Array"),
        "array-interop[dask]",
        "2024.10",
    ),
}
_frameworks_of_packages: Final = {
    package: name for name, shipped in TABLE.items() for package in shipped.packages
}


def framework_of_package(package: str) -> str:
    """Return the framework that a top-level package is a part of, by default the package itself."""
    return _frameworks_of_packages.get(package, package)


def framework_module(name: str) -> str:
    """Return the module of a shipped framework that defines the class of arrays."""
    return TABLE[name].classes[0].rpartition(".")[0]


def import_adapter(name: str) -> Adapter:
    """Import the shipped adapter of a framework.

    Raises
    ------
    FrameworkNotInstalledError
        The framework is not installed, or cannot be used here: importing it fails, a part that
        interop needs is missing, or another module has its name.
    """
    row = TABLE[name]
    try:
        adapter: Adapter = importlib.import_module(row.module).adapter
        _check_array_type(adapter, row)
    except MemoryError:
        raise
    except Exception as error:  # a framework may raise anything, such as an OSError for a library
        reason = _why_not_usable(name, error)
        raise errors.FrameworkNotInstalledError(reason, target=name, name=name) from error
    return adapter


def forget_adapter(name: str) -> None:
    """Remove the modules of a shipped adapter, which have attributes of a framework's module."""
    package = ".".join(TABLE[name].module.split(".")[:3])
    for module in list(sys.modules):
        if module == package or module.startswith(f"{package}."):
            sys.modules.pop(module, None)


def _check_array_type(adapter: Adapter, row: ShippedAdapter) -> None:
    """Refuse a module that only has the name of a framework, such as a mock."""
    cls = adapter.array_type
    # The class is asked, because a mock may state any `__class__`.
    if not issubclass(type(cls), type) or text.full_name(cls) not in row.classes:
        raise TypeError(f"{row.classes[0]} is not the class of this framework")


def _why_not_usable(name: str, error: Exception) -> errors.Reason:
    row = TABLE[name]
    install = f"Install it with: pip install '{row.install}'"
    # If a dependency is missing instead, its name is in the text of the error.
    if isinstance(error, ModuleNotFoundError) and error.name == name:
        return errors.Reason(f"{name} is not installed", install)
    if name not in sys.modules:
        return errors.Reason(f"{name} cannot be imported ({errors.quote(error)})", install)
    folder = modules.folder_without_code(name)
    if folder is not None:
        reason = f"{name} is not installed: the folder {folder} has its name and no __init__.py"
        return errors.Reason(reason, install)
    if modules.is_importing(name) or modules.is_importing(framework_module(name)):
        reason = f"the import of {name} has not ended ({errors.quote(error)})"
        return errors.Reason(reason, "Convert after the import.")
    found = f"{name} {modules.version(name) or 'of an unknown version'}"
    return errors.Reason(
        f"{found} cannot be used here ({errors.quote(error)})",
        f"interop supports {name} {row.oldest} or later. {install}",
    )
