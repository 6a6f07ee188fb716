"""The workflows on GitHub run what the Makefile, `.ci/run` and the tables of versions say."""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from versions import environments, pythons
from wheels.settings import FIRST_NUMPY, load

ROOT = Path(__file__).resolve().parents[1]

pytestmark = pytest.mark.skipif(
    not (ROOT / ".github").exists(), reason="the sdist contains no workflows"
)


def workflow(name: str) -> str:
    return (ROOT / ".github" / "workflows" / name).read_text(encoding="utf-8")


def matrix(text: str, name: str) -> list[str]:
    (row,) = re.findall(rf"^ +{name}: \[(.*)\]$", text, re.MULTILINE)
    names: list[str] = row.split(", ")
    return names


def wheel_table() -> dict[str, Any]:
    table: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    found: dict[str, Any] = table["tool"]["cibuildwheel"]
    return found


def test_ci_workflow_runs_the_steps_of_the_local_ci() -> None:
    steps = re.findall(r"^step make ([\w-]+)", (ROOT / ".ci" / "run").read_text(), re.MULTILINE)
    text = workflow("ci.yml")
    targets = {*matrix(text, "target"), *re.findall(r"run: make ([\w-]+)", text)}
    assert targets >= set(steps)
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in targets:
        assert f"\n{target}: " in makefile


def test_ci_workflow_requires_what_the_local_ci_requires() -> None:
    local = re.findall(r"INTEROP_REQUIRE\+?=(\S+)", (ROOT / ".ci" / "run").read_text())
    (there,) = re.findall(r'INTEROP_REQUIRE: "([^"]+)"', workflow("ci.yml"))
    assert re.sub(r"\\\s+", "", there) == "".join(local)


def test_ci_workflow_runs_every_environment_of_the_range() -> None:
    rows = environments.load().values()
    assert matrix(workflow("ci.yml"), "environment") == [row.name for row in rows if row.in_ci]


@pytest.mark.parametrize("name", ["ci.yml", "wheels.yml"])
def test_workflow_pins_actions_and_names_no_host(name: str) -> None:
    text = workflow(name)
    used = re.findall(r"uses: (\S+)", text)
    assert used
    assert all(re.fullmatch(r"[\w-]+/[\w-]+@v\d+(\.\d+)*", action) for action in used)
    assert "://" not in text
    assert "permissions:\n  contents: read\n" in text


def test_wheels_workflow_publishes_tags_only() -> None:
    build, publish = workflow("wheels.yml").split("  publish:\n")
    assert "id-token" not in build
    assert "if: github.event_name == 'push' && startsWith(github.ref, 'refs/tags/v')" in publish
    assert "needs: [sdist, wheels]" in publish


def test_cibuildwheel_builds_every_supported_python_with_extensions() -> None:
    table = wheel_table()
    assert table["build"] == [f"cp{version.replace('.', '')}-*" for version in pythons.SUPPORTED]
    assert table["environment"] == {"INTEROP_EXTENSIONS": "required"}


def test_load_applies_the_override_of_a_wheel() -> None:
    first = load("cp311-manylinux_x86_64")
    other = load("cp312-musllinux_aarch64")
    assert first.environment == other.environment == {"INTEROP_EXTENSIONS": "required"}
    assert first.extras[0] == "torch"
    assert (other.extras, other.groups, other.test_environment) == ([], [], {})
    assert other.commands == [f"python {ROOT}/tests/wheels/check.py"]
    assert first.commands[0] == f"python {ROOT}/tests/wheels/check.py torch"


def test_wheels_numpy_floors_cover_every_supported_python() -> None:
    assert tuple(FIRST_NUMPY) == pythons.SUPPORTED
