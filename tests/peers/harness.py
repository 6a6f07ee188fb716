"""A pytest plugin that runs another project's tests with interop in place of the project's code.

The environment variable PEER names a module of this folder, which installs interop. See README.md.
"""

from __future__ import annotations

import functools
import importlib
import json
import os
import re
import sys
from collections import Counter
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping

calls: Final[list[str]] = []
"""The names of interop's functions that the suite has called, in order."""
_outcomes: Final[dict[str, str]] = {}
_reached: Final[set[str]] = set()
_marked: Final[dict[str, str]] = {}
"""The tests named in our tables, with their expected outcomes (besides the suite's own xfails)."""


def counted(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that counts its calls."""

    @functools.wraps(function)
    def counting(*args: Any, **keywords: Any) -> Any:
        calls.append(function.__name__)
        return function(*args, **keywords)

    return counting


def replace_everywhere(old: Any, new: Any) -> None:
    """Replace a function in every module that has imported the function by name."""
    for module in list(sys.modules.values()):
        for name in [
            name for name, value in getattr(module, "__dict__", {}).items() if value is old
        ]:
            setattr(module, name, new)


class StandIn(ModuleType):
    """A module in which a few names are replaced."""

    def __init__(self, module: ModuleType, **replaced: Any) -> None:
        super().__init__(module.__name__)
        vars(self).update(replaced, _module=module)

    def __getattr__(self, name: str) -> Any:
        return getattr(vars(self)["_module"], name)


# -- hooks of pytest -------------------------------------------------------------------------------


def pytest_configure(config: pytest.Config) -> None:
    """Install interop before test modules load, and simulate CUDA before frameworks load."""
    if os.environ.get("INTEROP_SIMCUDA"):
        importlib.import_module("simcuda").load()
    config.pluginmanager.register(_peer())


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests that the tables of the module name."""
    _mark(
        items,
        _peer().DIFFERENCES,
        "differ",
        lambda reason: pytest.mark.xfail(reason=reason, strict=True),
    )
    _mark(items, _peer().NOT_HERE, "not here", lambda reason: pytest.mark.skip(reason=reason))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, Any, Any]:
    """Record whether a test calls interop."""
    before = len(calls)
    result = yield
    if len(calls) > before:
        _reached.add(item.nodeid)
    return result


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Record the result of a test. An error in setup or teardown counts as a failure."""
    if report.failed or report.skipped or report.when == "call":
        skipped = _marked.get(report.nodeid, "skipped")
        _outcomes[report.nodeid] = skipped if report.skipped else report.outcome


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Write the counts for the runner. An error outside of tests counts as a failure."""
    counts = Counter(_outcomes.values())
    if exitstatus and not counts["failed"]:
        counts["failed"] = max(session.testsfailed, 1)
    counts["call interop"] = sum(_outcomes.get(test) in ("passed", "differ") for test in _reached)
    counts["calls"] = len(calls)
    Path(os.environ["PEER_COUNTS"]).write_text(json.dumps(counts), encoding="utf-8")


def _peer() -> Any:
    return importlib.import_module(os.environ["PEER"])


def _mark(
    items: list[pytest.Item],
    table: Mapping[str, str],
    outcome: str,
    mark: Callable[[str], pytest.MarkDecorator],
) -> None:
    """Mark the tests whose id matches a pattern with ``*`` wildcards.

    A pattern without matches is an error.
    """
    for pattern, reason in table.items():
        expression = re.compile(re.escape(pattern).replace(r"\*", ".*"))
        chosen = [item for item in items if expression.fullmatch(item.nodeid.partition("::")[2])]
        if not chosen:
            msg = f"{os.environ['PEER']} names {pattern!r}, but the suite has no such test. Remove the entry."
            raise pytest.UsageError(msg)
        for item in chosen:
            item.add_marker(mark(reason))
            _marked[item.nodeid] = outcome
