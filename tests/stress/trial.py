"""What a kind of stress gets: random numbers with a printed seed, a clock, and counts."""

import random
from collections import Counter
from time import monotonic


class Trial:
    """One run of one kind: `while trial.running(): ...`, and an exception is a violation."""

    def __init__(self, seed: int, seconds: float, first_turn: int = 0) -> None:
        self.seed = seed
        self.first_turn = first_turn
        """The number of the first turn, for kinds whose turns do not depend on earlier ones."""
        self.seconds = seconds
        self.random = random.Random(seed)  # noqa: S311 - not for cryptography
        self.counts: Counter[str] = Counter()
        """Counts by plain words, which docs/reliability.md shows."""
        self.notes: dict[str, str] = {}
        """Other results, by plain words. They are printed and are part of the JSON."""
        self._end = monotonic() + seconds

    def running(self) -> bool:
        """Return whether this kind has time left. It takes 0.1 microseconds; threads may call it."""
        return monotonic() < self._end
