"""The report of ``python -m interop`` as one document, which is printed as JSON."""

from __future__ import annotations

import os
import platform
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from interop._engine import fastpath
from interop._verbs.frameworks import frameworks

if TYPE_CHECKING:
    from collections.abc import Iterable

    from interop._doctor.routes import Matrix

_DISTRIBUTION: Final = "array-interop"
_PACKAGE: Final = Path(__file__).parents[1]


def document(matrix: Matrix, warned: Iterable[str], version: str) -> dict[str, Any]:
    """Return the report as values that JSON can store.

    ``python -m interop --help`` explains the keys.

    Parameters
    ----------
    matrix : Matrix
        The measured routes.
    warned : iterable of str
        The warnings of the frameworks.
    version : str
        The version of interop.
    """
    about = {
        "version": version,
        "location": str(_PACKAGE),
        "compiled": fastpath.why_no_compiled_module() or "in use",
        "INTEROP_COMPILED": os.environ.get("INTEROP_COMPILED"),
        "also_owned_by": _other_owners(),
    }
    infos = [info._asdict() | {"problem": matrix.absent.get(info.name)} for info in frameworks()]
    rest = {
        "python": f"{platform.python_version()} ({platform.python_implementation()})",
        "platform": platform.platform(),
        "frameworks": infos,
        "routes": [route._asdict() for route in matrix.routes],
        "special": [route._asdict() for route in matrix.special],
        "warnings": [*_owner_warnings(about["also_owned_by"]), *warned],
        "problems": matrix.problems,
    }
    return {"interop": about, **_without_home(rest)}


def _other_owners() -> list[str]:
    """Return the other distributions that own a top-level package `interop`."""
    from importlib.metadata import packages_distributions  # noqa: PLC0415 - a slow import

    return sorted(set(packages_distributions().get("interop", ())) - {_DISTRIBUTION})


def _owner_warnings(owners: Any) -> list[str]:
    return [
        f"the distribution {name} also owns a top-level package interop, and may have overwritten "
        "files of array-interop. Install array-interop into an environment without it."
        for name in owners
    ]


def _without_home(value: Any) -> Any:
    """Replace the home folder of the user by ``~`` in all texts, because reports are published.

    Reasons and warnings may contain paths of files.
    """
    home = os.path.expanduser("~")  # noqa: PTH111 - Path.home may raise an error
    if isinstance(value, dict):
        return {key: _without_home(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_without_home(item) for item in value]
    # Some containers have the home folder "/", which occurs in every path.
    if isinstance(value, str) and home != os.sep:
        return value.replace(home, "~")
    return value
