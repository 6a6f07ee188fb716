"""copyto between the host and a GPU, and within GPUs: values under every schedule, what it costs, what it leaves."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import interop
import simcuda
from interop import copyto
from interop._registry import adapter_named
from interop._staging import Buffers

pytestmark = pytest.mark.requires("torch", "cupy", "gpu", "simcuda")
VALUES = np.arange(4096, dtype="f4").reshape(64, 64)  # 16 KiB: eight pieces of 2 KiB
BATCH, PIECES = 4096, 8
SCHEDULES = [("eager", None), ("lazy", None), ("greedy", None), ("adversary", None), *(("random", i) for i in range(4))]
GPU = ["torch", "cupy"]
under_every_schedule = pytest.mark.parametrize("schedule", SCHEDULES, ids=lambda schedule: schedule[0])
devices = pytest.mark.parametrize("device", [0, 1])


@pytest.fixture(autouse=True)
def clean() -> Iterator[None]:
    from handoffs import runs

    runs.clean()
    yield
    assert not simcuda.races()
    assert not simcuda.errors()
    runs.clean()


def on_gpu(name: str, values: NDArray[Any], device: int = 0) -> Any:
    return interop.convert(values, name, device=f"cuda:{device}", copy=True)


@pytest.fixture
def buffers(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Collect the pinned buffers that are asked for."""
    collected: list[Any] = []
    for name in GPU:
        adapter: Any = adapter_named(name)

        def pinned(_: Any, nbytes: int, original: Any = adapter.pinned) -> Any:
            collected.append(original(nbytes))
            return collected[-1]

        monkeypatch.setattr(type(adapter), "pinned", pinned)
    return collected


def is_in_use(buffers: list[Any]) -> bool:
    """Whether a transfer still writes to a buffer, or reads it; what it would bring is then seen by the test's values."""
    assert buffers
    for buffer in buffers:
        buffer[:] = 0xA5
    simcuda.drain()
    return any((buffer != 0xA5).any() for buffer in buffers)


def side_streams(device: int = 0) -> Any:
    """Make other streams current than the default ones, and no device but 0."""
    import contextlib

    import torch

    from handoffs.sides import CUPY, TORCH

    stack = contextlib.ExitStack()
    stack.enter_context(torch.cuda.stream(TORCH.stream(device)))
    torch.cuda.set_device(0)
    stack.enter_context(CUPY.on(CUPY.stream(device), device))
    stack.enter_context(CUPY.on(CUPY.stream(0), 0))
    return stack


@devices
@under_every_schedule
@pytest.mark.parametrize("host", ["numpy", "torch"])
@pytest.mark.parametrize("name", GPU)
def test_a_download_is_right(name: str, host: str, schedule: Any, device: int) -> None:
    from handoffs.places import current

    with side_streams(device):
        source = on_gpu(name, np.zeros_like(VALUES), device)
        simcuda.schedule(*schedule)
        copyto(source, VALUES, batch_bytes=BATCH)
        dst, before = interop.convert(np.full_like(VALUES, -1), host), current()
        assert copyto(dst, source, batch_bytes=BATCH) is None  # type: ignore[func-returns-value]
        assert current() == before
    np.testing.assert_array_equal(interop.to_numpy(dst), VALUES)


@devices
@under_every_schedule
@pytest.mark.parametrize("host", ["numpy", "torch"])
@pytest.mark.parametrize("name", GPU)
def test_an_upload_is_right(name: str, host: str, schedule: Any, device: int, buffers: list[Any]) -> None:
    """The source and the buffers are overwritten as soon as the call returns."""
    from handoffs.places import current

    with side_streams(device):
        dst, before = on_gpu(name, np.zeros_like(VALUES), device), current()
        memory = VALUES.copy()
        simcuda.schedule(*schedule)
        copyto(dst, interop.convert(memory, host), batch_bytes=BATCH)
        memory[:] = -1
        assert not is_in_use(buffers)
        assert current() == before
        np.testing.assert_array_equal(interop.to_numpy(dst), VALUES)


@under_every_schedule
@pytest.mark.parametrize("name", GPU)
def test_a_generator_is_uploaded(name: str, schedule: Any) -> None:
    """Each array is overwritten once the next is asked for, while buffers are still on their way."""

    def generate() -> Iterator[Any]:
        buffer = np.empty((8, 64), "f4")
        for i in range(0, 64, 8):
            buffer[:] = VALUES[i : i + 8]
            yield buffer
            buffer[:] = -1

    simcuda.schedule(*schedule)
    dst = on_gpu(name, np.zeros_like(VALUES))
    copyto(dst, generate(), batch_bytes=BATCH)
    np.testing.assert_array_equal(interop.to_numpy(dst), VALUES)


@under_every_schedule
def test_arrays_from_everywhere_arrive_on_the_host(schedule: Any) -> None:
    simcuda.schedule(*schedule)
    dst, places = np.zeros_like(VALUES), [("torch", 0), ("numpy", 0), ("cupy", 1), ("torch", 1)]
    parts = [
        VALUES[i * 16 : i * 16 + 16] if name == "numpy" else on_gpu(name, VALUES[i * 16 : i * 16 + 16], device)
        for i, (name, device) in enumerate(places)
    ]
    copyto(dst, parts, batch_bytes=BATCH)
    np.testing.assert_array_equal(dst, VALUES)


@under_every_schedule
@pytest.mark.parametrize("source", [("torch", 0), ("torch", 1), ("cupy", 0), ("cupy", 1)])
@pytest.mark.parametrize("target", [("torch", 0), ("torch", 1), ("cupy", 0), ("cupy", 1)])
def test_from_gpu_to_gpu_is_right_and_need_not_wait(source: Any, target: Any, schedule: Any) -> None:
    """In the order of the current stream of the target's framework, on which the result is read."""
    with side_streams():
        simcuda.schedule(*schedule)
        dst, src = on_gpu(target[0], np.zeros_like(VALUES), target[1]), on_gpu(source[0], VALUES, source[1])
        copyto(dst, src, batch_bytes=BATCH)
        with simcuda.counting() as counts:
            copyto(dst, src, batch_bytes=BATCH)
        del src
        np.testing.assert_array_equal(interop.to_numpy(dst), VALUES)
    assert counts.synchronisations == 0
    assert sum(counts.copied_bytes.values()) == VALUES.nbytes
    assert set(counts.copies) == {"PtoP" if source[1] != target[1] else "DtoD"}


@pytest.mark.parametrize("name", GPU)
def test_a_device_of_no_known_framework_is_shared_by_that_of_dst(name: str) -> None:
    class Foreign:
        def __init__(self, array: Any) -> None:
            self.__cuda_array_interface__ = array.__cuda_array_interface__

    source, dst = on_gpu("cupy", VALUES), on_gpu(name, np.zeros_like(VALUES))
    copyto(dst, Foreign(source), batch_bytes=BATCH)
    np.testing.assert_array_equal(interop.to_numpy(dst), VALUES)
    with pytest.raises(interop.UnsupportedArrayError, match=r"can't be asked to write\. Convert dst to a framework of cuda:0"):
        copyto(Foreign(source), VALUES)


# -- costs -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", GPU)
def test_a_download_costs_one_copy_one_mark_and_one_wait_a_piece(name: str) -> None:
    source, dst = on_gpu(name, VALUES), np.zeros_like(VALUES)
    for _ in range(2):
        with simcuda.counting() as counts:
            copyto(dst, source, batch_bytes=BATCH)
    assert (counts.copies, counts.copied_bytes) == ({"DtoH": PIECES}, {"DtoH": VALUES.nbytes})
    assert (counts.calls["cudaEventSynchronize"], counts.synchronisations) == (PIECES, PIECES)
    assert counts.waits == counts.launches == counts.allocations == 0


@pytest.mark.parametrize("name", GPU)
def test_an_upload_costs_one_copy_one_mark_and_one_wait_a_piece(name: str) -> None:
    dst = on_gpu(name, np.zeros_like(VALUES))
    for _ in range(2):
        with simcuda.counting() as counts:
            copyto(dst, VALUES, batch_bytes=BATCH)
    assert (counts.copies, counts.copied_bytes) == ({"HtoD": PIECES}, {"HtoD": VALUES.nbytes})
    assert (counts.calls["cudaEventSynchronize"], counts.synchronisations) == (PIECES, PIECES)
    assert counts.waits == counts.launches == counts.allocations == 0


@pytest.mark.parametrize("name", GPU)
def test_what_shrinks_and_grows_on_the_host_travels_in_the_smaller_dtype(name: str) -> None:
    dst = on_gpu(name, np.zeros_like(VALUES))
    with simcuda.counting() as upload:
        copyto(dst, VALUES.astype("f8"))
    wide = np.zeros(VALUES.shape, "f8")
    with simcuda.counting() as download:
        copyto(wide, dst)
    assert upload.copied_bytes == {"HtoD": VALUES.nbytes}
    assert download.copied_bytes == {"DtoH": VALUES.nbytes}
    np.testing.assert_array_equal(wide, VALUES)


@pytest.mark.requires("kernels")
@pytest.mark.parametrize("name", GPU)
def test_what_shrinks_and_grows_on_the_device_travels_in_the_smaller_dtype(name: str) -> None:
    dst = on_gpu(name, np.zeros(VALUES.shape, "f8"))
    copyto(dst, VALUES, batch_bytes=BATCH)
    small = np.zeros_like(VALUES)
    copyto(small, dst, batch_bytes=BATCH)
    np.testing.assert_array_equal(small, VALUES)


@pytest.mark.parametrize("name", GPU)
@pytest.mark.parametrize("batch_bytes", [1024, 4096, 5000, 1 << 20])
def test_pinned_memory_stays_within_batch_bytes(name: str, batch_bytes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the requests, and of what the frameworks' pools make of them."""
    asked: list[int] = []
    adapter = adapter_named(name)
    original = adapter.pinned
    monkeypatch.setattr(type(adapter), "pinned", lambda _, nbytes: (asked.append(nbytes), original(nbytes))[1])
    source, dst = on_gpu(name, VALUES), np.zeros_like(VALUES)
    empty_pools()
    before = simcuda.live().host_bytes
    copyto(dst, source, batch_bytes=batch_bytes)
    assert sum(asked) <= min(batch_bytes, VALUES.nbytes)
    copyto(source, dst, batch_bytes=batch_bytes)
    assert simcuda.live().host_bytes - before <= batch_bytes
    empty_pools()
    assert simcuda.live().host_bytes == before


def empty_pools() -> None:
    import cupy
    import torch

    cupy.get_default_pinned_memory_pool().free_all_blocks()
    torch.cuda.synchronize()
    torch._C._host_emptyCache()


@pytest.mark.parametrize("name", GPU)
def test_a_hundred_copies_leave_nothing(name: str) -> None:
    source, dst = on_gpu(name, VALUES), np.zeros_like(VALUES)

    def copies(count: int) -> None:
        for _ in range(count):
            copyto(dst, source, batch_bytes=BATCH)
            copyto(source, dst, batch_bytes=BATCH)

    simcuda.schedule("lazy")
    copies(3)
    before = simcuda.live()
    copies(100)
    assert simcuda.live() == before


# -- the two buffers -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", GPU)
def test_the_next_download_is_asked_for_before_a_piece_is_read(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = order_of_calls(monkeypatch, name)
    copyto(np.zeros_like(VALUES), on_gpu(name, VALUES), batch_bytes=2 * BATCH)
    assert seen == ["fetch", "fetch", "write", "fetch", "write", "fetch", "write", "write"]


@pytest.mark.parametrize("name", GPU)
def test_a_buffer_is_filled_while_the_other_one_is_uploaded(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    dst, seen = on_gpu(name, np.zeros_like(VALUES)), order_of_calls(monkeypatch, name)
    simcuda.schedule("lazy")
    copyto(dst, VALUES, batch_bytes=2 * BATCH)
    assert seen == ["write", "assign", "write", "assign", "wait", "write", "assign", "wait", "write", "assign", "wait", "wait"]


def order_of_calls(monkeypatch: pytest.MonkeyPatch, name: str) -> list[str]:
    seen: list[str] = []
    adapter, numpy = adapter_named(name), adapter_named("numpy")

    def logged(owner: Any, verb: str, word: str) -> None:
        original = getattr(owner, verb)
        monkeypatch.setattr(type(owner), verb, lambda _, *words: (seen.append(word), original(*words))[1])

    def wait(self: Buffers, number: int) -> None:
        if self._marks[number] and "assign" in seen:
            seen.append("wait")
        waiting(self, number)

    waiting = Buffers.wait
    monkeypatch.setattr(Buffers, "wait", wait)
    logged(adapter, "fetch", "fetch")
    logged(adapter, "assign", "assign")
    logged(numpy, "assign", "write")
    return seen


@pytest.mark.parametrize("name", GPU)
@pytest.mark.parametrize("direction", ["download", "upload"])
def test_without_its_waits_it_would_be_wrong(direction: str, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """So the tests above would notice that they are missing."""
    device_array = on_gpu(name, VALUES if direction == "download" else np.zeros_like(VALUES))
    host = np.zeros_like(VALUES) if direction == "download" else VALUES
    monkeypatch.setattr(Buffers, "wait", lambda *_: None)
    simcuda.schedule("lazy")
    pair = (host, device_array) if direction == "download" else (device_array, host)
    copyto(*pair, batch_bytes=BATCH)
    simcuda.drain()
    simcuda.reset()  # the races that it is here for
    assert not np.array_equal(host, interop.to_numpy(device_array)) or not np.array_equal(host, VALUES)


# -- interruptions ----------------------------------------------------------------------------------------------------


@under_every_schedule
@pytest.mark.parametrize("direction", ["download", "upload"])
@pytest.mark.parametrize("name", GPU)
def test_an_interruption_leaves_nothing_pending(name: str, direction: str, schedule: Any, buffers: list[Any]) -> None:
    simcuda.schedule(*schedule)
    start = np.full_like(VALUES, -1)
    source = on_gpu(name, VALUES) if direction == "download" else VALUES
    dst = start if direction == "download" else on_gpu(name, start)

    def stop(done: int) -> None:
        if done >= VALUES.nbytes // 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt) as caught:
        copyto(dst, source, batch_bytes=BATCH, progress=stop)
    assert not is_in_use(buffers)
    assert caught.value.__notes__ == [
        "interop.copyto had written 8192 of 16384 bytes of dst: its first 2048 of 4096 elements in row-major order"
    ]
    np.testing.assert_array_equal(interop.to_numpy(dst)[:32], VALUES[:32])
    assert (interop.to_numpy(dst)[32:] == -1).all()


@pytest.mark.parametrize("direction", ["fetch", "assign"])
@pytest.mark.parametrize("name", GPU)
def test_an_interruption_between_a_transfer_and_its_mark_waits_too(
    name: str, direction: str, buffers: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    adapter: Any = adapter_named(name)
    device_array, original, calls = on_gpu(name, VALUES), getattr(adapter, direction), []

    def interrupted(_: Any, *words: Any) -> None:
        original(*words)
        calls.append(words)
        if len(calls) == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(type(adapter), direction, interrupted)
    simcuda.schedule("lazy")
    pair = (np.zeros_like(VALUES), device_array) if direction == "fetch" else (device_array, VALUES)
    with pytest.raises(KeyboardInterrupt):
        copyto(*pair, batch_bytes=BATCH)
    assert not is_in_use(buffers)
    if direction == "assign":
        np.testing.assert_array_equal(interop.to_numpy(device_array), VALUES)


# -- policy ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", GPU)
def test_the_policy_counts_all_that_travels_once(name: str) -> None:
    source, dst = on_gpu(name, VALUES), np.zeros_like(VALUES)
    with interop.options(max_host_bytes=VALUES.nbytes - 1), pytest.raises(interop.HostCopyError) as caught:
        copyto(dst, source, batch_bytes=BATCH)
    assert "16,384 bytes travel between the host and a device, and max_host_bytes=16,383 forbids" in str(caught.value)
    with interop.options(host_copy="error"), pytest.raises(interop.HostCopyError):
        copyto(source, (VALUES[i : i + 1] for i in range(64)), batch_bytes=BATCH)
    assert not dst.any()
    with interop.options(host_copy="warn"), pytest.warns(interop.HostCopyWarning) as warned:
        copyto(dst, source, batch_bytes=BATCH)
        copyto(source, (dst[i : i + 1] for i in range(64)), batch_bytes=BATCH)
    assert len(warned) == 2
    assert {Path(warning.filename).name for warning in warned} == {"test_copyto_gpu.py"}


@pytest.mark.parametrize("name", GPU)
def test_within_a_gpu_no_policy_is_asked(name: str) -> None:
    source, dst = on_gpu("torch", VALUES), on_gpu(name, np.zeros_like(VALUES))
    with interop.options(host_copy="error"):
        copyto(dst, source, batch_bytes=BATCH)
    np.testing.assert_array_equal(interop.to_numpy(dst), VALUES)


@pytest.mark.parametrize("name", GPU)
def test_a_watch_sees_what_travels(name: str) -> None:
    source = on_gpu(name, VALUES)
    with interop.watch() as seen:
        copyto(np.zeros(VALUES.shape, "f8"), source, batch_bytes=BATCH)
    assert [(r.route, r.host_bytes) for r in seen.records] == [(f"{name} on cuda:0 -> numpy on cpu", VALUES.nbytes)]
