"""The CUDA calls of a handoff, and the absence of leaks."""

import sys
from typing import Any

import cupy
import numpy as np
import pytest

import interop
import simcuda

from .collect import WAYS
from .handoff import Handoff
from .mutants import synchronize
from .sides import CUPY, TORCH, Side

pytestmark = pytest.mark.requires("torch", "cupy", "simcuda")


both_ways = pytest.mark.parametrize(("source", "target"), WAYS, ids=lambda side: side.name)
devices = pytest.mark.parametrize("device", [0, 1])
SAME = pytest.mark.parametrize(
    ("producer", "consumer"), [("default", "default"), ("side", "the producer's")]
)
OTHER = pytest.mark.parametrize(
    ("producer", "consumer"),
    [
        ("default", "side"),
        ("side", "default"),
        ("side", "side"),
        ("side", "per-thread"),
        ("per-thread", "side"),
    ],
)


def counted(
    source: Side, target: Side, producer: str, consumer: str, device: int
) -> tuple[Any, Any, Any]:
    """Count the CUDA calls of a handover, of the result's release and of the source's release.

    The second run is counted, after the memory pools have been filled.
    """
    for _ in range(2):
        handoff = Handoff(interop.convert, source, target, producer, consumer, device)
        handoff.read()
        handoff.drop("y")
        with (
            source.on(handoff.producer, device),
            target.on(handoff.consumer, device),
            simcuda.counting() as handover,
        ):
            handoff.y = interop.convert(handoff.x, target.name)
        assert target.pointer(handoff.y) == source.pointer(handoff.x)
        handoff.read()
        with simcuda.counting() as release:
            handoff.drop("y")
        with simcuda.counting() as free:
            handoff.drop("x")
        handoff.reuse()
        handoff.check()
    return handover, release, free


def work(counts: Any) -> tuple[int, ...]:
    """Return the counts that must be zero for a handoff."""
    return counts.memcpys, counts.synchronisations, counts.launches, counts.allocations


def order(counts: Any) -> tuple[int, int]:
    return counts.records, counts.waits


@both_ways
@devices
@SAME
def test_handoff_on_same_stream_adds_no_event_copy_or_wait(
    source: Side, target: Side, producer: str, consumer: str, device: int
) -> None:
    simcuda.schedule("lazy")
    for counts in counted(source, target, producer, consumer, device):
        assert work(counts) == (0, 0, 0, 0)
        assert order(counts) == (0, 0)


@both_ways
@devices
@OTHER
def test_handoff_to_another_stream_costs_one_event_each_way(
    source: Side, target: Side, producer: str, consumer: str, device: int
) -> None:
    simcuda.schedule("lazy")
    handover, release, free = counted(source, target, producer, consumer, device)
    assert work(handover) == work(release) == work(free) == (0, 0, 0, 0)
    assert order(handover) == (1, 1)
    assert release.waits + free.waits <= 1
    freed_by_torch = int(
        source is TORCH
    )  # torch's allocator records an event if another stream has used a block
    assert release.records + free.records <= 1 + freed_by_torch


@both_ways
def test_handoff_with_source_kept_adds_no_wait_to_source_stream(source: Side, target: Side) -> None:
    """A synchronisation of the producer runs only the work that the producer issued."""
    simcuda.schedule("lazy")
    handoff = Handoff(interop.convert, source, target)
    handoff.read()
    handoff.results[0][:] = -1
    source.synchronize(handoff.producer)
    assert (handoff.results[0] == -1).all()
    handoff.check()


def test_release_of_torch_source_adds_no_wait_to_torch_stream() -> None:
    """torch's allocator sets aside a block that is still being read, and uses another block."""
    simcuda.schedule("lazy")
    handoff = Handoff(interop.convert, TORCH, CUPY)
    gate = TORCH.handle(sys.modules["interop.adapters.torch.cuda"]._gates[0])
    if TORCH.handle(handoff.producer) == gate:  # torch hands out its 32 streams again and again
        handoff = Handoff(interop.convert, TORCH, CUPY)
    handoff.read()
    handoff.results[0][:] = -1
    handoff.drop("x", "y")
    handoff.reuse()
    TORCH.synchronize(handoff.producer)
    assert (handoff.results[0] == -1).all()
    handoff.check()


@both_ways
def test_release_after_reads_are_done_ignores_later_consumer_work(
    source: Side, target: Side
) -> None:
    """The producer does not wait for work that the consumer starts after the release."""
    simcuda.schedule("lazy")
    handoff = Handoff(interop.convert, source, target)
    handoff.read()
    handoff.check()
    handoff.drop("x", "y")
    handoff.y = target.empty()
    with target.on(handoff.consumer):
        target.write(handoff.y, 1.0)
    handoff.read()
    handoff.results[-1][:] = -1
    handoff.reuse()
    source.synchronize(handoff.producer)
    assert (handoff.results[-1] == -1).all()
    handoff.check()


# -- moves -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("to", ["torch", "cupy"])
@pytest.mark.parametrize("device", ["cuda", "cuda:1"])
def test_convert_numpy_to_device_makes_one_upload(to: str, device: str) -> None:
    array = np.ones(256, "f4")
    with simcuda.counting() as counts:
        uploaded = interop.convert(array, to, device=device)
    assert counts.copied_bytes == {"HtoD": array.nbytes}
    assert counts.copies == {"HtoD": 1}
    del uploaded


@pytest.mark.parametrize("side", [TORCH, CUPY], ids=lambda side: side.name)
def test_to_numpy_from_device_makes_one_download(side: Side) -> None:
    array = side.empty()
    with simcuda.counting() as counts:
        result = interop.to_numpy(array)
    assert counts.copies == {"DtoH": 1}
    assert counts.copied_bytes == {"DtoH": result.nbytes}


@pytest.mark.parametrize("to", ["torch", "cupy"])
@pytest.mark.parametrize("side", [TORCH, CUPY], ids=lambda side: side.name)
def test_convert_to_another_device_makes_one_peer_copy(side: Side, to: str) -> None:
    array = side.empty()
    with simcuda.counting() as counts:
        moved = interop.convert(array, to, device="cuda:1")
    assert counts.copies == {"PtoP": 1}
    assert counts.copied_bytes == {"PtoP": 4 * 256}
    assert counts.synchronisations == 0
    del moved


# -- leaks -----------------------------------------------------------------------------------------


@both_ways
@pytest.mark.parametrize("schedule", ["eager", "lazy", "greedy"])
@pytest.mark.parametrize("consumer", ["side", "the producer's", "per-thread"])
def test_handoff_repeated_1000_times_leaks_no_cuda_resources(
    source: Side, target: Side, schedule: str, consumer: str
) -> None:
    def handoffs(count: int) -> None:
        for i in range(count):
            with source.on(handoff.producer), target.on(handoff.consumer):
                x = source.empty()
                source.write(x, 1.0)
                y = interop.convert(x, target.name)
                target.write(y, 1.0)
            del x, y
            if i % 10 == 9:
                synchronize()
                source.empty(1)  # makes torch's allocator check the blocks that it has set aside

    simcuda.schedule(schedule)
    handoff = Handoff(interop.convert, source, target, consumer=consumer)
    handoffs(20)
    cupy.get_default_memory_pool().free_all_blocks()
    before = simcuda.live()
    handoffs(1000)
    cupy.get_default_memory_pool().free_all_blocks()
    assert simcuda.live() == before
