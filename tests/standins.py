"""Stand-ins for packages that are not installed, in test modules.

A test module may import any framework at its top, and has tests for NumPy as well. If a framework
is missing, its import in a file of this folder gives a stand-in. While tests are collected, each
attribute, each call and each item of a stand-in is another one. A test that uses one is skipped:
"requires torch". interop itself gets no stand-in, so for interop the framework is not installed.
"""

import builtins
import re
import traceback
from collections.abc import Collection
from pathlib import Path
from typing import Any, Final, NoReturn

import pytest

import interop

folders: list[str] = [str(Path(__file__).parent)]
"""Folders whose files get stand-ins."""
running: list[str] = []
"""The test that runs now, if there is one: otherwise tests are collected."""
_ABSENT: Final = re.compile(
    r'  File "<string>", .*\n(?:.*\n)?ModuleNotFoundError: No module named .(\w+)'
)
"""An import in the code of the child itself, and not in interop, that fails."""
missing: Final[set[str]] = set()
"""Top-level packages that have stand-ins."""


class StandIn:
    """A module that is missing, or anything in it."""

    def __init__(self, name: str) -> None:
        self._name = name

    def _use(self, *_: Any, **__: Any) -> Any:
        if running:
            skip(self._name)
        return StandIn(self._name)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        if running:
            skip(self._name)
        return StandIn(f"{self._name}.{name}")

    def __mro_entries__(self, bases: tuple[Any, ...]) -> tuple[type, ...]:
        """Let a test module define a subclass, which has no base class then."""
        return ()

    def __iter__(self) -> Any:
        if running:
            skip(self._name)
        return iter(())

    def __repr__(self) -> str:
        return self._name

    __call__ = __getitem__ = __or__ = __ror__ = __add__ = __mul__ = __matmul__ = _use
    __neg__ = __instancecheck__ = __enter__ = __exit__ = _use


def skip(name: str) -> NoReturn:
    """Skip the test that uses a missing package or a part of it."""
    pytest.skip(f"requires {name.partition('.')[0]}")


def names_in(value: Any) -> set[str]:
    """Return the missing packages that a parameter of a test names or contains."""
    if isinstance(value, StandIn):
        return {value._name.partition(".")[0]}
    if isinstance(value, str):
        return missing & {value, value.partition(".")[0]}
    if isinstance(value, tuple):
        return set().union(*map(names_in, value))
    return set()


def skip_if_child_lacks(stderr: str) -> None:
    """Skip a test whose child process has ended because its code imports a missing package."""
    absent = _ABSENT.search(stderr)
    if absent and absent[1] in missing:
        skip(absent[1])


def installed(*names: str) -> list[str]:
    """Return the packages that are not missing, for a test that loops over frameworks."""
    return [name for name in names if name not in missing]


real_import: Final = builtins.__import__


def install(names: Collection[str], folder: str) -> None:
    """Give stand-ins for missing packages to the files of a folder."""
    missing.update(names)
    folders.append(folder)
    if not missing:
        return

    def import_or_stand_in(
        name: str, namespace: Any = None, local: Any = None, fromlist: Any = (), level: int = 0
    ) -> Any:
        try:
            return real_import(name, namespace, local, fromlist, level)
        except ModuleNotFoundError as error:
            top = (error.name or "").partition(".")[0]
            if top not in missing or not _is_here((namespace or {}).get("__file__")):
                raise
        if running:
            skip(top)
        # `from array_api_compat import torch` is the import of another package.
        is_inside = name.startswith(f"{top}.") and fromlist
        return StandIn(name if is_inside else top)

    builtins.__import__ = import_or_stand_in  # type: ignore[assignment]


def _is_here(file: Any) -> bool:
    return isinstance(file, str) and file.startswith(tuple(folders)) and file != __file__


def skip_if_asked_for(error: interop.FrameworkNotInstalledError, test: str) -> None:
    """Skip a test if its name or its own line, ``interop.to_torch(x)``, has the missing framework.

    An error for a framework that the test does not name is a fault of interop.
    """
    frames = traceback.extract_tb(error.__traceback__)
    lines = [frame.line or "" for frame in frames if _is_here(frame.filename)]
    if error.name in missing and any(error.name in text for text in (test, *lines[-1:])):
        skip(error.name)


class Module(pytest.Module):
    """A test module that is skipped if it converts to a missing framework while it is imported."""

    def collect(self) -> Any:
        try:
            return super().collect()
        except self.CollectError as error:
            cause = error.__cause__
            if (
                not isinstance(cause, interop.FrameworkNotInstalledError)
                or cause.name not in missing
            ):
                raise
            pytest.skip(f"requires {cause.name}", allow_module_level=True)
