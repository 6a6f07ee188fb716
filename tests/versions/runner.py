"""Make one environment with uv, run the tests in it, and delete it."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from time import perf_counter
from typing import Final, NamedTuple
from xml.etree import ElementTree as ET

from versions.environments import Environment

ROOT: Final = Path(__file__).resolve().parents[2]
FOLDER: Final = ROOT / ".venv-range" / "environments"
CACHE: Final = ROOT / ".venv-range" / "cache"
"""The cache of uv, beside the environments, so that packages are linked instead of copied."""
_SHOWN: Final = {"numpy", "torch", "jax", "dask", "array-api-compat", "ml-dtypes", "cupy-cuda12x"}
"""The packages whose versions are printed."""
_PYTEST: Final = (
    "-m", "pytest", "-q", "-p", "no:cacheprovider", "-m", "not slow",
    "-n", "auto", "--maxprocesses", "8", "--dist", "loadfile",
)  # fmt: skip


class Result(NamedTuple):
    """The counts of a run, and its times in seconds."""

    environment: str
    python: str
    passed: int
    skipped: int
    failed: int
    install: int
    tests: int


def run(environment: Environment, python: Path, arguments: list[str]) -> Result:
    """Make an environment, run the tests in it, and delete it."""
    folder = FOLDER / environment.name
    print(f"=== {environment.name}: {environment.title}", flush=True)
    try:
        start = perf_counter()
        own = install(environment, python, folder)
        installed = perf_counter()
        passed, skipped, failed = run_tests(environment, own, arguments)
        tested = perf_counter()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        if os.environ.get("CI"):  # the next environment needs the space
            shutil.rmtree(CACHE, ignore_errors=True)
    return Result(
        environment.name, environment.python, passed, skipped, failed,
        install=round(installed - start), tests=round(tested - installed),
    )  # fmt: skip


def install(environment: Environment, python: Path, folder: Path) -> Path:
    """Make an environment with the checkout, its extras and the tools of the tests.

    The tools come second, with the versions of the first step as constraints. So they decide no
    version of a framework. Returns the interpreter of the environment.
    """
    uv("venv", "--clear", "--python", str(python), str(folder))
    own = folder / "bin" / "python"
    into = ("pip", "install", "--python", str(own))
    resolution = ("--resolution", environment.resolution)
    uv(*into, *resolution, "--editable", environment.requirement, *environment.packages)
    frozen = uv("pip", "freeze", "--exclude-editable", "--python", str(own))
    print(*(pin for pin in frozen.split() if pin.partition("==")[0] in _SHOWN), flush=True)
    constraints = folder / "constraints.txt"
    constraints.write_text(frozen, encoding="utf-8")
    uv(*into, "--constraint", str(constraints), "--group", "test", "--editable", "tests/plugin")
    for sdist in environment.sdists:
        download(sdist, folder / "src")
    return own


def download(sdist: str, folder: Path) -> None:
    """Download a source distribution, which uv cannot do."""
    name = sdist.partition("==")[0]
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
    command = [*pip, "--no-deps", "--no-binary", name, sdist, "--dest", str(folder)]
    # With this variable, the setup.py of CuPy does not look for CUDA.
    environ = os.environ | {"CUPY_INSTALL_USE_STUB": "1"}
    subprocess.run(command, env=environ, check=True)


def run_tests(environment: Environment, python: Path, arguments: list[str]) -> tuple[int, int, int]:
    """Run pytest, and return the numbers of tests that passed, were skipped and failed."""
    report = FOLDER / f"{environment.name}.xml"
    report.unlink(missing_ok=True)
    environ = os.environ | environment.environ
    environ["INTEROP_REQUIRE"] = ",".join(environment.require)
    # Tests that are named on the command line take the place of the environment's own.
    named = any(argument.startswith("tests/") for argument in arguments)
    tests = () if named else environment.tests
    command = [str(python), *_PYTEST, f"--junit-xml={report}", *tests, *arguments]
    returned = subprocess.run(command, cwd=ROOT, env=environ, check=False).returncode
    passed, skipped, failed = _read_counts(report)
    if returned and not failed:  # pytest itself has failed
        failed = 1
    return passed, skipped, failed


def _read_counts(report: Path) -> tuple[int, int, int]:
    if not report.exists():
        return 0, 0, 0
    (suite,) = ET.parse(report).getroot()  # noqa: S314 - written by our own pytest
    total, skipped, failures, errors = (
        int(suite.attrib[name]) for name in ("tests", "skipped", "failures", "errors")
    )
    return total - skipped - failures - errors, skipped, failures + errors


def uv(*arguments: str) -> str:
    """Run uv with the Pythons of this machine only, and return its standard output."""
    defaults = {"UV_CACHE_DIR": str(CACHE), "UV_PYTHON_DOWNLOADS": "never"}
    command = [str(Path(sys.executable).with_name("uv")), "--quiet", *arguments]
    done = subprocess.run(
        command, cwd=ROOT, env=defaults | os.environ, stdout=subprocess.PIPE, text=True, check=True
    )
    return done.stdout
