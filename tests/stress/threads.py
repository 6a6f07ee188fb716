"""Convert, register, watch, set options and forget in 16 threads."""

import gc
import random
import sys
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from threading import Lock, Thread
from types import ModuleType
from typing import Any, Final

import numpy as np
import torch

import interop
from interop._engine import events, fastpath
from interop.adapter import CPU, Adapter, Facts

from .trial import Trial

THREADS: Final = 16
VALUES: Final = [0.0, 1.0, 2.0, 3.0]
SOURCE: Final = np.array(VALUES)
TENSOR: Final = torch.tensor(VALUES, dtype=torch.float64)
READONLY: Final = np.full(4, 7.0)
READONLY.flags.writeable = False


class Row:
    """An array without a protocol."""


class RowAdapter(Adapter):
    """An adapter that is registered again and again. Every row has the same values."""

    name, array_type = "stressed_row", Row

    def describe(self, _: Any, /) -> Facts:
        return Facts("stressed_row", (4,), "float64", CPU, (8,), 32)

    def export_host(self, _: Any, /) -> Any:
        return SOURCE.copy()


def check(x: Any, values: list[Any] = VALUES) -> None:
    found = x.tolist()
    assert found == values, f"{type(x).__name__} has {found}, not {values}"


# -- what a thread does ----------------------------------------------------------------------------


def convert(_: random.Random) -> None:
    check(interop.to_torch(SOURCE))
    check(interop.to_numpy(TENSOR))
    check(interop.convert(SOURCE, torch, copy=True))
    check(interop.to_torch(memoryview(SOURCE.data)))


def plan(chance: random.Random) -> None:
    size = chance.randrange(1, 500)
    x = interop.to_numpy(torch.arange(2 * size)[::2], dtype="float32")
    assert (x.shape, x.dtype.name, x[-1]) == ((size,), "float32", 2 * size - 2)
    check(interop.to_torch(SOURCE[::-1], dtype="float32"), VALUES[::-1])


def refuse(_: random.Random) -> None:
    with suppress(interop.CopyRequiredError):
        interop.to_torch(SOURCE[::-1], copy=False)
        raise AssertionError("a copy was not refused")
    with suppress(interop.UnknownFrameworkError):
        interop.convert(SOURCE, "no_such_framework")
        raise AssertionError("a target was not refused")


def register(_: random.Random) -> None:
    interop.register(RowAdapter())
    assert interop.framework_of(Row()) == "stressed_row"
    check(interop.to_numpy(Row()))
    check(interop.to_torch(Row()))


def watch(_: random.Random) -> None:
    with interop.watch(keep=50) as seen:
        check(interop.to_torch(SOURCE))
        check(interop.to_numpy(TENSOR))
    assert len(seen) >= 2, "a watch has missed conversions"


def set_options(_: random.Random) -> None:
    with interop.options(readonly="share"):
        assert interop.to_numpy(interop.convert(READONLY, "numpy")) is READONLY
        with interop.options(readonly="error"):
            refused = False
            try:
                interop.to_torch(READONLY)
            except interop.InteropError:
                refused = True
            assert refused, "options(readonly='error') did not hold"
    check(interop.to_torch(READONLY), [7.0] * 4)


def forget(chance: random.Random) -> None:
    cls = type("Temporary", (np.ndarray,), {})
    check(interop.to_torch(SOURCE.view(cls)))
    module = ModuleType("torch")
    check(interop.convert(SOURCE, module))
    if chance.random() < 0.05:
        fastpath.clear()
        gc.collect()


def convert_trees(_: random.Random) -> None:
    tree = interop.convert_tree({"a": SOURCE, "b": [TENSOR, 3]}, "torch")
    check(tree["a"])
    assert tree["b"][0] is TENSOR
    check(interop.stack([SOURCE, TENSOR], "numpy"), [VALUES, VALUES])
    check(doubled(SOURCE), [0.0, 2.0, 4.0, 6.0])


@interop.implemented_in("torch")
def doubled(x: Any) -> Any:
    return x * 2


WORK: Final[dict[str, Callable[[random.Random], None]]] = {
    "rounds of conversions": convert,
    "rounds of new plans": plan,
    "rounds of refusals": refuse,
    "registrations": register,
    "watches": watch,
    "blocks with options": set_options,
    "temporary classes and modules": forget,
    "rounds of trees and stacks": convert_trees,
}


class Group:
    """Threads that work until the time is over or one of them has failed."""

    def __init__(self, trial: Trial) -> None:
        self.trial = trial
        self.counts: Counter[str] = Counter()
        self.failures: list[BaseException] = []
        self.lock = Lock()

    def work(self, seed: int) -> None:
        chance, counts = random.Random(seed), Counter[str]()  # noqa: S311 - not for cryptography
        names = list(WORK)
        while self.trial.running() and not self.failures:
            name = chance.choice(names)
            try:
                WORK[name](chance)
            except BaseException as error:  # noqa: BLE001 - raised in the main thread
                error.add_note(f"in {name!r}, in the thread with the seed {seed}")
                self.failures.append(error)
            counts[name] += 1
        with self.lock:
            self.counts.update(counts)


def run(trial: Trial) -> None:
    """Convert, register, watch, set options and forget in 16 threads."""
    group = Group(trial)
    interop.register(RowAdapter())
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        threads = [
            Thread(target=group.work, args=(trial.random.getrandbits(32),)) for _ in range(THREADS)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    trial.counts.update(group.counts)
    if group.failures:
        raise group.failures[0]
    assert not events.watches, "a watch is open after all threads have ended"
    convert(trial.random)
