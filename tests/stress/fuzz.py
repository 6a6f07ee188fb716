"""Fuzz: random arrays, functions and keywords combined, against an oracle."""

import os

import jax

from .fuzzing import groups, lazy, single, transfers, trees
from .fuzzing.checks import Fuzz
from .fuzzing.makers import start_devices
from .trial import Trial

WEIGHT = 2
TURNS = (
    single.convert_one,
    single.convert_one,
    single.convert_one,
    single.like_reference,
    single.wrong_keyword,
    single.wrong_target,
    trees.convert_tree,
    groups.unify,
    groups.stack,
    groups.batches,
    lazy.to_dask,
    lazy.from_dask,
    transfers.copyto,
    transfers.export,
    transfers.decorated,
    transfers.questions,
    transfers.wrong_batches,
)
CHECKPOINTS = (100, 1_000, 10_000, 100_000, 1_000_000)


def run(trial: Trial) -> None:
    """Call interop at random, and compare each outcome with the documentation."""
    start_devices()
    fuzz = Fuzz(trial.counts)
    turn = trial.first_turn
    # A short run, too, reaches the first digest.
    while trial.running() or turn < CHECKPOINTS[0]:
        fuzz.begin(trial.seed, turn)
        try:
            fuzz.random.choice(TURNS)(fuzz)
        except Exception as error:
            error.add_note("\n".join(fuzz.said))
            raise
        turn += 1
        if turn in CHECKPOINTS:
            # Equal for both modes and for all runs with one seed.
            trial.notes[f"digest of {turn} turns"] = fuzz.digest.hexdigest()
        if turn % 1_000 == 0:
            check_devices()
            jax.clear_caches()  # type: ignore[no-untyped-call] # a compiled program for each shape


def check_devices() -> None:
    """Check that the simulated runtime has seen no race and no failed call."""
    if os.environ.get("INTEROP_SIMCUDA"):
        import simcuda

        assert not simcuda.races()
        assert not simcuda.errors()
