"""What a conversion costs, as ratios to the fastest call that a user has for the same work: `make bench`.

The two sides of a row take turns in one process, so that a machine that slows down slows both. A ratio is that of the
two minima; the median of the rounds' own ratios stands beside it. Absolute times mean nothing elsewhere: none is shown.
"""

import os
import statistics
import timeit
from typing import NamedTuple

import numpy as np
import torch

import interop

ROUNDS = 41
CALLS = 5_000
SLACK = 1.12  # the same ratio moves by up to 7 % between runs

NAMES = {"interop": interop, "np": np, "torch": torch, "t": torch.arange(16.0), "a": np.arange(16.0)}


class Row(NamedTuple):
    """Two ways to do the same, as a user writes them, and the ratio that is aimed at."""

    work: str
    ours: str
    theirs: str
    goal: float


ROWS = (
    Row("torch to NumPy", "interop.to_numpy(t)", "t.numpy()", 1.30),
    Row("torch to NumPy", "interop.to_numpy(t)", "t.detach().cpu().numpy()", 0.75),
    Row("NumPy to torch", "interop.to_torch(a)", "torch.from_numpy(a)", 1.30),
    Row("NumPy to torch", "interop.to_torch(a)", "torch.as_tensor(a)", 0.50),
    Row("torch to torch", "interop.to_torch(t)", "torch.as_tensor(t)", 0.35),
    Row("NumPy to NumPy", "interop.to_numpy(a)", "np.asarray(a)", 2.70),
)


def measure(row: Row) -> tuple[float, float]:
    """Return the ratio of the minima, and the median of the ratios."""
    ours, theirs = (timeit.Timer(code, globals=NAMES) for code in (row.ours, row.theirs))
    pairs = [(ours.timeit(CALLS), theirs.timeit(CALLS)) for _ in range(ROUNDS)]
    return min(a for a, _ in pairs) / min(b for _, b in pairs), statistics.median(a / b for a, b in pairs)


def main() -> None:
    """Print a table."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    print(f"torch {torch.__version__}, NumPy {np.__version__}; {ROUNDS} rounds of {CALLS:,} calls")
    print(f"{'work':16}{'against':26}{'ratio':>7}{'median':>8}{'goal':>7}")
    for row in ROWS:
        ratio, median = measure(row)
        verdict = "met" if ratio <= row.goal else "within noise" if ratio <= row.goal * SLACK else "not met"
        print(f"{row.work:16}{row.theirs:26}{ratio:7.2f}{median:8.2f}{row.goal:7.2f}  {verdict}")


if __name__ == "__main__":
    main()
