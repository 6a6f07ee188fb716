"""The Python interpreters of this machine, by version."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Final

SUPPORTED: Final = ("3.11", "3.12", "3.13", "3.14")
"""The supported versions. pyproject.toml lists them, too."""
_ASK: Final = (
    "import sysconfig as s; print(s.get_python_version(), s.get_config_var('Py_GIL_DISABLED') or 0)"
)


def find(version: str) -> Path | None:
    """Return an interpreter of a version such as "3.12", or None.

    "newest" stands for the newest supported version that is found.
    """
    if version == "newest":
        return next(filter(None, map(find, reversed(SUPPORTED))), None)
    return next((path for path in _candidates(version) if _is_version(path, version)), None)


def _candidates(version: str) -> Iterator[Path]:
    """Yield programs that may be the interpreter, from pyenv's folder and from PATH."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    yield from pyenv.glob(f"versions/{version}.*/bin/python")
    on_path = shutil.which(f"python{version}")
    if on_path:
        yield Path(on_path)


def _is_version(path: Path, version: str) -> bool:
    """Return whether a program is an interpreter of a version, with a GIL.

    On PATH, pyenv has a program for each version. It fails if pyenv has not selected the version.
    """
    try:
        done = subprocess.run([path, "-c", _ASK], capture_output=True, text=True, check=False)
    except OSError:
        return False
    return done.stdout.split() == [version, "0"]
