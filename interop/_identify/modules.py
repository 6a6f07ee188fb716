"""The module of a framework: whether it is installed and imported, and its version.

The name of a framework may also lead to another object: a mock of a test suite, an empty module, a
folder in the working directory, or a framework whose import is not complete. So each attribute is
read with a check of its type, and nothing here imports a framework.
"""

from __future__ import annotations

import sys
from typing import Any

from interop import errors


def is_imported(module_name: str) -> bool:
    """Whether a module has been imported completely."""
    return sys.modules.get(module_name) is not None and not is_importing(module_name)


def is_importing(module_name: str) -> bool:
    """Whether the import of a module has begun, in any thread, and has not ended."""
    spec = read(sys.modules.get(module_name), "__spec__")
    # importlib sets this private flag during an import. An attribute of a mock is not a bool.
    return read(spec, "_initializing") is True


def is_installed(name: str) -> bool:
    """Whether a top-level package can be imported. A folder without Python files is no package."""
    if sys.modules.get(name) is not None:
        return True
    # Importing this module takes longer than importing interop.
    from importlib.util import find_spec  # noqa: PLC0415

    with errors.ignored_refusals:  # a finder of another library may raise anything
        spec = find_spec(name)
        return spec is not None and spec.origin is not None
    return False


def folder_without_code(name: str) -> str | None:
    """Return the folder that an import of a name has found, if the folder has no ``__init__.py``.

    Such a folder is a namespace package. Examples are a folder in the working directory, and the
    rest of a package that was uninstalled.
    """
    module = sys.modules.get(name)
    if read(module, "__file__") is not None:
        return None
    with errors.ignored_refusals:
        return str(next(iter(read(module, "__path__"))))
    return None


def version(name: str) -> str | None:
    """Return the version of an installed framework, or None if it cannot be found."""
    # The module comes first: the distribution may have another name, such as cupy-cuda12x.
    stated = read(sys.modules.get(name), "__version__")
    if isinstance(stated, str):
        return stated
    # Imported here, because this import takes longer than the import of interop.
    from importlib import metadata  # noqa: PLC0415

    with errors.ignored_refusals:  # the metadata may be missing or damaged
        return metadata.version(name)
    return None


def read(module: Any, attribute: str, default: Any = None) -> Any:
    """Return an attribute of an object in `sys.modules`, or the default after any error."""
    with errors.ignored_refusals:
        return getattr(module, attribute)
    return default
