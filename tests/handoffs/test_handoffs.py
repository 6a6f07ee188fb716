"""Each scenario under each schedule: correct values, no race and no error.

The current device and the current streams must be the same before and after.
"""

import pytest

from .runs import considerate, run, schedules
from .scenarios import SCENARIOS, Scenario, parameters

pytestmark = pytest.mark.requires("torch", "cupy", "gpu")


SEEDS = 200


@pytest.mark.slow
@pytest.mark.parametrize("scenario", parameters(SCENARIOS))
def test_handoff_scenario_under_every_schedule_gives_right_values(scenario: Scenario) -> None:
    for schedule, seed in schedules(SEEDS):
        outcome = run(scenario, considerate, schedule, seed)
        assert outcome.right, f"{scenario}, schedule {schedule}, seed {seed}: {outcome}"


def test_handoff_scenarios_have_unique_names_and_number_at_least_40() -> None:
    assert len({scenario.name for scenario in SCENARIOS}) == len(SCENARIOS) >= 40
