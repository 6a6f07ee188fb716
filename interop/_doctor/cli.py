"""The command line of ``python -m interop``: options, files and exit codes."""

from __future__ import annotations

import argparse
import json
import os
import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Final

from interop._doctor import measure, picture, report, tables, terminal
from interop._doctor.routes import KINDS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from interop._doctor.routes import Matrix

_BROKEN_PIPE: Final = 128 + 13  # the exit code of a process that SIGPIPE ends
_DESCRIPTION: Final = """\
List the installed frameworks and their devices, convert a small array between all of them, and
report each conversion: zero-copy or a copy, and what kind of copy. The report does not rely on the
plan. The command checks whether memory is shared, and reads the values back.
"""
_KEYS: Final = """\
keys of --json (these keys are stable):
  interop      version, location, compiled ("in use", or why the compiled fast path is off and what
               to do), INTEROP_COMPILED (the environment variable, or null),
               also_owned_by (other distributions with a top-level package interop)
  python, platform
  frameworks   a list: name, installed, loaded, version, compiled, devices, not_compiled (why
               the compiled fast path is off for the framework, or null), problem (why the framework
               has no device, or null)
  routes       a list: source and target ("torch cuda:0", or only the name of a framework without
               a device), kind, reason, bytes
  special      a list like routes, for special arrays on the host; source is what is special
               ("read-only")
  warnings     a list of texts: warnings of the frameworks, and of other distributions with a
               top-level package interop
  problems     a list of texts: the reasons why --check fails; empty if it succeeds
  kind is one of zero-copy, copy, device copy, host copy, unavailable, broken.

exit codes: 0 for success; 1 if --check finds a problem; 2 if an option is invalid or a file cannot
be written; 141 if the reader of the output stops reading, as head does.
"""


def main(arguments: Sequence[str] | None, version: str) -> int:
    """Measure all routes and print the report.

    Parameters
    ----------
    arguments : sequence of str, optional
        The command line, by default that of the process.
    version : str
        The version of interop, for the report.

    Returns
    -------
    int
        The exit code.
    """
    options = _parse(arguments)
    matrix, warned = _measure()
    document = report.document(matrix, warned, version)
    if options.svg is not None and not _write(options.svg, picture.draw(matrix.cells, KINDS)):
        return 2
    prints_data = options.json or options.svg == "-"
    if options.json:
        print(json.dumps(document, indent=2))  # noqa: T201 - the purpose of a command
    elif not prints_data:
        terminal.show(tables.sections(document, matrix))
    if not (options.check and matrix.problems):
        return 0
    if prints_data:  # the tables show the problems, but the data goes to a program
        print(*document["problems"], sep="\n", file=sys.stderr)  # noqa: T201
    return 1


def run_in_pipe(command: Callable[[], int]) -> int:
    """Run a command whose reader may stop reading (``| head``), and drop the rest of the output."""
    try:
        code = command()
        sys.stdout.flush()
    except BrokenPipeError:
        # The interpreter flushes the standard output once more when it ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _BROKEN_PIPE
    return code


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        "python -m interop",
        description=_DESCRIPTION,
        epilog=_KEYS,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--json", action="store_true", help="print one JSON document, for a bug report"
    )
    parser.add_argument(
        "--svg",
        metavar="FILE",
        help="also write a picture of the routes; with - print only the picture",
    )
    parser.add_argument(
        "--check",
        action="store_true",
        help="exit with code 1 if an installed framework does not work",
    )
    options = parser.parse_args(arguments)
    if options.json and options.svg == "-":
        parser.error("--json and --svg - both print to the standard output. Give --svg a file.")
    return options


def _measure() -> tuple[Matrix, list[str]]:
    """Measure all routes and collect the warnings of the frameworks, for example of old drivers.

    With ``python -W error``, a warning would end the measurement. So the filter is replaced.
    """
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        matrix = measure.measure()
    texts = [f"{warning.category.__name__}: {warning.message}" for warning in caught]
    return matrix, list(dict.fromkeys(texts))


def _write(name: str, text: str) -> bool:
    """Write a whole file, or print the reason for the failure and return False."""
    if name == "-":
        sys.stdout.write(text)
        return True
    try:
        # A symbolic link stays a link, and the file that it names is replaced.
        _replace(Path(os.path.realpath(name)), text)
    except OSError as error:
        print(f"cannot write {name}: {error.strerror}", file=sys.stderr)  # noqa: T201
        return False
    return True


def _replace(path: Path, text: str) -> None:
    """Replace a file in one step, so that a failure leaves the old file intact."""
    if path.exists() and not path.is_file():  # a device, or a folder, which raises the error
        path.write_text(text, encoding="utf-8")
        return
    # In the folder of the file, because a rename is one step only within a file system.
    part = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        part.write_text(text, encoding="utf-8")
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
