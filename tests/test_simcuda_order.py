"""The simulated runtime: schedules, streams, events, and happens-before."""

import threading
from collections.abc import Iterator

import pytest

import simcuda
from simcuda.direct import (
    INVALID_HANDLE,
    LEGACY,
    NON_BLOCKING,
    NOT_READY,
    PER_THREAD,
    SIZE,
    Runtime,
    fresh,
)

pytestmark = pytest.mark.requires("simcuda", "cupy")


@pytest.fixture
def rt() -> Iterator[Runtime]:
    yield from fresh()


def test_simcuda_eager_schedule_runs_pending_work_and_lazy_does_not(rt: Runtime) -> None:
    target, result, stream = rt.device_memory(), rt.pinned(), rt.stream()
    rt.upload(target, rt.pinned(7), stream)
    rt.download(result, target, stream)
    assert simcuda.live().pending == 2
    assert not result.any()
    simcuda.schedule("eager")
    assert simcuda.live().pending == 0
    assert (result == 7).all()


def test_simcuda_lazy_schedule_runs_only_the_synchronised_stream(rt: Runtime) -> None:
    first, second = rt.stream(), rt.stream()
    for stream in (first, second):
        rt.upload(rt.device_memory(), rt.pinned(), stream)
    rt.cuda.streamSynchronize(first)
    assert simcuda.live().pending == 1


def test_simcuda_greedy_schedule_runs_other_streams_first(rt: Runtime) -> None:
    target, result = rt.device_memory(), rt.pinned()
    first, second = rt.stream(), rt.stream()
    rt.upload(target, rt.pinned(1), first)
    rt.cuda.streamSynchronize(first)
    simcuda.schedule("greedy")
    rt.download(result, target, first)
    rt.upload(target, rt.pinned(2), second)
    rt.cuda.streamSynchronize(first)
    assert (result == 2).all()
    assert len(simcuda.races()) == 1


def test_simcuda_random_schedule_depends_only_on_its_seed(rt: Runtime) -> None:
    def order(seed: int) -> tuple[int, ...]:
        simcuda.schedule("random", seed)
        done: list[int] = []
        for i, stream in enumerate([*streams, *streams]):
            rt.cuda.launchHostFunc(stream, done.append, i)
        rt.cuda.deviceSynchronize()
        return tuple(done)

    streams = [rt.stream() for _ in range(4)]
    orders = [order(seed) for seed in range(20)]
    assert orders == [order(seed) for seed in range(20)]
    assert len(set(orders)) > 10
    assert order(2**64 - 1)


@pytest.mark.parametrize(("name", "seed"), [("greedy", 1), ("random", None), ("fifo", None)])
def test_simcuda_schedule_unknown_name_or_bad_seed_is_refused(name: str, seed: int | None) -> None:
    with pytest.raises(ValueError, match=r"seed|no schedule"):
        simcuda.schedule(name, seed)


# -- events ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("schedule", ["eager", "lazy", "greedy", "adversary"])
def test_simcuda_event_wait_refers_to_the_last_record_before_the_wait(
    rt: Runtime, schedule: str
) -> None:
    simcuda.schedule(schedule)
    target, result, event = rt.device_memory(), rt.pinned(), rt.event()
    writer, reader, idle = rt.stream(), rt.stream(), rt.stream()
    rt.upload(target, rt.pinned(1), writer)
    rt.cuda.eventRecord(event, writer)
    rt.cuda.streamWaitEvent(reader, event, 0)
    rt.cuda.eventRecord(event, idle)
    rt.cuda.eventSynchronize(event)
    rt.download(result, target, reader)
    rt.cuda.streamSynchronize(reader)
    assert (result == 1).all()
    assert not simcuda.races()


def test_simcuda_event_wait_before_the_record_orders_nothing(rt: Runtime) -> None:
    target, event = rt.device_memory(), rt.event()
    writer, reader = rt.stream(), rt.stream()
    rt.cuda.streamWaitEvent(reader, event, 0)
    rt.upload(target, rt.pinned(1), writer)
    rt.cuda.eventRecord(event, writer)
    rt.download(rt.pinned(), target, reader)
    (race,) = simcuda.races()
    assert (race.first.write, race.second.write) == (True, False)
    assert f"{writer:#x}" in str(race)


def test_simcuda_write_that_waits_for_one_of_two_readers_is_a_race(rt: Runtime) -> None:
    target, event = rt.device_memory(), rt.event()
    readers, writer = [rt.stream(), rt.stream()], rt.stream()
    for reader in readers:
        rt.download(rt.pinned(), target, reader)
    assert not simcuda.races(), "readers do not conflict"
    for reader in reversed(readers):
        rt.cuda.eventRecord(event, reader)
        rt.cuda.streamWaitEvent(writer, event, 0)
        rt.upload(target, rt.pinned(), writer)
    (race,) = simcuda.races()
    assert f"{readers[0]:#x}" in race.first.stream


def test_simcuda_event_query_makes_progress(rt: Runtime) -> None:
    def polls() -> int:
        for _ in range(3):
            rt.upload(target, source, stream)
        rt.cuda.eventRecord(event, stream)
        return next(n for n in range(100) if rt.cuda.eventQuery(event) != NOT_READY)

    target, source, stream, event = rt.device_memory(), rt.pinned(), rt.stream(), rt.event()
    assert polls() == 3
    simcuda.schedule("adversary")
    assert polls() == 0
    for seed in range(20):
        simcuda.schedule("random", seed)
        polls()
    assert not simcuda.races()


def test_simcuda_successful_event_query_synchronises(rt: Runtime) -> None:
    simcuda.schedule("adversary")
    target, event, writer, reader = rt.device_memory(), rt.event(), rt.stream(), rt.stream()
    rt.upload(target, rt.pinned(), writer)
    rt.cuda.eventRecord(event, writer)
    assert rt.cuda.eventQuery(event) == 0
    rt.download(rt.pinned(), target, reader)
    assert not simcuda.races()


def test_simcuda_event_record_on_a_stream_of_another_device_fails(rt: Runtime) -> None:
    event = rt.event()
    rt.cuda.setDevice(1)
    stream = rt.stream()
    rt.fails(INVALID_HANDLE, lambda: rt.cuda.eventRecord(event, stream), "of device 1")
    rt.cuda.eventRecord(rt.event(), stream)
    rt.cuda.setDevice(0)
    rt.cuda.streamWaitEvent(stream, event, 0)


def test_simcuda_destroyed_or_unknown_handle_is_an_error(rt: Runtime) -> None:
    stream, event = rt.cuda.streamCreate(), rt.cuda.eventCreate()
    rt.cuda.eventRecord(event, stream)
    rt.cuda.eventDestroy(event)
    rt.cuda.streamDestroy(stream)
    rt.fails(
        INVALID_HANDLE,
        lambda: rt.cuda.streamSynchronize(stream),
        "cudaStreamSynchronize: stream 0x",
    )
    rt.fails(INVALID_HANDLE, lambda: rt.cuda.eventRecord(event, LEGACY), "was destroyed")
    rt.fails(INVALID_HANDLE, lambda: rt.cuda.streamDestroy(12345), "never created")
    assert rt.stream() != stream


def test_simcuda_destroyed_stream_finishes_its_work(rt: Runtime) -> None:
    target, result, stream = rt.device_memory(), rt.pinned(), rt.cuda.streamCreate()
    rt.upload(target, rt.pinned(9), stream)
    rt.download(result, target, stream)
    rt.cuda.streamDestroy(stream)
    rt.cuda.deviceSynchronize()
    assert (result == 9).all()


# -- default streams -------------------------------------------------------------------------------


def writes_then_reads(rt: Runtime, writer: int, reader: int) -> bool:
    """Return whether a read sees the value if only the required work runs."""
    target, result = rt.device_memory(), rt.pinned()
    before = simcuda.live().pending
    rt.upload(target, rt.pinned(5), writer)
    rt.download(result, target, reader)
    assert simcuda.live().pending == before + 2, "something ran early"
    rt.cuda.streamSynchronize(reader)
    return bool((result == 5).all())


@pytest.mark.parametrize("default", [0, LEGACY])
@pytest.mark.parametrize("other", ["blocking", "per thread", "non-blocking"])
def test_simcuda_legacy_stream_orders_with_blocking_streams_only(
    rt: Runtime, default: int, other: str
) -> None:
    stream = (
        PER_THREAD
        if other == "per thread"
        else rt.stream(NON_BLOCKING if other == "non-blocking" else 0)
    )
    ordered = other != "non-blocking"
    assert writes_then_reads(rt, default, stream) == ordered
    assert writes_then_reads(rt, stream, default) == ordered
    assert len(simcuda.races()) == (0 if ordered else 2)


def test_simcuda_unused_legacy_stream_does_not_order_blocking_streams(rt: Runtime) -> None:
    first, second, target = rt.stream(0), rt.stream(0), rt.device_memory()
    rt.upload(target, rt.pinned(), first)
    rt.cuda.memsetAsync(rt.device_memory(), 0, SIZE, LEGACY)
    rt.download(rt.pinned(), target, second)
    assert not simcuda.races()
    rt.upload(target, rt.pinned(), first)
    assert len(simcuda.races()) == 1


def test_simcuda_per_thread_stream_is_separate_for_each_thread_and_device(rt: Runtime) -> None:
    target = rt.device_memory()

    def write() -> None:
        rt.cuda.memsetAsync(target, 1, SIZE, PER_THREAD)

    write()
    write()
    assert not simcuda.races()
    thread = threading.Thread(target=write)
    thread.start()
    thread.join()
    assert len(simcuda.races()) == 1
    rt.cuda.deviceSynchronize()
    write()
    rt.cuda.setDevice(1)
    write()
    assert len(simcuda.races()) == 2
