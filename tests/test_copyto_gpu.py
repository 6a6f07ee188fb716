"""copyto with GPUs: values under every schedule, and the policy."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import interop
import simcuda
from copies import (  # noqa: F401 - fixtures
    BATCH,
    GPU,
    VALUES,
    clean_start,
    devices,
    is_in_use,
    on_gpu,
    pinned_buffers,
    side_streams,
    under_every_schedule,
)
from interop import copyto
from simulated_devices import GPU0

pytestmark = [
    pytest.mark.requires("torch", "cupy", "gpu", "simcuda"),
    pytest.mark.usefixtures("clean"),
]


@devices
@under_every_schedule
@pytest.mark.parametrize("host", ["numpy", "torch"])
@pytest.mark.parametrize("name", GPU)
def test_copyto_download_writes_the_values_under_every_schedule(
    name: str, host: str, schedule: Any, device: int
) -> None:
    from handoffs.places import current

    with side_streams(device):
        source = on_gpu(name, np.zeros_like(VALUES), device)
        simcuda.schedule(*schedule)
        copyto(source, VALUES, batch_bytes=BATCH)
        dst, before = interop.convert(np.full_like(VALUES, -1), host), current()
        copyto(dst, source, batch_bytes=BATCH)
        assert current() == before
    np.testing.assert_array_equal(interop.to_numpy(dst), VALUES)


@devices
@under_every_schedule
@pytest.mark.parametrize("host", ["numpy", "torch"])
@pytest.mark.parametrize("name", GPU)
def test_copyto_upload_reads_the_source_before_returning(
    name: str, host: str, schedule: Any, device: int, buffers: list[Any]
) -> None:
    """Overwrite the source and the buffers as soon as the call returns."""
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
def test_copyto_upload_from_generator_writes_the_values(name: str, schedule: Any) -> None:
    """Overwrite each array when the next one is requested, while uploads are still pending."""

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
def test_copyto_from_iterable_of_host_and_gpu_arrays_writes_the_values(schedule: Any) -> None:
    simcuda.schedule(*schedule)
    dst, places = np.zeros_like(VALUES), [("torch", 0), ("numpy", 0), ("cupy", 1), ("torch", 1)]
    parts = [
        VALUES[i * 16 : i * 16 + 16]
        if name == "numpy"
        else on_gpu(name, VALUES[i * 16 : i * 16 + 16], device)
        for i, (name, device) in enumerate(places)
    ]
    copyto(dst, parts, batch_bytes=BATCH)
    np.testing.assert_array_equal(dst, VALUES)


@under_every_schedule
@pytest.mark.parametrize("source", [("torch", 0), ("torch", 1), ("cupy", 0), ("cupy", 1)])
@pytest.mark.parametrize("target", [("torch", 0), ("torch", 1), ("cupy", 0), ("cupy", 1)])
def test_copyto_from_gpu_to_gpu_needs_no_synchronization(
    source: Any, target: Any, schedule: Any
) -> None:
    """The copy is ordered by the current stream of the target framework, which reads the result."""
    with side_streams():
        simcuda.schedule(*schedule)
        dst, src = (
            on_gpu(target[0], np.zeros_like(VALUES), target[1]),
            on_gpu(source[0], VALUES, source[1]),
        )
        copyto(dst, src, batch_bytes=BATCH)
        with simcuda.counting() as counts:
            copyto(dst, src, batch_bytes=BATCH)
        del src
        np.testing.assert_array_equal(interop.to_numpy(dst), VALUES)
    assert counts.synchronisations == 0
    assert sum(counts.copied_bytes.values()) == VALUES.nbytes
    assert set(counts.copies) == {"PtoP" if source[1] != target[1] else "DtoD"}


@under_every_schedule
@pytest.mark.parametrize("device", [0, 1])
@pytest.mark.parametrize("target", GPU)
@pytest.mark.parametrize("source", GPU)
def test_copyto_from_dropped_source_reads_before_memory_is_reused(
    source: str, target: str, device: int, schedule: Any
) -> None:
    with side_streams():
        simcuda.schedule(*schedule)
        dst, src = on_gpu(target, np.zeros_like(VALUES)), on_gpu(source, VALUES, device)
        copyto(dst, src, batch_bytes=BATCH)
        del src
        news = [on_gpu(source, np.full_like(VALUES, -1), device) for _ in range(2)]
        np.testing.assert_array_equal(interop.to_numpy(dst), VALUES)
        del news


@pytest.mark.parametrize("name", GPU)
def test_copyto_accepts_foreign_device_array_only_as_source(name: str) -> None:
    class Foreign:
        def __init__(self, array: Any) -> None:
            self.__cuda_array_interface__ = array.__cuda_array_interface__

    source, dst = on_gpu("cupy", VALUES), on_gpu(name, np.zeros_like(VALUES))
    copyto(dst, Foreign(source), batch_bytes=BATCH)
    np.testing.assert_array_equal(interop.to_numpy(dst), VALUES)
    with pytest.raises(
        interop.UnsupportedArrayError,
        match=r"to memory on cuda:0\. Convert dst to a framework of cuda:0",
    ):
        copyto(Foreign(source), VALUES)


# -- policy ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", GPU)
def test_policy_counts_copyto_transfers_once(name: str) -> None:
    source, dst = on_gpu(name, VALUES), np.zeros_like(VALUES)
    with (
        interop.options(max_host_bytes=VALUES.nbytes - 1),
        pytest.raises(interop.HostCopyError) as caught,
    ):
        copyto(dst, source, batch_bytes=BATCH)
    assert (
        "16,384 bytes travel between the host and a device, and max_host_bytes=16,383 forbids"
        in str(caught.value)
    )
    with interop.options(host_copy="error"), pytest.raises(interop.HostCopyError):
        copyto(source, (VALUES[i : i + 1] for i in range(64)), batch_bytes=BATCH)
    assert not dst.any()
    for pair in ((dst, source), (source, (dst[i : i + 1] for i in range(64)))):
        with interop.options(host_copy="warn"), pytest.warns(interop.HostCopyWarning) as warned:
            copyto(*pair, batch_bytes=BATCH)
        assert [Path(warning.filename).name for warning in warned] == ["test_copyto_gpu.py"]


@pytest.mark.parametrize("name", GPU)
def test_policy_ignores_copyto_within_a_gpu(name: str) -> None:
    source, dst = on_gpu("torch", VALUES), on_gpu(name, np.zeros_like(VALUES))
    with interop.options(host_copy="error"):
        copyto(dst, source, batch_bytes=BATCH)
    np.testing.assert_array_equal(interop.to_numpy(dst), VALUES)


@pytest.mark.parametrize("name", GPU)
def test_watch_records_the_host_bytes_of_copyto(name: str) -> None:
    source = on_gpu(name, VALUES)
    with interop.watch() as seen:
        copyto(np.zeros(VALUES.shape, "f8"), source, batch_bytes=BATCH)
    assert [(r.route, r.host_bytes) for r in seen.records] == [
        (f"{name} on {GPU0} -> numpy on cpu", VALUES.nbytes)
    ]


@pytest.mark.requires("kernels")
@pytest.mark.parametrize(
    "cut", [lambda x: x.T, lambda x: x[:, ::2], lambda x: x[1::3, 2:]], ids=["T", "sliced", "both"]
)
@pytest.mark.parametrize("name", GPU)
def test_copyto_of_any_device_layout_writes_the_values(name: str, cut: Any) -> None:
    whole, expected = on_gpu(name, VALUES), VALUES.copy()
    out = np.empty_like(cut(VALUES))
    copyto(out, cut(whole), batch_bytes=BATCH)
    np.testing.assert_array_equal(out, cut(VALUES))
    copyto(cut(whole), -out, batch_bytes=BATCH)
    cut(expected)[...] *= -1
    np.testing.assert_array_equal(interop.to_numpy(whole), expected)
