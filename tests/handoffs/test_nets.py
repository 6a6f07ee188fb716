"""The scenarios detect a missing wait or fence, and accept a fully synchronised handoff."""

from typing import Any

import pytest

from .mutants import blunt, unfenced, unordered
from .runs import FIXED, Outcome, run
from .scenarios import SCENARIOS, Scenario, parameters
from .table import table

pytestmark = pytest.mark.requires("torch", "cupy", "simcuda")


HANDOFFS = [scenario for scenario in SCENARIOS if scenario.raw]

# Scenarios with a single stream, with implicitly ordered streams, with an order made by the
# scenario, or with empty arrays.
NEEDS_NO_WAIT = (
    "producer default, consumer default", "consumer the producer's", "ordered by the caller", "a blocking consumer",
    "producer default, consumer per-thread", "producer per-thread, consumer default",
    "producer per-thread, consumer per-thread", "shape (0,)", "shape (3, 0)",
)  # fmt: skip
# Also scenarios whose memory is not reused.
NEEDS_NO_FENCE = (
    *NEEDS_NO_WAIT, "the read follows the write", "per thread consumer", "per thread producer", "hands back",
    "order of its own", "the producers stream object", "every link writes", "shape ()", "shape (1,)",
)  # fmt: skip


def outcomes(scenario: Scenario, convert: Any) -> dict[str, Outcome]:
    return {name: run(scenario, convert, name) for name in FIXED}


def caught(scenario: Scenario, convert: Any) -> set[str]:
    """Return the schedules under which the run has a wrong value or a race."""
    return {
        name
        for name, outcome in outcomes(scenario, convert).items()
        if outcome.wrong or outcome.races
    }


@pytest.mark.parametrize("scenario", parameters(HANDOFFS))
def test_scenario_without_needed_wait_fails_under_every_schedule(scenario: Scenario) -> None:
    needs_none = any(words in scenario.name for words in NEEDS_NO_WAIT)
    if not needs_none:
        assert caught(scenario, unordered) == set(FIXED)


@pytest.mark.parametrize("scenario", parameters(HANDOFFS))
def test_scenario_without_needed_fence_fails_under_every_schedule(scenario: Scenario) -> None:
    needs_none = any(words in scenario.name for words in NEEDS_NO_FENCE)
    assert caught(scenario, unfenced) == (set() if needs_none else set(FIXED))


@pytest.mark.parametrize("scenario", parameters(HANDOFFS))
def test_scenario_with_full_synchronization_passes_under_every_schedule(scenario: Scenario) -> None:
    assert outcomes(scenario, blunt) == dict.fromkeys(FIXED, Outcome())


@pytest.mark.requires("cupy-bfloat16")  # the table has a row for it
def test_table_shows_that_raw_handoffs_fail_and_interop_passes() -> None:
    rows = table(seeds=0)
    assert len(rows) == len(HANDOFFS) >= 40
    assert sum(bool(row.raw.wrong or row.raw.races) for row in rows) > len(rows) // 2
    assert [row for row in rows if any(row.interop[1:])] == []
