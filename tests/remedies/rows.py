"""A table row: a message, the call that provokes the message, and the code to run from the hint."""

from __future__ import annotations

import importlib
import re
import sys
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Final, NamedTuple, cast

import pytest

import interop

from .sources import codes

Code = str | Callable[[Any], object]
_KEYWORD: Final = re.compile(r"\w+=.*")


def nothing() -> dict[str, Any]:
    """Return no additional names."""
    return {}


class Row(NamedTuple):
    """A message of the package, and the code that the message offers.

    The code is run with the object as ``x``. A keyword is passed to the refused call. A context
    manager is entered around the call. A function is called with the object. Any other result must
    be convertible.
    """

    name: str
    make: Callable[[], Any]
    """A factory of the object in the message."""
    remedies: Mapping[str, Code]
    """The code in the message, mapped to the code that is run.

    Both are equal in most rows. `copy=None` is run for "leave copy=False out". A function of the
    object is run if the message leaves a part to the reader.
    """
    call: Callable[..., Any] = interop.to_torch
    """The call that provokes the message, and that takes the offered keywords."""
    words: tuple[str, ...] = ()
    """Code in the message that is not a remedy, or that another row runs."""
    more: Callable[[], dict[str, Any]] = nothing
    """A factory of further names that the code uses."""
    requires: tuple[str, ...] = ("torch",)

    def message(self, x: Any) -> str:
        """Provoke the message, and return the text with its notes."""
        with pytest.raises(Exception) as caught:  # noqa: PT011 - the row checks the text
            self.call(x)
        return "\n".join([str(caught.value), *getattr(caught.value, "__notes__", [])])


def row(name: str, make: Callable[[], Any], *remedies: str, **more: Any) -> Row:
    """Make a row. `runs` maps code in the message to the code that is run instead."""
    runs = more.pop("runs", {})
    return Row(name, make, {remedy: remedy for remedy in remedies} | runs, **more)


def params(rows: list[Row]) -> pytest.MarkDecorator:
    """Parametrise a test with rows, each with a mark for the required packages."""
    return pytest.mark.parametrize(
        "case",
        [pytest.param(one, id=one.name, marks=pytest.mark.requires(*one.requires)) for one in rows],
    )


def check_spelling(case: Row, x: Any) -> None:
    """Check that the message contains the row's code, and no other code."""
    message = case.message(x)
    offered = [*case.remedies, *case.words]
    assert [remedy for remedy in offered if remedy not in message] == [], message
    strange = [code for code in codes(message) if not any(code in remedy for remedy in offered)]
    assert strange == [], f"{message}\n\nis not run by the row"


def run(case: Row, x: Any, code: Code) -> None:
    """Run the code that a message offers."""
    if not isinstance(code, str):
        assert arrays(code(x)), "no array came out of it"
        return
    names = {"x": x, "interop": interop, **case.more()}
    for package in re.findall(r"\b(numpy|torch|jax|PIL)\b\.", code):
        importlib.import_module("PIL.Image" if package == "PIL" else package)
        names[package] = sys.modules[package]
    if code.startswith("pip install"):
        check_extra(code)
    elif code.startswith("@"):
        exec(  # noqa: S102
            f"import numpy\n{code}\ndef f(x): return x\nassert f(numpy.ones(3)).shape == (3,)",
            names,
        )
    elif _KEYWORD.fullmatch(code):
        case.call(x, **eval(f"dict({code})", names))  # noqa: S307 - our own words
    else:
        use(case, x, eval(code, names))  # noqa: S307 - our own words


def use(case: Row, x: Any, result: Any) -> None:
    """Use the result of the offered code as a user would."""
    if isinstance(result, AbstractContextManager) and not hasattr(result, "shape"):
        with cast("AbstractContextManager[Any]", result):
            case.call(x)
    elif callable(result) and not hasattr(result, "shape"):
        result(x)
    elif result is not None:  # a setting, such as in JAX, returns None
        assert arrays(result), result


def arrays(result: Any) -> list[Any]:
    """Return the ndarrays of a result, which may be an array or a tree."""
    if isinstance(result, (list, tuple, dict)):
        tree = interop.convert_tree(result, "numpy", foreign=True, detach=True)
        children = list(tree.values()) if isinstance(tree, dict) else list(tree)
        return [array for child in children for array in arrays(child)]
    try:
        return [interop.to_numpy(result, detach=True)]
    except interop.NotAnArrayError:
        return []


def check_extra(command: str) -> None:
    """Check that the package to install is an extra of this distribution, or in an extra."""
    pyproject = (Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8")
    package = command.removeprefix("pip install ").strip("'")
    extra = re.fullmatch(r"array-interop\[([\w-]+)\]", package)
    assert re.search(
        rf"^{extra[1]} = \[" if extra else rf'"{package}\b', pyproject, re.MULTILINE
    ), command
