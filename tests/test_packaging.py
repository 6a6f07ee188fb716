"""The wheel and the sdist contain exactly the tracked files that users need."""

import re
import sys
import sysconfig
import tarfile
import zipfile
from pathlib import Path

import pytest

from distributions import (
    HAS_GIT,
    NO_COMPILER,
    ROOT,
    Venv,
    below,
    build,
    build_wheel,
    copy_project,
    run,
    show,
    tracked,
)

SUFFIX = sysconfig.get_config_var("EXT_SUFFIX")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not HAS_GIT, reason="no git checkout to compare with"),
]


@pytest.fixture(scope="session")
def dists(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    copy = tmp_path_factory.mktemp("project")
    copy_project(copy)
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


def test_archives_are_named_after_the_distribution(sdist: Path, wheel: Path) -> None:
    python = f"cp{sys.version_info.major}{sys.version_info.minor}"
    assert re.fullmatch(r"array_interop-[\d.]+\.tar\.gz", sdist.name)
    assert re.fullmatch(rf"array_interop-[\d.]+-{python}-{python}-\w+\.whl", wheel.name)


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
print(info.compiled, info.not_compiled, sep=": ")
"""


@pytest.fixture(scope="session")
def pure_build(sdist: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """Build the wheel from the sdist without a C compiler, and return it and the output of pip."""
    folder = tmp_path_factory.mktemp("pure")
    said = build_wheel(sdist, folder, *NO_COMPILER)
    (wheel,) = folder.glob("*.whl")
    return wheel, said


@pytest.fixture(scope="session")
def pure_wheel(pure_build: tuple[Path, str]) -> Path:
    return pure_build[0]


def test_build_without_a_compiler_warns_about_each_extension(
    pure_build: tuple[Path, str],
) -> None:
    warned = re.findall(r'warning: .*building extension "(.*)" failed', pure_build[1])
    assert warned == ["interop._engine._fastpath", "interop.adapters.torch._native"]


def test_build_with_required_extensions_fails_without_a_compiler(
    sdist: Path, tmp_path: Path
) -> None:
    said = build_wheel(sdist, tmp_path, *NO_COMPILER, "INTEROP_EXTENSIONS=required", fails=True)
    assert "no-compiler-here" in said
    assert not list(tmp_path.glob("*.whl"))


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
    on, off = (venv.run(CONVERT.format(may=may)) for may in "10")
    if kind == "wheel":
        assert on == "True: None"
        assert off == "False: INTEROP_COMPILED=0 is set. Unset this environment variable."
    else:
        assert on == off
        assert on.startswith("False: the extension modules were not built when interop was")


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
