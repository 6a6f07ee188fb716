"""The arithmetic, the goals and the tables of bench/. No test here depends on a time."""

import importlib
import math
import runpy
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

BENCH = Path(__file__).resolve().parents[1] / "bench"
GOALS = {  # the promised ratios, in pure Python and compiled, by the reference call
    "t.numpy()": (1.30, 0.47),
    "t.detach().cpu().numpy()": (0.75, 0.25),
    "g.detach().numpy()": (1.30, 0.50),
    "torch.from_numpy(a)": (1.30, 0.68),
    "torch.as_tensor(a)": (0.50, 0.25),
    "torch.as_tensor(t)": (0.35, 0.06),
    "np.asarray(a)": (2.7, 0.5),
    "t64.clone()": (0.25, 0.25),
    "torch.from_numpy(a64).clone()": (0.25, 0.25),
    "m.T.contiguous()": (0.50, 0.50),
    "m.T.contiguous()[None]": (None, None),
    "{k: v.numpy() for k, v in tensors.items()}": (1.35, 0.60),
    "torch.tensor(arrays)": (0.06, 0.06),
    "torch.from_numpy(a.copy())": (3, 2),
    "t.numpy().copy()": (3, 2),
    "s.numpy()": (3, 2),
    "torch.from_numpy(sa)": (3, 2),
    "torch.from_numpy(r.copy())": (3, 2),
}
Load = Callable[[str], Any]

pytestmark = pytest.mark.requires("torch", "numpy")


@pytest.fixture
def load(monkeypatch: pytest.MonkeyPatch) -> Iterator[Load]:
    """Yield a function that imports a module of bench/, and unload these modules at the end."""
    ours = {file.stem for file in BENCH.glob("*.py")} - {"__main__"}
    assert not ours & sys.modules.keys()
    monkeypatch.syspath_prepend(BENCH)
    yield importlib.import_module
    for name in ours:
        sys.modules.pop(name, None)


# -- numbers ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("found", "goal", "said"),
    [
        (0.47, 0.47, "met"),
        (0.471, 0.47, "within 12 %"),
        (0.47 * 1.12, 0.47, "within 12 %"),
        (0.47 * 1.13, 0.47, "NOT MET"),
        (math.nan, 0.47, "NOT MET"),
        (math.inf, 0.47, "NOT MET"),
        (0.1, None, ""),
    ],
)
def test_verdict_compares_the_ratio_with_goal_and_tolerance(
    load: Load, found: float, goal: float | None, said: str
) -> None:
    assert load("measure").verdict(found, goal) == said


def test_ratio_subtracts_the_empty_loop_from_both_sides(load: Load) -> None:
    found = load("measure").ratio([12.0, 17.0, 14.0], [22.0, 27.0, 42.0], [3.0, 2.0, 9.0])
    assert found.minima == 10 / 20
    assert found.median == 10 / 20  # of 10 / 20, 15 / 25, 12 / 40


def test_compare_calls_both_sides_equally_often(load: Load) -> None:
    measure, called = load("measure"), {"ours": 0, "theirs": 0}

    def call(side: str) -> None:
        called[side] += 1

    effort = measure.Effort(rounds=5, seconds=1e-4, budget=1, fewest=2)
    measure.compare("call('ours')", "call('theirs')", {"call": call}, effort)
    assert called["ours"] == called["theirs"] > effort.rounds


def test_show_keeps_enough_digits_to_match_the_verdict(load: Load) -> None:
    assert load("measure").show(0.2504) != load("measure").show(0.25 * 1.01)
    assert load("measure").show_goal(None) == "-"


@pytest.mark.parametrize(
    ("calls", "met"), [((0, 0, 0, 1, 1), True), ((0, 0, 0, 2, 1), False), ((1, 0, 0, 1, 1), False)]
)
def test_calls_verdict_is_met_only_within_the_goal(
    load: Load, calls: tuple[int, ...], met: bool
) -> None:
    assert (load("gpu").Calls(*calls).verdict((1, 1)) == "met") == met


# -- rows ------------------------------------------------------------------------------------------


def test_rows_have_exactly_the_promised_goals(load: Load) -> None:
    rows = load("rows").GOALS
    assert {
        row.theirs: (row.goal(compiled=False), row.goal(compiled=True)) for row in rows
    } == GOALS
    assert len(rows) == len(GOALS)


def value(x: Any) -> Any:
    """Return shape, dtype and values of a result, of any framework."""
    import numpy as np

    if isinstance(x, dict):
        return {key: value(item) for key, item in x.items()}
    array = np.asarray(x)
    return array.shape, array.dtype, array.tolist()


def share(first: Any, second: Any) -> bool:
    """Return whether two results of a call share memory, so that the call makes no copy."""
    import numpy as np

    if isinstance(first, dict):
        return all(share(first[key], second[key]) for key in first)
    return bool(np.shares_memory(np.asarray(first), np.asarray(second)))


@pytest.mark.filterwarnings("ignore:Creating a tensor from a list")  # torch warns once per process
def test_rows_give_equal_results_on_both_sides(load: Load) -> None:
    rows = load("rows")
    names = rows.names(big=1 << 10)
    for row in rows.GOALS:
        ours, theirs = ([eval(code, names) for _ in range(2)] for code in (row.ours, row.theirs))  # noqa: S307
        assert value(ours[0]) == value(theirs[0]), row
        assert share(*ours) == share(*theirs), row


def test_line_for_a_missing_or_failing_library_gives_the_reason(load: Load) -> None:
    others = load("others")
    way = others.Way("nobody_has_this.from_dlpack(t)", "everything")
    assert others._line(way, "t.numpy()", {}, None)[1] == "nobody_has_this is not installed"
    way = others.Way("int('x')", "everything")
    assert others._line(way, "t.numpy()", {}, None)[1].startswith("ValueError: ")


# -- the program -----------------------------------------------------------------------------------


def test_bench_with_markdown_option_writes_the_tables(
    load: Load, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    table = load("tables").Table(
        "Title", ("work", "ratio"), [("`a | b`", "0.5"), ("c", "-")], ["a note"]
    )
    monkeypatch.setattr(load("measure"), "pin", lambda: None)  # the current process must not change
    monkeypatch.setattr(
        sys, "argv", ["bench", "--quick", "--markdown", str(tmp_path / "written.md")]
    )
    program = runpy.run_path(str(BENCH / "__main__.py"))
    monkeypatch.setitem(program["main"].__globals__, "tables", lambda *_args, **_keywords: [table])
    program["main"]()
    introduction, *lines = (tmp_path / "written.md").read_text().split("\n")
    assert introduction.startswith("interop ")
    assert lines == [
        "", "### Title", "",
        "| work | ratio |", "| --- | --: |", r"| `a \| b` | 0.5 |", "| c | - |", "",
        "- a note", "",
    ]  # fmt: skip


def test_gpu_table_without_a_simulated_gpu_gives_the_reason(
    load: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(load("gpu"), "ask", lambda: "there is no compiler")
    assert "there is no compiler" in load("gpu").table().text()
