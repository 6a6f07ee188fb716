"""Every scenario under every schedule: right values, no race, no error, and nothing current has changed."""

import os
from collections.abc import Iterator

import pytest

pytestmark = pytest.mark.requires("torch", "cupy", "simcuda")

if not os.environ.get("INTEROP_SIMCUDA"):
    pytest.skip("requires simcuda: torch and CuPy are imported below", allow_module_level=True)

from .runs import clean, considerate, run, schedules
from .scenarios import SCENARIOS, Scenario

SEEDS = 200


@pytest.fixture(autouse=True)
def clean_after() -> Iterator[None]:
    yield
    clean()


@pytest.mark.parametrize("scenario", SCENARIOS, ids=str)
def test_right_under_every_schedule(scenario: Scenario) -> None:
    for schedule, seed in schedules(SEEDS):
        outcome = run(scenario, considerate, schedule, seed)
        assert outcome.right, f"{scenario}, schedule {schedule}, seed {seed}: {outcome}"


def test_there_are_enough() -> None:
    assert len({scenario.name for scenario in SCENARIOS}) == len(SCENARIOS) >= 40
