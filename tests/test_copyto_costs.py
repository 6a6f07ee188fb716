"""Costs of copyto on a GPU: copies, events, waits, pinned memory, and interruptions."""

from typing import Any

import numpy as np
import pytest

import interop
import simcuda
from copies import (  # noqa: F401 - fixtures
    BATCH,
    CHUNKS,
    GPU,
    VALUES,
    clean_start,
    is_in_use,
    on_gpu,
    pinned_buffers,
    under_every_schedule,
)
from interop import copyto
from interop._identify.registry import adapter_named
from interop._transfer.pinned_buffers import PinnedBuffers

pytestmark = [
    pytest.mark.requires("torch", "cupy", "gpu", "simcuda"),
    pytest.mark.usefixtures("clean"),
]


@pytest.mark.parametrize("name", GPU)
def test_copyto_download_costs_one_copy_one_event_and_one_wait_per_chunk(name: str) -> None:
    source, dst = on_gpu(name, VALUES), np.zeros_like(VALUES)
    for _ in range(2):
        with simcuda.counting() as counts:
            copyto(dst, source, batch_bytes=BATCH)
    assert (counts.copies, counts.copied_bytes) == ({"DtoH": CHUNKS}, {"DtoH": VALUES.nbytes})
    assert (counts.calls["cudaEventSynchronize"], counts.synchronisations) == (CHUNKS, CHUNKS)
    assert counts.waits == counts.launches == counts.allocations == 0


@pytest.mark.parametrize("name", GPU)
def test_copyto_upload_costs_one_copy_one_event_and_one_wait_per_chunk(name: str) -> None:
    dst = on_gpu(name, np.zeros_like(VALUES))
    for _ in range(2):
        with simcuda.counting() as counts:
            copyto(dst, VALUES, batch_bytes=BATCH)
    assert (counts.copies, counts.copied_bytes) == ({"HtoD": CHUNKS}, {"HtoD": VALUES.nbytes})
    assert (counts.calls["cudaEventSynchronize"], counts.synchronisations) == (CHUNKS, CHUNKS)
    assert counts.waits == counts.launches == counts.allocations == 0


@pytest.mark.parametrize("name", GPU)
def test_copyto_with_cast_on_host_transfers_the_smaller_dtype(name: str) -> None:
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
def test_copyto_with_cast_on_device_writes_the_values(name: str) -> None:
    dst = on_gpu(name, np.zeros(VALUES.shape, "f8"))
    copyto(dst, VALUES, batch_bytes=BATCH)
    small = np.zeros_like(VALUES)
    copyto(small, dst, batch_bytes=BATCH)
    np.testing.assert_array_equal(small, VALUES)


@pytest.mark.parametrize("name", GPU)
@pytest.mark.parametrize("batch_bytes", [1024, 4096, 5000, 1 << 20])
def test_copyto_pinned_memory_stays_within_batch_bytes(
    name: str, batch_bytes: int, buffers: list[Any]
) -> None:
    """Count the requested bytes, and the bytes that the pools of the frameworks allocate."""
    source, dst = on_gpu(name, VALUES), np.zeros_like(VALUES)
    empty_pools()
    before = simcuda.live().host_bytes
    copyto(dst, source, batch_bytes=batch_bytes)
    assert sum(buffer.nbytes for buffer in buffers) <= min(batch_bytes, VALUES.nbytes)
    buffers.clear()
    copyto(source, dst, batch_bytes=batch_bytes)
    assert simcuda.live().host_bytes - before <= batch_bytes
    buffers.clear()
    empty_pools()
    assert simcuda.live().host_bytes == before


def empty_pools() -> None:
    import cupy
    import torch

    cupy.get_default_pinned_memory_pool().free_all_blocks()
    torch.cuda.synchronize()
    torch._C._host_emptyCache()


@pytest.mark.parametrize("name", GPU)
def test_copyto_repeated_100_times_leaks_no_cuda_resources(name: str) -> None:
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


# -- the two buffers -------------------------------------------------------------------------------


@pytest.mark.parametrize("name", GPU)
def test_copyto_download_starts_the_next_transfer_before_writing(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = order_of_calls(monkeypatch, name)
    copyto(np.zeros_like(VALUES), on_gpu(name, VALUES), batch_bytes=2 * BATCH)
    assert seen == [
        "download_into",
        "download_into",
        "write",
        "download_into",
        "write",
        "download_into",
        "write",
        "write",
    ]


@pytest.mark.parametrize("name", GPU)
def test_copyto_upload_fills_one_buffer_while_the_other_is_sent(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    dst, seen = on_gpu(name, np.zeros_like(VALUES)), order_of_calls(monkeypatch, name)
    simcuda.schedule("lazy")
    copyto(dst, VALUES, batch_bytes=2 * BATCH)
    assert seen == [
        "write",
        "assign",
        "write",
        "assign",
        "synchronize",
        "write",
        "assign",
        "synchronize",
        "write",
        "assign",
        "synchronize",
        "synchronize",
    ]


def order_of_calls(monkeypatch: pytest.MonkeyPatch, name: str) -> list[str]:
    seen: list[str] = []
    adapter, numpy = adapter_named(name), adapter_named("numpy")

    def logged(owner: Any, verb: str, word: str) -> None:
        original = getattr(owner, verb)

        def call(_: Any, *words: Any) -> Any:
            seen.append(word)
            return original(*words)

        monkeypatch.setattr(type(owner), verb, call)

    def synchronize(self: PinnedBuffers, number: int) -> None:
        if self._buffers[number].event and "assign" in seen:
            seen.append("synchronize")
        waiting(self, number)

    waiting = PinnedBuffers.synchronize
    monkeypatch.setattr(PinnedBuffers, "synchronize", synchronize)
    logged(adapter, "download_into", "download_into")
    logged(adapter, "assign", "assign")
    logged(numpy, "assign", "write")
    return seen


@pytest.mark.parametrize("name", GPU)
@pytest.mark.parametrize("direction", ["download", "upload"])
def test_copyto_without_buffer_waits_gives_wrong_values(
    direction: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Remove the waits, so that the tests above are known to detect this."""
    device_array = on_gpu(name, VALUES if direction == "download" else np.zeros_like(VALUES))
    host = np.zeros_like(VALUES) if direction == "download" else VALUES
    monkeypatch.setattr(PinnedBuffers, "synchronize", lambda *_: None)
    simcuda.schedule("lazy")
    pair = (host, device_array) if direction == "download" else (device_array, host)
    copyto(*pair, batch_bytes=BATCH)
    simcuda.drain()
    simcuda.reset()  # clears the expected races
    assert not np.array_equal(host, interop.to_numpy(device_array)) or not np.array_equal(
        host, VALUES
    )


# -- interruptions ---------------------------------------------------------------------------------


@under_every_schedule
@pytest.mark.parametrize("direction", ["download", "upload"])
@pytest.mark.parametrize("name", GPU)
def test_copyto_interrupted_by_progress_leaves_no_transfer_pending(
    name: str, direction: str, schedule: Any, buffers: list[Any]
) -> None:
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


@pytest.mark.parametrize("direction", ["download_into", "assign"])
@pytest.mark.parametrize("name", GPU)
def test_copyto_interrupted_between_transfer_and_event_waits(
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
    pair = (
        (np.zeros_like(VALUES), device_array)
        if direction == "download_into"
        else (device_array, VALUES)
    )
    with pytest.raises(KeyboardInterrupt):
        copyto(*pair, batch_bytes=BATCH)
    assert not is_in_use(buffers)
    if direction == "assign":
        np.testing.assert_array_equal(interop.to_numpy(device_array), VALUES)
