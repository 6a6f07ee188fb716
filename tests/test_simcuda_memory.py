"""The simulated runtime: memory and copies."""

from collections.abc import Iterator

import numpy as np
import pytest

import simcuda
from simcuda.direct import (
    D2D,
    D2H,
    H2D,
    ILLEGAL_ADDRESS,
    INVALID_VALUE,
    SIZE,
    Runtime,
    child,
    fresh,
)

pytestmark = pytest.mark.requires("simcuda", "cupy")


@pytest.fixture
def rt() -> Iterator[Runtime]:
    yield from fresh()


def test_simcuda_upload_stages_pageable_but_not_pinned_memory(rt: Runtime) -> None:
    stream, pageable, pinned = rt.stream(), np.full(SIZE, 1, "u1"), rt.pinned(1)
    for source, seen in ((pageable, 1), (pinned, 2)):
        target, result = rt.device_memory(), np.zeros(SIZE, "u1")
        rt.upload(target, source, stream)
        source[:] = 2
        rt.download(result, target, stream)
        assert (result == seen).all(), "a download to pageable memory is complete on return"


def test_simcuda_malloc_async_use_on_another_stream_is_a_race(rt: Runtime) -> None:
    first, second = rt.stream(), rt.stream()
    pointer = rt.cuda.mallocAsync(SIZE, first)
    rt.upload(pointer, rt.pinned(), first)
    rt.download(rt.pinned(), pointer, second)
    rt.cuda.freeAsync(pointer, first)
    assert [(race.first.function, race.second.function) for race in simcuda.races()] == [
        ("cudaMemcpyAsync", "cudaMemcpyAsync"),
        ("cudaMemcpyAsync", "cudaFreeAsync"),
    ]
    assert simcuda.live().pending == 4, "cudaFreeAsync does not wait"


def test_simcuda_memory_freed_by_free_async_is_an_error_or_poisoned(rt: Runtime) -> None:
    first, second, result = rt.stream(), rt.stream(), rt.pinned()
    pointer = rt.cuda.mallocAsync(SIZE, first)
    rt.upload(pointer, rt.pinned(3), first)
    rt.cuda.streamSynchronize(first)
    rt.download(result, pointer, second)
    rt.cuda.freeAsync(pointer, first)
    rt.fails(
        ILLEGAL_ADDRESS, lambda: rt.download(result, pointer, first), "freed by cudaFreeAsync #"
    )
    rt.fails(INVALID_VALUE, lambda: rt.cuda.freeAsync(pointer, first), "double free")
    rt.cuda.streamSynchronize(first)
    rt.cuda.streamSynchronize(second)
    assert (result == 0xDB).all()
    assert "use after free" in simcuda.errors()[-1].message


def test_simcuda_upload_into_freed_memory_is_reported_when_run(rt: Runtime) -> None:
    first, second = rt.stream(), rt.stream()
    pointer = rt.cuda.mallocAsync(SIZE, first)
    rt.cuda.streamSynchronize(first)
    rt.upload(pointer, rt.pinned(), second)
    rt.cuda.freeAsync(pointer, first)
    rt.cuda.streamSynchronize(first)
    assert not simcuda.errors()
    rt.cuda.streamSynchronize(second)
    assert "wrote memory when cudaFreeAsync #" in simcuda.errors()[-1].message
    assert len(simcuda.races()) == 1


def test_simcuda_malloc_after_free_returns_another_address(rt: Runtime) -> None:
    old = rt.cuda.malloc(SIZE)
    rt.cuda.free(old)
    new = rt.device_memory()
    assert new != old
    rt.fails(ILLEGAL_ADDRESS, lambda: rt.cuda.memset(old, 0, SIZE), "use after free")
    rt.fails(INVALID_VALUE, lambda: rt.cuda.memset(new, 0, SIZE + 1), "out of bounds")
    rt.fails(INVALID_VALUE, lambda: rt.cuda.free(old), "double free")
    assert rt.cuda.pointerGetAttributes(old).type == 0


def test_simcuda_free_waits_for_the_device(rt: Runtime) -> None:
    pointer = rt.cuda.malloc(SIZE)
    rt.cuda.memsetAsync(pointer, 1, SIZE, rt.stream())
    rt.cuda.free(pointer)
    assert simcuda.live().pending == 0
    assert not simcuda.races()
    assert not simcuda.errors()


def test_simcuda_pointer_attributes_report_kind_and_device(rt: Runtime) -> None:
    rt.cuda.setDevice(1)
    pinned, pageable = rt.pinned().ctypes.data, np.zeros(SIZE, "u1")
    managed = rt.cuda.mallocManaged(SIZE)
    rt.cuda.hostRegister(pageable.ctypes.data, SIZE, 0)
    memory = {
        "host": pinned,
        "device": rt.device_memory(),
        "managed": managed,
        "registered": pageable.ctypes.data,
    }
    found = {name: rt.cuda.pointerGetAttributes(pointer + 10) for name, pointer in memory.items()}
    rt.cuda.free(managed)
    rt.cuda.hostUnregister(pageable.ctypes.data)
    assert {name: attributes.type for name, attributes in found.items()} == {
        "host": 1, "device": 2, "managed": 3, "registered": 1,
    }  # fmt: skip
    assert {attributes.device for attributes in found.values()} == {1}
    assert rt.cuda.pointerGetAttributes(pageable.ctypes.data).type == 0


def test_simcuda_2d_copy_touches_only_its_columns(rt: Runtime) -> None:
    target, source, result = rt.device_memory(), rt.pinned(), rt.pinned()
    left, right = rt.stream(), rt.stream()
    source[:] = np.arange(SIZE)
    for column, stream in ((0, left), (8, right)):
        rt.cuda.memcpy2DAsync(
            target + column, 16, source.ctypes.data + column, 16, 8, 16, H2D, stream
        )
    assert not simcuda.races()
    rt.download(result, target, left)
    assert len(simcuda.races()) == 1
    rt.cuda.streamSynchronize(right)
    rt.cuda.streamSynchronize(left)
    np.testing.assert_array_equal(result, source)


def test_simcuda_copy_between_devices_counts_as_one_peer_copy(rt: Runtime) -> None:
    here, result = rt.device_memory(), rt.pinned()
    rt.cuda.setDevice(1)
    there, stream = rt.device_memory(), rt.stream()
    with simcuda.counting() as counts:
        rt.upload(here, rt.pinned(4), stream)
        rt.cuda.memcpyPeerAsync(there, 1, here, 0, SIZE, stream)
        rt.download(result, there, stream)
    assert (counts.copies["PtoP"], counts.copied_bytes["PtoP"]) == (1, SIZE)
    rt.fails(
        INVALID_VALUE,
        lambda: rt.cuda.memcpyPeerAsync(there, 0, here, 0, SIZE, stream),
        "of device 1",
    )
    rt.cuda.streamSynchronize(stream)
    assert (result == 4).all()


def test_simcuda_memcpy_wrong_direction_is_an_error(rt: Runtime) -> None:
    pageable = np.zeros(SIZE, "u1").ctypes.data
    rt.fails(
        INVALID_VALUE,
        lambda: rt.cuda.memcpy(rt.device_memory(), pageable, SIZE, D2H),
        "DeviceToHost",
    )
    rt.fails(
        INVALID_VALUE, lambda: rt.cuda.memcpy(pageable, rt.device_memory(), SIZE, D2D), "pageable"
    )


def test_simcuda_malloc_beyond_free_memory_is_an_error(rt: Runtime) -> None:
    free, total = rt.cuda.memGetInfo()
    rt.device_memory(1 << 20)
    assert rt.cuda.memGetInfo() == (free - (1 << 20), total)
    rt.fails(2, lambda: rt.cuda.malloc(total), "bytes left")


CHILD = """
import ctypes, simcuda
simcuda.load()
cuda, pointer = simcuda.library(), ctypes.c_void_p()
def touch(offset=0): print("touched", ctypes.c_char.from_address(pointer.value + offset).value, flush=True)
def another(): cuda.cudaMallocHost(ctypes.byref(ctypes.c_void_p()), 4096)
"""


@pytest.mark.parametrize(
    ("program", "touched"),
    [
        ("cuda.cudaMalloc(ctypes.byref(pointer), 64); touch()", 0),
        (
            "cuda.cudaMallocHost(ctypes.byref(pointer), 4096); touch(); cuda.cudaFreeHost(pointer); touch()",
            1,
        ),
        (
            "cuda.cudaMallocHost(ctypes.byref(pointer), 4096); another(); touch(4095); touch(4096)",
            1,
        ),
        (
            "cuda.cudaMallocManaged(ctypes.byref(pointer), 64); touch(); cuda.cudaFree(pointer); touch()",
            1,
        ),
    ],
    ids=["device", "freed pinned", "past the end", "freed managed"],
)
def test_simcuda_host_access_to_forbidden_memory_is_a_segmentation_fault(
    program: str, touched: int
) -> None:
    done = child(CHILD + program)
    assert (done.returncode, done.stdout.count("touched")) == (-11, touched), done.stderr
