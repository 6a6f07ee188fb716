"""A short run of each kind of stress, and tests of the runner. The long run is `make stress`."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

import pages
from stress.runner import Run, find_kinds, run_kind

pytestmark = [pytest.mark.slow, pytest.mark.requires("torch", "cupy", "jax", "dask")]

SEED, SECONDS = 14, 2
STRESS = Path(__file__).parent / "stress"
KINDS = {
    "holds": 'trial.counts["calls"] += 1',
    "fails": 'trial.counts["calls"] += 1; raise AssertionError("values differ")',
    "crashes": "import os; os.abort()",
    "hangs": "import threading; threading.Event().wait()",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, code in KINDS.items():
        text = f"def run(trial):\n    {code}\n"
        (tmp_path / f"self_{name}.py").write_text(text, encoding="utf-8")
    (tmp_path / "self_helper.py").write_text("run = None\n", encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize("kind", [kind.name for kind in find_kinds()])
def test_stress_kind_for_two_seconds_holds(kind: str) -> None:
    outcome = run_kind(kind, SECONDS, Run(SEED, grace=120))
    assert not outcome.failure, outcome.failure
    assert sum(outcome.counts.values()) > 0


def test_fuzz_outcomes_are_equal_compiled_and_in_pure_python(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    digests = []
    for compiled in "10":
        monkeypatch.setenv("INTEROP_COMPILED", compiled)
        outcome = run_kind("fuzz", 0, Run(SEED, grace=120))
        assert not outcome.failure, outcome.failure
        digests.append(outcome.notes["digest of 100 turns"])
    assert digests[0] == digests[1]


@pytest.mark.parametrize(
    ("kind", "told", "stack"),
    [
        ("self_fails", "exit status 1", "AssertionError: values differ"),
        ("self_crashes", "it was ended by SIGABRT", "Fatal Python error: Aborted"),
        ("self_hangs", "exit status 1", "Timeout"),
    ],
)
def test_run_kind_violation_is_a_failure_with_stack_and_seed(
    folder: Path, kind: str, told: str, stack: str
) -> None:
    outcome = run_kind(kind, 0, Run(SEED, folder, grace=10))
    assert told in outcome.failure
    assert stack in outcome.failure
    assert f"{kind}.py" in outcome.failure
    assert f"--only {kind} --seed {SEED}" in outcome.failure
    assert outcome.counts == ({"calls": 1} if kind == "self_fails" else {})


def test_find_kinds_lists_modules_with_run_and_their_weight(folder: Path) -> None:
    weighted = folder / "self_holds.py"
    weighted.write_text("WEIGHT = 2\n" + weighted.read_text(encoding="utf-8"), encoding="utf-8")
    kinds = [(kind.name, kind.weight) for kind in find_kinds(folder)]
    names = ["self_crashes", "self_fails", "self_hangs", "self_holds"]
    assert kinds == [(name, 2.0 if name == "self_holds" else 1.0) for name in names]


def stress(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(STRESS), "--minutes", "0", "--folder", str(folder), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_stress_failed_kind_sets_the_exit_status_and_is_in_the_json(folder: Path) -> None:
    path = folder / "counts.json"
    done = stress("--only", "self_holds,self_fails", "--json", str(path), folder=folder)
    assert done.returncode == 1, done.stderr
    assert "self_fails   FAILED" in done.stdout
    assert "self_holds   ok" in done.stdout
    (mode,) = json.loads(path.read_text(encoding="utf-8")).values()
    assert {name: kind["held"] for name, kind in mode["kinds"].items()} == {
        "self_fails": False,
        "self_holds": True,
    }
    assert f"seed {mode['kinds']['self_holds']['seed']}" in done.stdout


def test_stress_json_keeps_the_kinds_that_did_not_run(folder: Path) -> None:
    path = folder / "counts.json"
    for only in ("self_holds,self_fails", "self_holds"):
        stress("--only", only, "--json", str(path), folder=folder)
    (mode,) = json.loads(path.read_text(encoding="utf-8")).values()
    assert list(mode["kinds"]) == ["self_fails", "self_holds"]
    seeds = {kind["seed"] for kind in mode["kinds"].values()}
    assert len(seeds) == 2


def test_stress_unknown_kind_lists_the_kinds(folder: Path) -> None:
    done = stress("--only", "self_hold", folder=folder)
    assert done.returncode == 1
    assert "no kind self_hold; there are: self_crashes, self_fails" in done.stderr


def test_page_reliability_has_a_row_per_kind_and_a_column_per_mode() -> None:
    counts = {"calls": 1200, "refusals": 3}
    kinds = {"fuzz": {"seed": 7, "seconds": 60, "held": True, "counts": counts, "notes": {}}}
    run = {"simulated CUDA": True, "versions": {"numpy": "2.4"}}
    broken = {"fuzz": kinds["fuzz"] | {"held": False}}
    page = pages.load("_reliability")
    lines = page.render({"compiled": run | {"kinds": kinds}, "pure": run | {"kinds": broken}})
    ran = "1,200 calls<br>3 refusals<br>"
    end = "in 60 s, seed 7"
    assert lines.splitlines() == [
        "| kind | what it does | compiled | pure Python |",
        "| --- | --- | --- | --- |",
        f"| `fuzz` | {page.summary_of('fuzz')} | {ran}{end} | {ran}**failed**<br>{end} |",
        "",
        "- compiled: numpy 2.4, simulated CUDA",
        "- pure Python: numpy 2.4, simulated CUDA",
    ]


def test_page_reliability_committed_counts_are_of_kinds_that_exist_and_held(tmp_path: Path) -> None:
    page = tmp_path / "reliability.md"
    pages.load("_reliability").write(page)
    text = page.read_text(encoding="utf-8")
    rows = {line.split("`")[1] for line in text.splitlines() if line.startswith("| `")}
    assert rows <= {kind.name for kind in find_kinds()}
    assert "**failed**" not in text
