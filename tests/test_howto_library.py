"""The page `docs/howto/use_interop_in_your_library.md`: code blocks run, versions are current."""

import importlib.util
import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any, Final

import pytest

from pages import DOCS

ROOT: Final = DOCS.parent
PAGE: Final = (DOCS / "howto" / "use_interop_in_your_library.md").read_text(encoding="utf-8")
OURS: Final = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
MARKER: Final = "mypy and pyright report an error"
LINES_WITH_ERRORS: Final = (
    "normalize([1.0, 2.0])",
    'normalize(tensor, maximum="high")',
    'mirror(tensor, axis="rows")',
    "def flip(image: AnyArray) -> Any: return image.flip(0)",
)
ROW: Final = re.compile(r"^\| `([a-z-]+)` \| (`.*?`) \|", re.MULTILINE)
KINDS: Final = {"{code-cell}", "python", "shell", "toml", "yaml"}


def blocks(kind: str) -> list[str]:
    """Return the text of the page's code blocks of one kind."""
    return re.findall(rf"^```{re.escape(kind)}\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)


def only_block(kind: str) -> str:
    (text,) = blocks(kind)
    return text


def library() -> str:
    """Return the source of the page's library: all code cells together."""
    return "\n".join(blocks("{code-cell}"))


def run(*command: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        cwd=cwd,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def yourlib(tmp_path: Path) -> Path:
    """Return a folder with the library of the page as a module."""
    (tmp_path / "yourlib.py").write_text(library(), encoding="utf-8")
    return tmp_path


@pytest.fixture
def checked(tmp_path: Path) -> tuple[Path, list[int]]:
    """Return a folder with the library plus wrong lines, and the expected lines of errors."""
    lines = [*library().splitlines(), *LINES_WITH_ERRORS]
    (tmp_path / "yourlib.py").write_text("\n".join(lines) + "\n", encoding="utf-8")
    expected = [
        number
        for number, line in enumerate(lines, 1)
        if MARKER in line or line in LINES_WITH_ERRORS
    ]
    return tmp_path, expected


def test_page_has_no_other_kind_of_block() -> None:
    assert set(re.findall(r"^```(\S+)$", PAGE, re.MULTILINE)) == KINDS


@pytest.mark.requires("torch")
def test_cells_in_one_module_run(capsys: pytest.CaptureFixture[str]) -> None:
    exec(compile(library(), "yourlib", "exec"), {"__name__": "yourlib"})  # noqa: S102
    printed = capsys.readouterr().out
    assert "['ndarray', 'list', 'int', 'float32', 'NoneType', 'str', 'set']" in printed
    assert "equalize has no gradient" in printed
    assert "ImageError: equalize cannot process this image: " in printed


def test_toml_depends_on_supported_version() -> None:
    from packaging.requirements import Requirement

    project = tomllib.loads(only_block("toml"))["project"]
    interop = Requirement(project["dependencies"][0])
    assert interop.name == OURS["name"]
    assert interop.specifier.contains(OURS["version"])
    assert project["dependencies"][1] in OURS["dependencies"]
    assert project["requires-python"] == OURS["requires-python"]


def test_table_of_extras_states_declared_versions() -> None:
    extras = OURS["optional-dependencies"]
    stated = {
        extra: [requirement.strip("`")]
        for extra, requirement in ROW.findall(PAGE)
        if extra in extras
    }
    assert stated == {
        extra: requirements for extra, requirements in extras.items() if extra != "all"
    }
    for requirement in OURS["dependencies"]:
        assert f"`{requirement}`" in PAGE


@pytest.mark.requires("mypy", "torch")
def test_mypy_reports_marked_lines_only(checked: tuple[Path, list[int]]) -> None:
    folder, expected = checked
    mypy = ("-m", "mypy", "--strict", "--follow-imports=silent", "--config-file=", "yourlib.py")
    done = run(sys.executable, *mypy, cwd=folder, MYPYPATH=str(ROOT))
    reported = [int(number) for number in re.findall(r"yourlib\.py:(\d+): error", done.stdout)]
    assert reported == expected, done.stdout


@pytest.mark.requires("pyright", "torch")
def test_pyright_reports_marked_lines_only(checked: tuple[Path, list[int]]) -> None:
    folder, expected = checked
    pyright = ("-m", "pyright", "--pythonpath", sys.executable, "yourlib.py")
    (folder / "pyrightconfig.json").write_text(
        json.dumps({"extraPaths": [str(ROOT)]}), encoding="utf-8"
    )
    done = run(sys.executable, *pyright, cwd=folder)
    reported = [int(number) for number in re.findall(r"yourlib\.py:(\d+):\d+ - error", done.stdout)]
    assert reported == expected, done.stdout


@pytest.mark.requires("torch")
def test_test_file_passes_for_each_framework(yourlib: Path) -> None:
    (yourlib / "test_yourlib.py").write_text(only_block("python"), encoding="utf-8")
    frameworks = " ".join(
        name for name in ("numpy", "torch", "jax") if importlib.util.find_spec(name)
    )
    options = ("-q", "-p", "no:zarr", "-p", "no:cacheprovider")
    done = run(
        sys.executable,
        "-m",
        "pytest",
        *options,
        "test_yourlib.py",
        cwd=yourlib,
        FRAMEWORKS=frameworks,
    )
    assert f"{len(frameworks.split())} passed" in done.stdout, done.stdout


@pytest.mark.requires("sphinx")
def test_ci_matrix_names_declared_extras() -> None:
    yaml: Any = importlib.import_module("yaml")  # comes with the packages for the pages
    extras = tomllib.loads(only_block("toml"))["project"]["optional-dependencies"]
    job = yaml.safe_load(only_block("yaml"))["jobs"]["test"]
    for row in job["strategy"]["matrix"]["include"]:
        assert set(row["extras"].split(",")) <= set(extras)
        assert set(row["frameworks"].split()) <= {"numpy", *extras}
        assert f"Programming Language :: Python :: {row['python']}" in OURS["classifiers"]
    variables = re.findall(r"\$\{\{ matrix\.(\w+) \}\}", only_block("yaml"))
    assert set(variables) == {"python", "extras", "frameworks"}


def test_shell_command_prints_the_imported_file(tmp_path: Path) -> None:
    import interop

    program = re.fullmatch(r'python -c "(.*)"\n', only_block("shell"))
    assert program
    done = run(sys.executable, "-c", program[1], cwd=tmp_path)
    assert done.stdout.strip() == interop.__file__
