"""The wheel and the sdist contain exactly the tracked files that users need."""

import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

SUFFIX = sysconfig.get_config_var("EXT_SUFFIX")
ROOT = Path(__file__).resolve().parents[1]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not (ROOT / ".git").exists(), reason="no git checkout to compare with"),
]


def run(*command: object, cwd: Path, fails: bool = False) -> str:
    """Return stdout and stderr of a command that must succeed, or must fail."""
    done = subprocess.run(
        [str(word) for word in command],
        cwd=cwd,
        text=True,
        stdout=-1,
        stderr=subprocess.STDOUT,
        check=False,
    )
    assert (done.returncode != 0) == fails, done.stdout
    return done.stdout


def tracked() -> set[str]:
    """Return every file of the checkout, uncommitted files included."""
    listed = run("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", cwd=ROOT)
    return {name for name in listed.split("\0") if (ROOT / name).is_file()}


def below(names: Iterable[str], *folders: str) -> set[str]:
    return {name for name in names if name.split("/")[0] in folders}


def build(project: Path) -> tuple[Path, Path]:
    """Build the sdist, and the wheel from the sdist."""
    run(sys.executable, "-m", "build", "--no-isolation", cwd=project)
    (sdist,) = project.glob("dist/*.tar.gz")
    (wheel,) = project.glob("dist/*.whl")
    return sdist, wheel


@pytest.fixture(scope="session")
def dists(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    copy = tmp_path_factory.mktemp("project")
    for name in tracked():
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, copy / name)
    # Untracked files, as in a working folder.
    for stale in (
        "build/lib/interop/stale.py",
        "docs/_build/html/stale.html",
        "tests/__pycache__/stale.pyc",
    ):
        (copy / stale).parent.mkdir(parents=True, exist_ok=True)
        (copy / stale).touch()
    return build(copy)


@pytest.fixture(scope="session")
def sdist(dists: tuple[Path, Path]) -> Path:
    return dists[0]


@pytest.fixture(scope="session")
def wheel(dists: tuple[Path, Path]) -> Path:
    return dists[1]


def files_of(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return {name for name in archive.namelist() if ".dist-info/" not in name}


class Venv(NamedTuple):
    """An environment without pip, into which the current environment's pip installs."""

    folder: Path

    @classmethod
    def make(cls, folder: Path) -> "Venv":
        run(sys.executable, "-m", "venv", "--without-pip", folder, cwd=folder)
        return cls(folder)

    @property
    def python(self) -> Path:
        return self.folder / "bin" / "python"

    def run(self, code: str, *, fails: bool = False) -> str:
        return run(self.python, "-c", code, cwd=self.folder, fails=fails).strip()

    def pip(self, *arguments: object) -> None:
        run(sys.executable, "-m", "pip", "--python", self.python, *arguments, cwd=self.folder)

    def install(self, wheel: Path) -> None:
        self.pip("install", "--no-deps", "--no-index", wheel)

    def uninstall(self, distribution: str) -> None:
        self.pip("uninstall", "--yes", distribution)


# The archives


def test_wheel_contains_the_tracked_python_files(wheel: Path) -> None:
    shipped = {name for name in tracked() if name.endswith((".py", ".pyi", "/py.typed"))}
    expected = below(shipped, "interop") | {
        f"interop/{name}" for name in below(shipped, "adapters")
    }
    assert {name for name in files_of(wheel) if not name.endswith(SUFFIX)} == expected
    assert "interop/py.typed" in expected


def test_wheel_contains_the_compiled_modules(wheel: Path) -> None:
    compiled = {name.removesuffix(SUFFIX) for name in files_of(wheel) if name.endswith(SUFFIX)}
    assert compiled == {"interop/_engine/_fastpath", "interop/adapters/torch/_native"}


def test_wheel_owns_one_import_package(wheel: Path) -> None:
    assert {name.split("/")[0] for name in files_of(wheel)} == {"interop"}


def test_wheel_has_the_license_and_no_project_url(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        (metadata,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        text = archive.read(metadata).decode()
        assert metadata.replace("METADATA", "licenses/LICENSE") in archive.namelist()
    assert "License-Expression: MIT" in text
    assert "Project-URL" not in text


def test_sdist_contains_the_tracked_files(sdist: Path) -> None:
    with tarfile.open(sdist) as archive:
        names = {member.name.partition("/")[2] for member in archive if member.isfile()}
    folders = ("interop", "adapters", "tests", "docs", "bench")
    assert below(names, *folders) == below(tracked(), *folders)
    beside = {"CHANGELOG.md", "CONTRIBUTING.md", "LICENSE", "MANIFEST.in", "Makefile", "README.md"}
    assert names >= beside | {"constraints.txt", "pyproject.toml"}
    assert "build/lib/interop/stale.py" not in names


# With and without a compiler


CONVERT = """
import os
os.environ["INTEROP_COMPILED"] = "{may}"
import interop, numpy as np
assert interop.to_numpy(memoryview(b"abc")).tolist() == [97, 98, 99]
a = np.ones(3)
assert interop.to_numpy(a) is a
(info,) = (info for info in interop.frameworks() if info.name == "numpy")
print(info.compiled)
"""


@pytest.fixture(scope="session")
def pure_wheel(sdist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the wheel that is built from the sdist without a C compiler."""
    folder = tmp_path_factory.mktemp("pure")
    pip = (
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--no-deps",
        "--no-build-isolation",
        "--no-index",
        sdist,
    )
    run("env", "CC=no-compiler-here", *pip, cwd=folder)
    (wheel,) = folder.glob("*.whl")
    return wheel


def test_wheel_built_without_a_compiler_has_the_same_python_files(
    wheel: Path, pure_wheel: Path
) -> None:
    assert files_of(pure_wheel) == {name for name in files_of(wheel) if not name.endswith(SUFFIX)}


@pytest.mark.parametrize("kind", ["wheel", "pure_wheel"])
def test_wheel_converts_with_and_without_compiled_modules(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    venv = Venv.make(tmp_path)
    venv.install(request.getfixturevalue(kind))
    show(venv, "numpy")
    assert venv.run(CONVERT.format(may=1)) == str(kind == "wheel")
    assert venv.run(CONVERT.format(may=0)) == "False"


# Beside a distribution that owns the top-level name `adapters`

OTHER = """
[build-system]
requires = ["setuptools"]
build-backend = "setuptools.build_meta"
[project]
name = "adapters"
version = "1.0"
[tool.setuptools]
packages = ["adapters"]
"""


@pytest.fixture(scope="session")
def other(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the wheel of a distribution named `adapters`."""
    project = tmp_path_factory.mktemp("other")
    (project / "pyproject.toml").write_text(OTHER)
    (project / "adapters").mkdir()
    (project / "adapters" / "__init__.py").write_text("OWNER = 'somebody else'\n")
    return build(project)[1]


OURS = "import interop, interop.adapters; print(interop.adapters.__name__)"
THEIRS = "import adapters; print(adapters.OWNER)"


@pytest.mark.parametrize("ours_first", [True, False])
def test_wheel_installs_beside_a_distribution_named_adapters(
    wheel: Path, other: Path, tmp_path: Path, ours_first: bool
) -> None:
    assert not files_of(wheel) & files_of(other)
    venv = Venv.make(tmp_path)
    for one in (wheel, other) if ours_first else (other, wheel):
        venv.install(one)
    assert venv.run(OURS) == "interop.adapters"
    assert venv.run(THEIRS) == "somebody else"

    venv.uninstall("adapters")
    assert venv.run(OURS) == "interop.adapters"
    assert "ModuleNotFoundError" in venv.run(THEIRS, fails=True)

    venv.install(other)
    venv.uninstall("array-interop")
    assert venv.run(THEIRS) == "somebody else"
    assert "ModuleNotFoundError" in venv.run(OURS, fails=True)


def test_adapters_folder_of_the_checkout_cannot_be_imported() -> None:
    said = run(sys.executable, "-c", "import adapters", cwd=ROOT, fails=True)
    assert re.search("^ImportError: .*interop.adapters", said, re.MULTILINE), said


# Type checking with the installed wheel

CONSUMER = """
import numpy as np
import interop

a = np.zeros(3)
reveal_type(interop.to_numpy(a))
reveal_type(interop.convert(a, "numpy"))
reveal_type(interop.to_torch(a))
reveal_type(interop.convert(a, "torch"))
reveal_type(interop.to_cupy(a))
reveal_type(interop.convert(a, "cupy"))
"""
NDARRAY, TENSOR, ANYTHING = r"(numpy\.)?ndarray\[.*", r"(torch\._tensor\.)?Tensor", "Any|Unknown"


@pytest.fixture(scope="session")
def venv(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Venv:
    venv = Venv.make(tmp_path_factory.mktemp("consumer"))
    venv.install(wheel)
    return venv


def show(venv: Venv, *names: str, folder: Path | None = None) -> None:
    """Make packages of the current environment importable without a second installation."""
    shown = folder or venv.folder / "shown"
    shown.mkdir(exist_ok=True)
    for name in names:
        (shown / name).symlink_to(Path(np.__file__).parents[1] / name)
    (site,) = venv.folder.glob("lib/python*/site-packages")
    (site / "frameworks.pth").write_text(f"{shown}\n")


@pytest.fixture(params=[True, False], ids=["with-torch", "without-torch"])
def with_torch(request: pytest.FixtureRequest, venv: Venv, tmp_path: Path) -> bool:
    """Make NumPy importable in the environment, with or without torch."""
    show(
        venv,
        *(("numpy", "torch", "typing_extensions.py") if request.param else ("numpy",)),
        folder=tmp_path,
    )
    return bool(request.param)


def check(types: list[str], *, with_torch: bool) -> None:
    tensor = TENSOR if with_torch else ANYTHING
    expected = (
        NDARRAY,
        NDARRAY,
        tensor,
        tensor,
        ANYTHING,
        ANYTHING,
    )  # CuPy is missing in both cases
    assert len(types) == len(expected), types
    for seen, pattern in zip(types, expected, strict=True):
        assert re.fullmatch(pattern, seen), types


@pytest.mark.requires("mypy", "torch")
def test_mypy_infers_the_result_types_of_the_installed_wheel(venv: Venv, with_torch: bool) -> None:
    (venv.folder / "consumer.py").write_text(CONSUMER)
    mypy = (sys.executable, "-m", "mypy", "--strict", "--python-executable", venv.python)
    said = run(*mypy, "consumer.py", cwd=venv.folder)
    check(re.findall('Revealed type is "(.*)"', said), with_torch=with_torch)


@pytest.mark.requires("pyright", "torch")
def test_pyright_infers_the_result_types_of_the_installed_wheel(
    venv: Venv, with_torch: bool
) -> None:
    (venv.folder / "consumer.py").write_text(CONSUMER)
    said = run(
        sys.executable, "-m", "pyright", "--pythonpath", venv.python, "consumer.py", cwd=venv.folder
    )
    check(re.findall('Type of ".*" is "(.*)"', said), with_torch=with_torch)
