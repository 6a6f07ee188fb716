"""The supported versions in pyproject.toml, in the documentation and in `make test-range`."""

import re
import sys
import tomllib
from datetime import date
from pathlib import Path

import pytest

import conftest
from interop._identify import shipped
from versions import environments, pythons

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
FLOORS = tomllib.loads((ROOT / "tests/versions/floors.toml").read_text(encoding="utf-8"))
KNOWN = environments.load()
REVIEWED = date(2026, 11, 28)
"""The day on which the floors were compared with SPEC 0."""


def requirements() -> dict[str, str]:
    """Return the floors that pyproject.toml declares, by package."""
    declared = [*PROJECT["dependencies"], f"python{PROJECT['requires-python']}"]
    for name, extra in PROJECT["optional-dependencies"].items():
        if name != "all":
            declared += extra
    parsed = [re.fullmatch(r"([\w-]+)(?:\[\w+\])?>=([\d.]+)", row) for row in declared]
    return {found[1]: found[2] for found in parsed if found}


def test_floors_equal_the_requirements_in_pyproject() -> None:
    assert requirements() == {name: row["floor"] for name, row in FLOORS.items()}


def test_floors_equal_the_table_for_libraries() -> None:
    page = (ROOT / "docs/howto/use_interop_in_your_library.md").read_text(encoding="utf-8")
    listed = re.findall(r"`([\w-]+)(?:\[\w+\])?>=([\d.]+)`", page)
    assert dict(listed) == {k: v for k, v in requirements().items() if k != "python"}


def test_floors_equal_the_versions_in_messages() -> None:
    stated = {name: row.oldest for name, row in shipped.TABLE.items()}
    names = {"cupy": "cupy-cuda13x"}
    assert stated == {name: FLOORS[names.get(name, name)]["floor"] for name in stated}


def test_features_that_tests_require_are_documented() -> None:
    """The page says what a version loses that lacks a feature."""
    page = (ROOT / "docs/versions.md").read_text(encoding="utf-8")
    features = {name for name in conftest.FEATURES if "-" in name}
    assert not {name for name in features if f"`{name}`" not in page}


def test_features_that_tests_require_must_be_in_the_newest_releases() -> None:
    """Otherwise a fault in the look-up of a feature would skip tests in silence."""
    features = {name for name in conftest.FEATURES if "-" in name}
    required = ",".join(re.findall(r"INTEROP_REQUIRE\+?=,?(\S+)", (ROOT / ".ci/run").read_text()))
    assert features <= set(required.split(","))
    assert features - {"cupy-bfloat16"} <= set(KNOWN["newest"].require)


def test_requirements_have_no_upper_bounds() -> None:
    declared = [*PROJECT["dependencies"], PROJECT["requires-python"]]
    declared += [row for extra in PROJECT["optional-dependencies"].values() for row in extra]
    assert not [row for row in declared if re.search(r"<|~=|==", row.partition(";")[0])]


def test_classifiers_list_the_supported_pythons() -> None:
    listed = [
        row.rpartition(" ")[2] for row in PROJECT["classifiers"] if re.search(r":: 3\.\d", row)
    ]
    assert listed == list(pythons.SUPPORTED)
    assert listed[0] == FLOORS["python"]["floor"]


def test_no_floor_is_newer_than_spec_0_allows() -> None:
    """A floor that is younger than its term needs a reason, because users may have older releases."""
    young = {
        name
        for name, row in FLOORS.items()
        if row["released"].replace(year=row["released"].year + 2) > REVIEWED
    }
    assert young == {
        "cupy-cuda13x",  # its first release; CuPy 13 for CUDA 12 is older
        "jax",  # the layout of an array was not public before
    }


def test_oldest_environment_takes_the_floors_on_the_oldest_python() -> None:
    oldest = KNOWN["oldest"]
    assert (oldest.python, oldest.resolution, oldest.packages) == (
        FLOORS["python"]["floor"],
        "lowest-direct",
        [],
    )
    extras = set(PROJECT["optional-dependencies"]) - {"all", "cupy"}
    assert set(oldest.extras) == extras


def test_newest_environment_pins_nothing() -> None:
    newest = KNOWN["newest"]
    assert (newest.python, newest.resolution) == ("newest", "highest")
    assert not [row for row in newest.packages if re.search(r"[<=~]", row)]


def test_environments_require_what_they_install() -> None:
    for environment in KNOWN.values():
        named = {extra.replace("-", "_") for extra in environment.extras} - {"progress", "doctor"}
        assert named | {"numpy"} <= set(environment.require), environment.name


def test_find_the_running_python_is_found() -> None:
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    assert pythons.find(version) is not None


def test_find_an_absent_python_is_none() -> None:
    assert pythons.find("3.99") is None


def test_find_a_program_that_fails_is_skipped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """pyenv has such programs on PATH."""
    program = tmp_path / "python3.98"
    program.write_text("#!/bin/sh\nexit 127\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert pythons.find("3.98") is None


def test_environments_name_tests_that_exist() -> None:
    for environment in KNOWN.values():
        assert not [name for name in environment.tests if not (ROOT / name).exists()]
