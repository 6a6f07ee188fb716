"""Compare the times of two calls, which take turns, without the time of the loop."""

import os
import statistics
import timeit
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch

SLACK = 1.12  # the same ratio moves by up to 7 % between runs
MET = "met"
NEARLY = "within 12 %"
NOT_MET = "NOT MET"


class Effort(NamedTuple):
    """The time that is spent on a row."""

    rounds: int  # at most this many rounds
    seconds: float  # shortest time of the slower side in a round
    budget: float  # seconds for a row; if a round takes long, there are fewer rounds
    fewest: int  # at least this many rounds


FULL = Effort(rounds=41, seconds=2e-3, budget=3.0, fewest=7)
QUICK = Effort(rounds=15, seconds=1e-3, budget=0.5, fewest=3)


class Ratio(NamedTuple):
    """The time of interop divided by the time of the other call."""

    minima: float
    median: float

    @property
    def cells(self) -> tuple[str, str]:
        return show(self.minima), show(self.median)


def pin() -> int | None:
    """Pin the process to one CPU and one thread.

    Return the CPU, or None if the system cannot pin a process.
    """
    torch.set_num_threads(1)  # on one CPU, more threads would only wait for each other
    if not hasattr(os, "sched_setaffinity"):
        return None
    cpu = max(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {cpu})
    return cpu


def compare(ours: str, theirs: str, names: Mapping[str, Any], effort: Effort) -> Ratio:
    """Time two calls in turns.

    In each round, both calls and an empty loop run equally often.
    """
    timers = [timeit.Timer(code, globals=dict(names)) for code in (ours, theirs, "pass")]
    calls, taken = enough(timers, effort.seconds)
    rounds = max(effort.fewest, min(effort.rounds, int(effort.budget / taken)))
    times = [[timer.timeit(calls) for timer in timers] for _ in range(rounds)]
    return ratio(*zip(*times, strict=True))


def enough(timers: Sequence[timeit.Timer], seconds: float) -> tuple[int, float]:
    """Return the number of calls in a round, and the time of such a round.

    In a round, the slower side takes at least `seconds`.
    """
    for timer in timers:
        timer.timeit(1)  # the first call includes work that is done only once
    calls = 1
    while max(taken := [timer.timeit(calls) for timer in timers]) < seconds:
        calls *= 2
    return calls, sum(taken)


def ratio(ours: Sequence[float], theirs: Sequence[float], empty: Sequence[float]) -> Ratio:
    """Return the ratio of the minima and the median of the ratios.

    The time of the empty loop is subtracted from both sides.
    """
    loop = min(empty)  # noise only makes a loop slower
    median = statistics.median((a - loop) / (b - loop) for a, b in zip(ours, theirs, strict=True))
    return Ratio((min(ours) - loop) / (min(theirs) - loop), median)


def verdict(found: float, goal: float | None) -> str:
    """Return in words whether a goal is met. NaN never meets a goal."""
    if goal is None:
        return ""
    if found <= goal:
        return MET
    if found <= goal * SLACK:
        return NEARLY
    return NOT_MET


def show(number: float) -> str:
    """Format a ratio with enough digits to agree with the verdict."""
    if abs(number) >= 1:
        return f"{number:.2f}"
    return f"{number:.3f}"


def show_goal(goal: float | None) -> str:
    """Format a goal, or a dash if there is none."""
    if goal is None:
        return "-"
    return f"{goal:.2f}"
