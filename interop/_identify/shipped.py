"""The frameworks whose adapters are part of interop.

The table consists of strings, so that a look-up imports no framework.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Final, NamedTuple, cast

from interop import errors

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
    packages: tuple[str, ...] = ()
    """Other top-level packages that define dtypes or devices of the framework."""


# The first class of a row also shows whether the framework is imported (see
# `registry.loaded_adapters`). The further classes are other names, scalars and tracers.
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
        packages=("jaxlib",),
    ),
    "dask": ShippedAdapter(
        "interop.adapters.dask.adapter",
        ("dask.array.Array", "dask.array.core.Array", "dask.array._array_expr._collection.Array"),
        "array-interop[dask]",
    ),
}
_frameworks_of_packages: Final = {
    package: name for name, shipped in TABLE.items() for package in shipped.packages
}


def framework_of_package(package: str) -> str:
    """Return the framework that a top-level package is a part of, by default the package itself."""
    return _frameworks_of_packages.get(package, package)


def import_adapter(name: str) -> Adapter:
    """Import the shipped adapter of a framework.

    Raises
    ------
    FrameworkNotInstalledError
        The framework is not installed, or importing it fails.
    """
    shipped = TABLE[name]
    try:
        return cast("Adapter", importlib.import_module(shipped.module).adapter)
    except MemoryError:
        raise
    except Exception as error:  # a framework may raise anything, such as an OSError for a library
        reason = f"{name} cannot be imported ({error})"
        # If a dependency is missing instead, its name is in the text of the error.
        if isinstance(error, ModuleNotFoundError) and error.name == name:
            reason = f"{name} is not installed"
        hint = f"Install it with: pip install '{shipped.install}'"
        raise errors.FrameworkNotInstalledError(
            reason, target=name, hint=hint, name=name
        ) from error
