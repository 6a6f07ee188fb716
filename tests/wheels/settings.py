"""The table [tool.cibuildwheel] of pyproject.toml, as far as `make wheels` uses it."""

import platform
import subprocess
import sys
import tomllib
from fnmatch import fnmatch
from pathlib import Path
from typing import Any, Final, NamedTuple

ROOT: Final = Path(__file__).resolve().parents[2]
FIRST_NUMPY: Final = {"3.11": "2.0.0", "3.12": "2.0.0", "3.13": "2.1.0", "3.14": "2.3.2"}
"""By Python: the first NumPy from 2.0 on that has wheels for it."""


class Settings(NamedTuple):
    """How to build a wheel and how to test it. cibuildwheel's documentation explains the fields."""

    environment: dict[str, str]
    extras: list[str]
    groups: list[str]
    test_environment: dict[str, str]
    commands: list[str]


def load(identifier: str) -> Settings:
    """Return the settings of a wheel such as "cp311-manylinux_x86_64"."""
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    table: dict[str, Any] = tomllib.loads(text)["tool"]["cibuildwheel"]
    for override in table["overrides"]:
        if any(fnmatch(identifier, pattern) for pattern in override["select"]):
            table |= override
    commands = table["test-command"]
    if isinstance(commands, str):
        commands = [commands]
    return Settings(
        environment=table["environment"],
        extras=table.get("test-extras", []),
        groups=table.get("test-groups", []),
        test_environment=table.get("test-environment", {}),
        commands=[command.format(project=ROOT) for command in commands],
    )


def identifiers() -> list[str]:
    """Return the wheels that cibuildwheel would build for this machine, without containers."""
    tool = str(Path(sys.executable).with_name("cibuildwheel"))
    command = [tool, "--print-build-identifiers", "--archs", "native", str(ROOT)]
    listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    other_libc = "manylinux"
    if platform.libc_ver()[0] == "glibc":
        other_libc = "musllinux"
    return [identifier for identifier in listed if other_libc not in identifier]
