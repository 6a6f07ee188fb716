"""Programs with real torch and CuPy: known errors are detected, and their corrections are clean.

A program moves the value ONE through device memory. OLD or NEW appears if the order is not
enforced.
"""

import ctypes
from collections.abc import Callable, Iterator
from typing import Any, Final, NamedTuple

import numpy as np
import pytest
from numpy.typing import NDArray

import simcuda

pytestmark = pytest.mark.requires("simcuda", "cupy", "torch")

OLD, ONE, NEW = 5.0, 1.0, 99.0
SIZE: Final = 1024
FIXED: Final = ("eager", "lazy", "greedy", "adversary")
SEEDS: Final = range(50)
Floats = NDArray[np.float32]
Program = Callable[[bool], Floats]


def frameworks() -> tuple[Any, Any]:
    import cupy
    import torch

    return cupy, torch


@pytest.fixture(autouse=True)
def clean() -> Iterator[None]:
    cupy, torch = frameworks()
    yield
    simcuda.schedule("eager")
    torch.cuda.synchronize()
    torch.cuda.empty_cache()
    cupy.get_default_memory_pool().free_all_blocks()
    simcuda.reset()


def pinned(value: float) -> Floats:
    """Return pinned memory from CuPy's pool."""
    cupy, _ = frameworks()
    array: Floats = np.frombuffer(cupy.cuda.alloc_pinned_memory(4 * SIZE), "f4", SIZE)
    array[:] = value
    return array


def pinned_tensor(value: float) -> Any:
    _, torch = frameworks()
    return torch.from_numpy(np.full(SIZE, value, "f4")).pin_memory()


def tensor_written_on(stream: Any) -> Any:
    """Return a tensor with the value OLD and a pending write of ONE on the stream."""
    _, torch = frameworks()
    tensor = torch.from_numpy(np.full(SIZE, OLD, "f4")).cuda()
    torch.cuda.synchronize()
    with torch.cuda.stream(stream):
        tensor.copy_(pinned_tensor(ONE), non_blocking=True)
    return tensor


class Exported:
    """A tensor that is exported without a stream."""

    def __init__(self, tensor: Any) -> None:
        self._tensor = tensor

    def __dlpack_device__(self) -> tuple[int, int]:
        return (2, 0)

    def __dlpack__(self, **_keywords: Any) -> Any:
        return self._tensor.__dlpack__()


# -- programs: wrong, or with the missing piece ----------------------------------------------------


def torch_to_cupy_without_a_wait(correct: bool) -> Floats:
    cupy, torch = frameworks()
    producer, consumer = torch.cuda.Stream(), cupy.cuda.Stream(non_blocking=True)
    tensor, result = tensor_written_on(producer), pinned(0)
    with consumer:
        if correct:
            with torch.cuda.stream(producer):
                array = cupy.from_dlpack(tensor)
        else:
            array = cupy.from_dlpack(Exported(tensor))
        array.get(out=result, blocking=False)
    consumer.synchronize()
    return result


def array_interface_without_a_stream(correct: bool) -> Floats:
    cupy, torch = frameworks()
    producer, consumer = torch.cuda.Stream(), cupy.cuda.Stream(non_blocking=True)
    tensor, result = tensor_written_on(producer), pinned(0)
    with consumer:
        array = cupy.asarray(tensor)
        if correct:
            event = producer.record_event()
            cupy.cuda.runtime.streamWaitEvent(consumer.ptr, event.cuda_event, 0)
        array.get(out=result, blocking=False)
    consumer.synchronize()
    return result


def torch_releases_early(correct: bool) -> Floats:
    cupy, torch = frameworks()
    consumer = cupy.cuda.Stream(non_blocking=True)
    tensor, result = torch.from_numpy(np.full(SIZE, ONE, "f4")).cuda(), pinned(0)
    with consumer:
        array = cupy.from_dlpack(tensor)
        if correct:
            tensor.record_stream(torch.cuda.ExternalStream(consumer.ptr))
        array.get(out=result, blocking=False)
    del array, tensor
    torch.empty(SIZE, device="cuda").copy_(pinned_tensor(NEW), non_blocking=True)
    consumer.synchronize()
    return result


class Fence:
    """An owner of a CuPy array. Its release makes the producer's stream wait for the consumer's."""

    def __init__(self, array: Any, producer: Any, consumer: int) -> None:
        self._held = (array, producer, consumer)

    def __del__(self) -> None:
        cupy, _ = frameworks()
        _array, producer, consumer = self._held
        event = cupy.cuda.Event(disable_timing=True)
        cupy.cuda.runtime.eventRecord(event.ptr, consumer)
        producer.wait_event(event)


def cupy_releases_early(correct: bool) -> Floats:
    cupy, torch = frameworks()
    producer, consumer = cupy.cuda.Stream(non_blocking=True), torch.cuda.Stream()
    out, one, new = torch.empty(SIZE, pin_memory=True), pinned(ONE), pinned(NEW)
    with producer, torch.cuda.stream(consumer):
        array = cupy.empty(SIZE, "f4")
        array.set(one)
        if correct:
            fence = Fence(array, producer, consumer.cuda_stream)
            memory = cupy.cuda.UnownedMemory(array.data.ptr, array.nbytes, fence)
            array = cupy.ndarray(array.shape, array.dtype, cupy.cuda.MemoryPointer(memory, 0))
            del fence, memory
        out.copy_(torch.from_dlpack(array), non_blocking=True)
        del array
        cupy.empty(SIZE, "f4").set(new)
    consumer.synchronize()
    result: Floats = out.numpy()
    return result


def pinned_source_freed_early(correct: bool) -> Floats:
    cupy, _ = frameworks()
    runtime, stream, result = (
        cupy.cuda.runtime,
        cupy.cuda.Stream(non_blocking=True),
        np.empty(SIZE, "f4"),
    )
    target = cupy.empty(SIZE, "f4")
    source = runtime.hostAlloc(target.nbytes, 0)
    ctypes.memmove(source, np.full(SIZE, ONE, "f4").tobytes(), target.nbytes)
    stream.wait_event(cupy.cuda.get_current_stream().record())
    runtime.memcpyAsync(target.data.ptr, source, target.nbytes, 1, stream.ptr)
    if correct:
        stream.synchronize()
    runtime.freeHost(source)
    with stream:
        target.get(out=result)
    return result


def stream_ordered_memory_freed_early(correct: bool) -> Floats:
    cupy, _ = frameworks()
    runtime, owner, reader = (
        cupy.cuda.runtime,
        cupy.cuda.Stream(non_blocking=True),
        cupy.cuda.Stream(non_blocking=True),
    )
    source, result = pinned(ONE), pinned(0)
    pointer = runtime.mallocAsync(source.nbytes, owner.ptr)
    runtime.memcpyAsync(pointer, source.ctypes.data, source.nbytes, 1, owner.ptr)
    reader.wait_event(owner.record())
    runtime.memcpyAsync(result.ctypes.data, pointer, source.nbytes, 2, reader.ptr)
    if correct:
        owner.wait_event(reader.record())
    runtime.freeAsync(pointer, owner.ptr)
    reader.synchronize()
    owner.synchronize()
    return result


def event_recorded_after_the_wait(correct: bool) -> Floats:
    cupy, torch = frameworks()
    producer, consumer = torch.cuda.Stream(), cupy.cuda.Stream(non_blocking=True)
    event, result = torch.cuda.Event(), pinned(0)
    event.record(producer)
    tensor = tensor_written_on(producer)
    if correct:
        event.record(producer)
    cupy.cuda.runtime.streamWaitEvent(consumer.ptr, event.cuda_event, 0)
    event.record(producer)
    cupy.cuda.runtime.memcpyAsync(
        result.ctypes.data, tensor.data_ptr(), result.nbytes, 2, consumer.ptr
    )
    consumer.synchronize()
    return result


# -- outcomes --------------------------------------------------------------------------------------


class Outcome(NamedTuple):
    wrong: bool
    races: list[str]
    errors: list[str]


def outcome(program: Program, correct: bool, schedule: str, seed: int | None = None) -> Outcome:
    simcuda.reset()
    simcuda.schedule(schedule, seed)
    wrong = not (program(correct) == ONE).all()
    return Outcome(wrong, list(map(str, simcuda.races())), list(map(str, simcuda.errors())))


# The schedules with wrong values. A race is reported under every schedule.
PROGRAMS: Final[dict[Program, set[str]]] = {
    torch_to_cupy_without_a_wait: {"lazy"},
    array_interface_without_a_stream: {"lazy"},
    torch_releases_early: {"greedy", "adversary"},
    cupy_releases_early: {"greedy", "adversary"},
    pinned_source_freed_early: {"lazy", "greedy", "adversary"},
    stream_ordered_memory_freed_early: {"greedy", "adversary"},
    event_recorded_after_the_wait: {"lazy"},
}


@pytest.mark.parametrize("program", PROGRAMS)
def test_simcuda_wrong_program_is_reported_as_a_race(program: Program) -> None:
    outcomes = {schedule: outcome(program, False, schedule) for schedule in FIXED}
    assert {schedule for schedule, (wrong, _, _) in outcomes.items() if wrong} == PROGRAMS[program]
    assert all(races for _, races, _ in outcomes.values()), outcomes
    seeds = [outcome(program, False, "random", seed) for seed in SEEDS]
    assert all(races for _, races, _ in seeds)
    assert 0 < sum(wrong for wrong, _, _ in seeds) < len(seeds), "chance shows it sometimes"


@pytest.mark.parametrize("program", PROGRAMS)
def test_simcuda_correct_program_reports_no_race_or_error(program: Program) -> None:
    for schedule, seed in [
        *((name, None) for name in FIXED),
        *(("random", seed) for seed in SEEDS),
    ]:
        assert outcome(program, True, schedule, seed) == (False, [], []), (schedule, seed)


def test_simcuda_pinned_source_refilled_early_shows_only_in_the_values() -> None:
    cupy, _ = frameworks()
    stream, source, result = cupy.cuda.Stream(non_blocking=True), pinned(ONE), np.empty(SIZE, "f4")
    simcuda.schedule("lazy")
    with stream:
        array = cupy.empty(SIZE, "f4")
        array.set(source)
        source[:] = NEW
        array.get(out=result)
    assert (result == NEW).all()
    assert not simcuda.races(), "the host's own reads and writes are no calls: nobody sees them"


@pytest.mark.parametrize("schedule", ["lazy", "greedy"])
def test_simcuda_thousand_handoffs_leave_no_live_objects(schedule: str) -> None:
    cupy, torch = frameworks()

    def handoffs(count: int) -> None:
        consumer = cupy.cuda.Stream(non_blocking=True)
        for _ in range(count):
            tensor = torch.empty(SIZE, device="cuda")
            with consumer:
                array = cupy.from_dlpack(tensor)
            array.get(stream=consumer, out=result)
            del array, tensor
        consumer.synchronize()

    simcuda.schedule(schedule)
    result = pinned(0)
    handoffs(10)
    before = simcuda.live()
    handoffs(1000)
    assert simcuda.live() == before
