"""Rows for the docs: the outcome of each handoff with raw `from_dlpack` and with `interop`."""

from typing import NamedTuple

from .runs import clean, considerate, raw, run, schedules
from .scenarios import SCENARIOS, Convert, Scenario


class Tally(NamedTuple):
    """The number of runs, and the number of faulty runs by kind."""

    runs: int
    wrong: int  # a read returned a value not written for it
    races: int  # unordered operations, even if the values were correct
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
    """Run each scenario under the fixed and some random schedules, with raw and with interop."""
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
