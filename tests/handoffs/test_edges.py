"""Releases during graph capture, at interpreter exit and after a CUDA error."""

from pathlib import Path

import cupy
import pytest

import interop
import simcuda
from child import run_child

from .collect import WAYS
from .handoff import Handoff
from .sides import Side

pytestmark = pytest.mark.requires("torch", "cupy", "simcuda")


both_ways = pytest.mark.parametrize(("source", "target"), WAYS, ids=lambda side: side.name)
schedules = pytest.mark.parametrize("schedule", ["eager", "lazy", "greedy", "adversary"])


@both_ways
@schedules
@pytest.mark.parametrize("captured", ["the producer's", "the consumer's", "a third"])
def test_release_during_graph_capture_causes_no_error_and_no_race(
    source: Side, target: Side, schedule: str, captured: str
) -> None:
    """The next handoff completes a release that was made during capture.

    A failing call of cudaStreamIsCapturing does no harm.
    """
    simcuda.schedule(schedule)
    handoff = Handoff(interop.convert, source, target)
    handoff.read()
    third = cupy.cuda.Stream(non_blocking=True)
    handles = {
        "the producer's": source.handle(handoff.producer),
        "the consumer's": target.handle(handoff.consumer),
        "a third": third.ptr,
    }
    with simcuda.captured(handles[captured]):
        handoff.drop("y", "x")
    Handoff(interop.convert, source, target).check()
    handoff.reuse()
    handoff.check()
    assert not simcuda.races()
    assert [error for error in simcuda.errors() if error.function != "cudaStreamIsCapturing"] == []


EXIT = """
    import weakref
    import simcuda
    simcuda.load()
    import cupy, torch, interop
    simcuda.schedule({schedule!r})

    class Owner:
        def __init__(self):
            self.itself = self

    def handed_over():
        with torch.cuda.stream(torch.cuda.Stream()), cupy.cuda.Stream(non_blocking=True):
            x, y = torch.empty(256, device="cuda"), cupy.empty(256, "f4")
            return [x, interop.to_cupy(x), y, interop.to_torch(y)]

    kept, first, second = handed_over(), handed_over(), handed_over()
    del first[::2], second[1::2]
    owner = Owner()
    owner.held = handed_over()
    weakref.finalize(owner, handed_over().clear)
    owner = None
    print("done")
"""


@pytest.mark.slow
@pytest.mark.parametrize("schedule", ["lazy", "greedy"])
def test_release_at_interpreter_exit_prints_no_error(schedule: str) -> None:
    """Arrays in globals, in a cycle and in a finaliser: no error, no output on stderr, no hang."""
    code = EXIT.format(schedule=schedule)
    assert run_child(code, path=Path(__file__).parents[1], sees_gpu=True) == "done\n"


@both_ways
def test_release_when_cuda_events_fail_does_not_reuse_memory_early(
    source: Side, target: Side, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A release that cannot record an event raises no error, and does not free the memory early."""
    simcuda.schedule("greedy")
    handoff = Handoff(interop.convert, source, target)
    handoff.read()

    def fail(*_: object) -> None:
        raise RuntimeError("the runtime fails")

    with monkeypatch.context() as patch:
        for name in ("eventRecord", "streamWaitEvent"):
            patch.setattr(cupy.cuda.runtime, name, fail)
        handoff.drop("x", "y")
    handoff.reuse()
    handoff.check()
    assert not simcuda.races()
