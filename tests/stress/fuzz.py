"""Fuzz all verbs and keywords."""

import numpy as np

import interop

from .trial import Trial


def run(trial: Trial) -> None:
    """Convert arrays of random lengths to torch."""
    while trial.running():
        array = np.arange(trial.random.randrange(100))
        assert (interop.to_torch(array).numpy() == array).all()
        trial.counts["conversions"] += 1
