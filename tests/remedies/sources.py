"""Extract the code in the package's messages from the source files, so that tests can run it."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

import interop

HOLE: Final = "\N{DOTTED CIRCLE}"
"""The placeholder for a value that an f-string or `str.format` inserts."""
ROOTS: Final = (
    "x|src|dst|file|interop|numpy|torch|cupy|jax|dask|PIL|SimpleITK|pandas|polars|pyarrow"
)
KEYWORDS: Final = (
    "casting", "chunks", "compute", "copy", "detach", "device", "dtype", "foreign", "host_copy", "max_host_bytes",
    "meta", "per_block", "readonly", "returns", "size", "stream",
)  # fmt: skip
_START: Final = re.compile(rf"(?<![-\w.@/])(?:{ROOTS})(?=[.[]\w)|(?<![-\w.@/])x(?=\[)")
_NAME: Final = re.compile(
    rf"\.(?:\w[\w{HOLE}]*|{HOLE}(?=\())"
)  # a full stop before a placeholder ends a sentence
_KEYWORD: Final = re.compile(
    rf"(?<![\w.(])(?:{'|'.join(KEYWORDS)})=(?:\"[^\"]*\"|'[^']*'|[\w{HOLE}]*)"
)
_COMMAND: Final = re.compile(r"pip install '?[-\w[\]]+'?")
_OURS: Final = (
    "x",
    "src",
    "dst",
    "interop",
)  # for other packages only calls are code, because messages name classes too
_PAIRS: Final = {"(": ")", "[": "]"}
_NOT_MESSAGES: Final = {
    "_model/html.py",
    "_doctor/picture.py",
    "testing/suite.py",
    "testing/lazy.py",
}
"""Files of drawings, and files of the conformance suites, whose assertions are no messages."""


class Fragment(NamedTuple):
    """A piece of code in a message, with the place of the message in the sources."""

    where: str
    code: str

    def is_in(self, text: str) -> bool:
        """Return whether a text contains the code, with any values for the placeholders."""
        return (
            re.search(re.escape(self.code).replace(re.escape(HOLE), ".+?"), text, re.DOTALL)
            is not None
        )


def fragments() -> Iterator[Fragment]:
    """Yield each piece of code in a string of the package that is not a docstring."""
    package = Path(interop.__file__).parent
    adapters = Path(interop.__file__).parents[1] / "adapters"
    for path in sorted([*package.rglob("*.py"), *adapters.rglob("*.py")]):
        if f"{path.parent.name}/{path.name}" not in _NOT_MESSAGES:
            for line, text in _strings(ast.parse(path.read_text(encoding="utf-8"))):
                if any(sign in text for sign in " ([="):  # not the name of a class or a module
                    yield from (
                        Fragment(f"{path.parent.name}/{path.name}:{line}", code)
                        for code in codes(text)
                    )


def codes(text: str) -> Iterator[str]:
    """Yield each piece of code in a text: calls, attributes of known names, keywords, commands."""
    end = 0
    for match in _START.finditer(text):
        if match.start() >= end:
            end = _end(text, match.end())
            code = text[match.start() : end]
            if "(" in code or "[" in code or code.partition(".")[0] in _OURS:
                yield code
            text = text[: match.start()] + " " * (end - match.start()) + text[end:]
    for pattern in (_KEYWORD, _COMMAND):
        yield from pattern.findall(text)


def _end(text: str, at: int) -> int:
    """Return the end of an expression that starts with a name and may have calls and indices."""
    while at < len(text):
        name = _NAME.match(text, at)
        if name:
            at = name.end()
        elif text[at] in _PAIRS:
            at = _closing(text, at)
        else:
            break
    return at


def _closing(text: str, at: int) -> int:
    depth = 0
    for i in range(at, len(text)):
        depth += (text[i] in "([") - (text[i] in ")]")
        if not depth:
            return i + 1
    return len(text)


def _strings(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Yield line and text of each string except docstrings, with an f-string as one text."""
    inner = {
        id(part)
        for node in ast.walk(tree)
        if isinstance(node, ast.JoinedStr)
        for part in node.values
    }
    docs = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if id(node) in inner or id(node) in docs:
            continue
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.lineno, re.sub(r"\{\w*\}", HOLE, node.value)
        elif isinstance(node, ast.JoinedStr):
            yield node.lineno, "".join(_part(value) for value in node.values)


def _part(value: ast.expr) -> str:
    return value.value if isinstance(value, ast.Constant) and isinstance(value.value, str) else HOLE
