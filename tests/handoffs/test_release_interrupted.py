"""A release that an exception ends at any point is tried again, and frees no memory too early."""

import gc
import inspect
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch

import interop
import simcuda
from interop._identify.registry import adapter_named
from interop.adapter import lease
from interrupting import Interrupter

from .collect import WAYS
from .handoff import Handoff
from .places import current
from .sides import Side

pytestmark = pytest.mark.requires("torch", "cupy", "simcuda")

both_ways = pytest.mark.parametrize(("source", "target"), WAYS, ids=lambda side: side.name)
schedules = pytest.mark.parametrize("schedule", ["lazy", "greedy", "adversary"])


def folder_of(cls: type) -> str:
    return str(Path(inspect.getfile(cls)).parent)


@contextmanager
def unraisable() -> Iterator[list[type[BaseException]]]:
    """Collect the exceptions of finalisers, which nobody can catch."""
    seen: list[type[BaseException]] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "unraisablehook", lambda raised: seen.append(raised.exc_type))
        yield seen


def release(source: Side, target: Side, drop: Callable[[Callable[[], None]], object]) -> int:
    """Drop the arrays of a handoff in a way that may fail, then reuse the memory.

    Return how many releases waited after the drop.
    """
    lender = adapter_named(source.name)
    assert not lease.waiting(lender)
    handoff = Handoff(interop.convert, source, target)
    handoff.read()
    with unraisable():
        drop(lambda: handoff.drop("x", "y"))
    waiting = lease.waiting(lender)
    handoff.reuse()
    handoff.check()
    # The next handoff tries again.
    Handoff(interop.convert, source, target).check()
    gc.collect(0)
    assert not lease.waiting(lender)
    assert not lease._lent
    assert not lease._ended
    assert not simcuda.races()
    return waiting


@both_ways
@schedules
@pytest.mark.parametrize("verb", ["is_capturing", "wait_stream", "synchronize"])
@pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError, RuntimeError, SystemExit])
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_release_with_a_failing_primitive_is_ordered_or_tried_again(  # noqa: PLR0913, PLR0917
    source: Side, target: Side, schedule: str, verb: str, error: type[BaseException], after: bool
) -> None:
    simcuda.schedule(schedule)
    owner = type(adapter_named(source.name))
    original = getattr(owner, verb)

    def call(*args: Any) -> Any:
        if after:
            original(*args)
        raise error

    def drop(work: Callable[[], None]) -> None:
        with pytest.MonkeyPatch.context() as patch:
            if verb == "synchronize":  # it is called only if the streams cannot be ordered

                def fail(*_: Any) -> None:
                    raise RuntimeError

                patch.setattr(owner, "wait_stream", fail)
            patch.setattr(owner, verb, call)
            work()

    waiting = release(source, target, drop)
    # Another exception than an error ends the release. After an error, the device is synchronised.
    assert waiting == (verb == "synchronize" or not issubclass(error, Exception))


@both_ways
@pytest.mark.parametrize("schedule", ["lazy", "greedy"])
def test_release_interrupted_at_every_point_is_tried_again(
    source: Side, target: Side, schedule: str
) -> None:
    simcuda.schedule(schedule)
    interrupter = Interrupter(
        "adapter/lease.py",
        "adapter/streams.py",
        "adapter/scope.py",
        *(folder_of(type(adapter_named(name))) for name in ("torch", "cupy")),
        folder_of(torch.cuda.Stream),
    )
    total = 0

    def count(work: Callable[[], None]) -> None:
        nonlocal total
        total = interrupter.count(work)

    assert not release(source, target, count)
    assert total > 10
    before = current()
    waited = 0
    for at in range(total):
        waited += release(source, target, lambda work, at=at: interrupter.run(work, at))  # type: ignore[misc]
        assert current() == before, interrupter.where
    # Only at the last points, the memory was free already.
    assert waited > total // 2


@both_ways
def test_release_on_a_failing_device_keeps_the_memory_and_frees_it_later(
    source: Side, target: Side, monkeypatch: pytest.MonkeyPatch
) -> None:
    lender = adapter_named(source.name)
    handoffs = [Handoff(interop.convert, source, target) for _ in range(5)]

    def fail(*_: object) -> None:
        raise RuntimeError

    with monkeypatch.context() as patch:
        for verb in ("wait_stream", "synchronize"):
            patch.setattr(type(lender), verb, fail)
        for handoff in handoffs:
            handoff.drop("x", "y")
        assert lease.waiting(lender) == len(handoffs)
    lease.release_pending()
    assert not lease.waiting(lender)


def test_lease_at_interpreter_exit_is_not_released(monkeypatch: pytest.MonkeyPatch) -> None:
    """CUDA may be gone at exit."""
    tried: list[object] = []
    monkeypatch.setattr(lease, "release_pending", lambda: tried.append(None))
    lease._release_now(None, is_finalizing=lambda: True)  # type: ignore[arg-type]
    assert not tried
    lease._release_now(None, is_finalizing=lambda: False)  # type: ignore[arg-type]
    assert tried
