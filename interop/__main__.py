"""The doctor: what is here, and what each route between frameworks and devices really does. ``python -m interop``."""

from __future__ import annotations

import argparse
import json
import os
import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Final

import interop
from interop._doctor import measure, picture, report
from interop._doctor.routes import KINDS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from interop._doctor.routes import Matrix

_BROKEN_PIPE: Final = 128 + 13  # the exit code of a process that SIGPIPE ends
_DESCRIPTION: Final = """\
Say which frameworks are here and on which devices, convert a small array from everywhere to everywhere, and say what
each conversion was: zero-copy or a copy, and what kind of copy. Nothing is taken from the plan: memory is compared, and
values are read back.
"""
_KEYS: Final = """\
the keys of --json, which stay:
  interop      version, location, compiled ("in use", "turned off", "not built"; or why not), INTEROP_COMPILED (the
               environment variable, or null), also_owned_by (distributions that own a top-level interop, too)
  python, platform
  frameworks   a list: name, installed, loaded, version, compiled, devices; problem (why it has no device, or null)
  routes       a list: source and target ("torch cuda:0"; a framework that is nowhere: its name), kind, reason, bytes
  special      the same, of special arrays on the host; source says what is special ("read-only")
  warnings     a list of texts: what the frameworks warned of, and another distribution's top-level interop
  problems     a list of texts: why --check fails; empty if it doesn't
  kind is one of zero-copy, copy, device copy, host copy, unavailable, broken.

exit code: 0; 1 if --check finds a problem; 2 if an option is wrong or a file can't be written; 141 if the reader of
the output stops, as head does.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the doctor, and return its exit code."""
    options = _parse(arguments)
    matrix, warned = _measure()
    document = report.document(matrix, warned, interop.__version__)
    if options.svg is not None and not _write(options.svg, picture.draw(matrix.cells, KINDS)):
        return 2
    if options.json:
        print(json.dumps(document, indent=2))  # noqa: T201 - what a command is for
    elif options.svg != "-":
        report.show(report.sections(document, matrix))
    if not (options.check and matrix.problems):
        return 0
    if options.json or options.svg == "-":  # else it is on the screen already
        print(*document["problems"], sep="\n", file=sys.stderr)  # noqa: T201
    return 1


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        "python -m interop",
        description=_DESCRIPTION,
        epilog=_KEYS,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--json", action="store_true", help="print one JSON document instead, for a bug report"
    )
    parser.add_argument(
        "--svg",
        metavar="FILE",
        help="write the table of routes as a picture, too; - prints it instead",
    )
    parser.add_argument(
        "--check",
        action="store_true",
        help="end with exit code 1 if something installed doesn't work",
    )
    options = parser.parse_args(arguments)
    if options.json and options.svg == "-":
        parser.error("--json and --svg - both print to the standard output. Give --svg a file.")
    return options


def _measure() -> tuple[Matrix, list[str]]:
    """Measure, and collect what the frameworks warn of: old drivers, for example. No warning is an error here."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        matrix = measure.measure()
    texts = [f"{warning.category.__name__}: {warning.message}" for warning in caught]
    return matrix, list(dict.fromkeys(texts))


def _write(name: str, text: str) -> bool:
    """Write a file, as a whole or not at all; say why if that can't be done."""
    if name == "-":
        sys.stdout.write(text)
        return True
    try:
        _replace(Path(os.path.realpath(name)), text)
    except OSError as error:
        print(f"cannot write {name}: {error.strerror}", file=sys.stderr)  # noqa: T201
        return False
    return True


def _replace(path: Path, text: str) -> None:
    if path.exists() and not path.is_file():  # a folder, which is an error, or a device
        path.write_text(text, encoding="utf-8")
        return
    part = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        part.write_text(text, encoding="utf-8")
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def _run() -> int:
    """Run the doctor for a reader that may stop reading (``| head``): then the rest of the text is dropped."""
    try:
        code = main()
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(
            os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno()
        )  # the interpreter flushes once more at its end
        return _BROKEN_PIPE
    return code


if __name__ == "__main__":
    sys.exit(_run())
