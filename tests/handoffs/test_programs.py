"""Random programs under random schedules, found and shrunk by hypothesis."""

import pytest
from hypothesis import example, given, note, settings
from hypothesis import strategies as st

from .mutants import unfenced
from .programs import VERBS, Step, run_program
from .runs import FIXED, Outcome, Schedule, considerate, run
from .scenarios import Convert, Scenario

pytestmark = pytest.mark.requires("torch", "cupy", "simcuda")


NUMBERS = st.integers(0, 7)
STEPS = st.lists(st.tuples(st.sampled_from(VERBS), NUMBERS, NUMBERS), min_size=1, max_size=40)
SCHEDULES = st.sampled_from(FIXED).map(lambda name: (name, None)) | st.integers(0, 2**32).map(
    lambda n: ("random", n)
)
EARLY: list[Step] = [("new", 0, 0), ("give", 0, 0), ("read", 1, 0), ("forget", 0, 0), ("new", 0, 0)]


def outcome(steps: list[Step], convert: Convert, schedule: Schedule) -> Outcome:
    program = Scenario(
        "a random program", lambda convert: run_program(steps, convert), "programs", True
    )
    return run(program, convert, *schedule)


@settings(max_examples=300)
@given(steps=STEPS, schedule=SCHEDULES)
@example(steps=EARLY, schedule=("greedy", None))
def test_random_program_under_any_schedule_reads_the_written_values(
    steps: list[Step], schedule: Schedule
) -> None:
    result = outcome(steps, considerate, schedule)
    note(str(result))
    assert result.right


def test_program_without_fence_reads_wrong_values_and_races() -> None:
    result = outcome(EARLY, unfenced, ("greedy", None))
    assert result.wrong
    assert result.races
