"""How two ways to do the same are compared: in turns, and without what the loop itself costs."""

import os
import statistics
import timeit
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch

SLACK = 1.12  # the same ratio moves by up to 7 % between runs
MET, NEARLY, NOT_MET = "met", "within 12 %", "NOT MET"


class Effort(NamedTuple):
    """How much time a row gets."""

    rounds: int  # at most
    seconds: float  # that the slower side of a round takes, at least
    budget: float  # of seconds for a row: fewer rounds, where one takes long
    fewest: int  # rounds, whatever they take


FULL = Effort(rounds=41, seconds=2e-3, budget=3.0, fewest=7)
QUICK = Effort(rounds=15, seconds=1e-3, budget=0.5, fewest=3)


class Ratio(NamedTuple):
    """Ours to theirs."""

    minima: float
    median: float

    @property
    def cells(self) -> tuple[str, str]:
        return show(self.minima), show(self.median)


def pin() -> int | None:
    """Stay on one CPU, with one thread; return that CPU, or None where a process can't be pinned."""
    torch.set_num_threads(1)  # on one CPU more would only wait for each other
    if not hasattr(os, "sched_setaffinity"):
        return None
    cpu = max(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {cpu})
    return cpu


def compare(ours: str, theirs: str, names: Mapping[str, Any], effort: Effort) -> Ratio:
    """Time two calls in turns, each as often in a round as the other and an empty loop."""
    timers = [timeit.Timer(code, globals=dict(names)) for code in (ours, theirs, "pass")]
    calls, taken = enough(timers, effort.seconds)
    rounds = max(effort.fewest, min(effort.rounds, int(effort.budget / taken)))
    times = [[timer.timeit(calls) for timer in timers] for _ in range(rounds)]
    return ratio(*zip(*times, strict=True))


def enough(timers: Sequence[timeit.Timer], seconds: float) -> tuple[int, float]:
    """Return how many calls the slower side needs to take that long, and what a round of them takes."""
    for timer in timers:
        timer.timeit(1)  # the first call does what is done only once
    calls = 1
    while max(taken := [timer.timeit(calls) for timer in timers]) < seconds:
        calls *= 2
    return calls, sum(taken)


def ratio(ours: Sequence[float], theirs: Sequence[float], empty: Sequence[float]) -> Ratio:
    """Return the ratio of the minima and the median of the ratios, after the empty loop is taken off both sides."""
    loop = min(empty)  # noise only ever adds
    median = statistics.median((a - loop) / (b - loop) for a, b in zip(ours, theirs, strict=True))
    return Ratio((min(ours) - loop) / (min(theirs) - loop), median)


def verdict(found: float, goal: float | None) -> str:
    """Return in words whether a goal is met; NaN meets none."""
    if goal is None:
        return ""
    return MET if found <= goal else NEARLY if found <= goal * SLACK else NOT_MET


def show(number: float) -> str:
    """Return a ratio with more digits than mean something, so that no verdict seems wrong."""
    return f"{number:.2f}" if abs(number) >= 1 else f"{number:.3f}"


def show_goal(goal: float | None) -> str:
    return "-" if goal is None else f"{goal:.2f}"
