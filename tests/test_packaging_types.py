"""Type checkers infer the result types from the installed wheel."""

import re
import sys
from pathlib import Path

import pytest

from distributions import HAS_GIT, NO_COMPILER, Venv, build_wheel, copy_project, run, show

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not HAS_GIT, reason="no git checkout to build"),
]

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
def venv(tmp_path_factory: pytest.TempPathFactory) -> Venv:
    project = tmp_path_factory.mktemp("project")
    copy_project(project)
    built = tmp_path_factory.mktemp("built")
    build_wheel(project, built, *NO_COMPILER)  # types need no extensions
    (wheel,) = built.glob("*.whl")
    venv = Venv.make(tmp_path_factory.mktemp("consumer"))
    venv.install(wheel)
    return venv


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
