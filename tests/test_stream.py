"""`interop.stream` makes one stream current in every framework.

Objects that have only the CUDA Array Interface are tested here too.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import interop
from child import run_child

pytestmark = pytest.mark.requires("torch", "cupy", "simcuda")


class Foreign:
    """A model of numba's arrays: foreign memory with the CUDA Array Interface and a stream."""

    def __init__(self, array: Any, stream: Any = None, *, readonly: bool = False) -> None:
        self.array = array
        interface = dict(array.__cuda_array_interface__)
        interface["data"] = (interface["data"][0], readonly)
        interface["stream"] = None if stream is None else stream.ptr
        self.__cuda_array_interface__ = interface


@pytest.fixture(autouse=True)
def clean() -> Iterator[None]:
    import simcuda

    yield
    simcuda.schedule("eager")
    simcuda.reset()


def currents() -> tuple[int, int]:
    import cupy
    import torch

    return torch.cuda.current_stream().cuda_stream, cupy.cuda.get_current_stream().ptr


@pytest.mark.parametrize("library", ["torch", "cupy", "int", "protocol"])
def test_stream_is_current_in_every_framework_only_inside_the_block(library: str) -> None:
    import cupy
    import torch

    class Any:
        def __cuda_stream__(self) -> tuple[int, int]:
            return 0, owner.ptr

    owner = cupy.cuda.Stream(non_blocking=True)
    mine = torch.cuda.Stream()  # type: ignore[no-untyped-call]
    spec, handle = {
        "torch": (mine, mine.cuda_stream), "cupy": (owner, owner.ptr), "int": (owner.ptr, owner.ptr),
        "protocol": (Any(), owner.ptr),
    }[library]  # fmt: skip
    before = currents()
    with interop.stream(spec):
        assert currents() == (handle, handle)
        with interop.stream(1):
            assert currents() in ((0, 0), (0, 1))
        assert currents() == (handle, handle)
    assert currents() == before
    with pytest.raises(KeyError), interop.stream(spec):
        raise KeyError
    assert currents() == before


def test_stream_without_a_gpu_changes_nothing_and_runs_the_block() -> None:
    code = """
        import os
        os.environ.pop("INTEROP_SIMCUDA", None)
        import cupy, numpy as np, torch
        import interop

        class Stream:
            def __cuda_stream__(self):
                return 0, 4096

        assert not torch.cuda.is_available()
        for spec in (0, 1, 2, 4096, Stream()):
            for _ in range(2):
                with interop.stream(spec):
                    print(interop.to_torch(np.ones(1)).item())
    """
    assert run_child(code).split() == ["1.0"] * 10


class NoHandle:
    def __cuda_stream__(self) -> tuple[int, int]:
        return 0, -2


@pytest.mark.parametrize("spec", ["cuda", None, 1.5, -1, -2, 2**64, NoHandle()])
def test_stream_invalid_value_is_refused_before_the_block(spec: Any) -> None:
    with pytest.raises(interop.InvalidOptionError, match=r"^stream must be"):
        interop.stream(spec)


def test_stream_conversions_inside_the_block_need_no_copy_or_synchronisation() -> None:
    import torch

    import simcuda

    with interop.stream(torch.cuda.Stream()):  # type: ignore[no-untyped-call]
        x = torch.empty(8, device="cuda")
        with simcuda.counting() as counts:
            y = interop.to_torch(interop.to_cupy(x))
            del y
    assert (
        counts.memcpys,
        counts.synchronisations,
        counts.records,
        counts.waits,
        counts.launches,
    ) == (0, 0, 0, 0, 0)


@pytest.mark.parametrize("to", ["torch", "cupy"])
@pytest.mark.parametrize("schedule", ["eager", "lazy", "greedy", "adversary"])
def test_convert_cuda_array_interface_waits_for_its_stream(to: str, schedule: str) -> None:
    import cupy
    import torch

    import simcuda

    simcuda.schedule(schedule)
    pinned = np.frombuffer(cupy.cuda.alloc_pinned_memory(64), "f4", 16)
    pinned[:] = 7
    producer, consumer = cupy.cuda.Stream(non_blocking=True), cupy.cuda.Stream(non_blocking=True)
    array = cupy.empty(16, "f4")
    array.data.copy_from_host_async(pinned.ctypes.data, 64, producer)
    with interop.stream(consumer), simcuda.counting() as counts:
        result = interop.convert(Foreign(array, producer), to)
    assert (counts.memcpys, counts.synchronisations, counts.records, counts.waits) == (0, 0, 1, 1)
    assert interop.shares_memory(result, array)
    out = np.frombuffer(cupy.cuda.alloc_pinned_memory(64), "f4", 16)
    view = result if to == "cupy" else cupy.from_dlpack(result)
    view.data.copy_to_host_async(out.ctypes.data, 64, consumer)
    consumer.synchronize()
    assert out.tolist() == [7.0] * 16
    assert not simcuda.races()
    torch.cuda.synchronize()


@pytest.mark.parametrize("to", ["torch", "cupy"])
def test_convert_read_only_cuda_array_interface_is_copied_by_default(to: str) -> None:
    import cupy

    source = Foreign(cupy.empty(16, "f4"), readonly=True)
    plan = interop.explain(source, to)
    assert (plan.zero_copy, "read-only" in plan.reason) == (False, True)
    assert not interop.shares_memory(interop.convert(source, to), source.array)
    assert interop.shares_memory(interop.convert(source, to, readonly="share"), source.array)
    with pytest.raises(interop.CopyRequiredError, match="read-only"):
        interop.convert(source, to, readonly="error")


@pytest.mark.parametrize("to", ["torch", "cupy"])
def test_convert_cuda_array_interface_keeps_its_device(to: str) -> None:
    import cupy

    import simcuda

    with cupy.cuda.Device(1):
        array = cupy.empty(16, "f4")
        array.set(np.arange(16, dtype="f4"))
    source = Foreign(array)
    assert interop.device_of(source) == (2, 1)
    shared = interop.convert(source, to)
    assert (interop.device_of(shared), interop.shares_memory(shared, array)) == ((2, 1), True)
    moved = interop.convert(source, to, device="cuda:0")
    assert (interop.device_of(moved), interop.to_numpy(moved).tolist()) == ((2, 0), list(range(16)))
    assert not simcuda.races()
