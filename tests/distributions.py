"""Build the distributions of the project, and install them into environments of their own."""

import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
HAS_GIT = (ROOT / ".git").exists()
NO_COMPILER = ("env", "CC=no-compiler-here")


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


def copy_project(folder: Path) -> None:
    """Copy the tracked files into a folder."""
    for name in tracked():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, folder / name)


def build_wheel(source: Path, folder: Path, *prefix: str, fails: bool = False) -> str:
    """Build the wheel of a folder or an sdist into a folder, and return the output of pip.

    The prefix is a command that runs pip with another environment.
    """
    pip = (sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "--no-index")
    return run(*prefix, *pip, "-v", source, cwd=folder, fails=fails)


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


def show(venv: Venv, *names: str, folder: Path | None = None) -> None:
    """Make packages of the current environment importable without a second installation."""
    shown = folder or venv.folder / "shown"
    shown.mkdir(exist_ok=True)
    for name in names:
        (shown / name).symlink_to(Path(np.__file__).parents[1] / name)
    (site,) = venv.folder.glob("lib/python*/site-packages")
    (site / "frameworks.pth").write_text(f"{shown}\n")
