"""Rows for the docs: the outcome of each handoff with raw `from_dlpack` and with `interop`."""

from typing import NamedTuple

from .runs import clean, considerate, raw, run, schedules
from .scenarios import SCENARIOS, Convert, Scenario


class Tally(NamedTuple):
    """Of how many runs how many went wrong."""

    runs: int
    wrong: int  # read a value that nobody wrote for it
    races: int  # something is left to luck, whatever came of it
    refused: int  # an exception


class Row(NamedTuple):
    scenario: str
    group: str
    raw: Tally
    interop: Tally


def tally(scenario: Scenario, convert: Convert, seeds: int) -> Tally:
    outcomes = [run(scenario, convert, schedule, seed) for schedule, seed in schedules(seeds)]
    return Tally(
        len(outcomes),
        sum(bool(outcome.wrong) for outcome in outcomes),
        sum(bool(outcome.races) for outcome in outcomes),
        sum(bool(outcome.refused) for outcome in outcomes),
    )


def table(seeds: int = 20) -> list[Row]:
    """Run each scenario under the fixed schedules and some random ones, both ways."""
    rows = [
        Row(
            scenario.name,
            scenario.group,
            tally(scenario, raw, seeds),
            tally(scenario, considerate, seeds),
        )
        for scenario in SCENARIOS
        if scenario.raw
    ]
    clean()
    return rows
