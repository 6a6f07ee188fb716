"""The script `docs/_handoffs.py` generates the table of `docs/handoffs.md`."""

import pytest

import pages

from .scenarios import SCENARIOS

pytestmark = pytest.mark.requires("torch", "cupy")


def test_titles_cover_every_program_that_from_dlpack_can_run() -> None:
    programs = {str(scenario).split(": ")[1] for scenario in SCENARIOS if scenario.raw}
    assert set(pages.load("_handoffs").TITLES) == programs
