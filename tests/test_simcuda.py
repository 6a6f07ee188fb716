"""The simulated runtime: host functions, refusals, counts, and how it is loaded."""

import shutil
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

import simcuda
from simcuda.direct import D2D, LEGACY, NOT_READY, NOT_SUPPORTED, SIZE, Runtime, child, fresh

pytestmark = pytest.mark.requires("simcuda", "cupy")


@pytest.fixture
def rt() -> Iterator[Runtime]:
    yield from fresh()


def test_simcuda_host_functions_run_in_order_and_may_not_call_cuda(rt: Runtime) -> None:
    seen: list[object] = []

    def call(argument: object) -> None:
        seen.append(argument)
        try:
            rt.cuda.getDevice()
        except rt.cuda.CUDARuntimeError as error:
            seen.append(error.status)

    stream = rt.stream()
    rt.cuda.launchHostFunc(stream, call, 1)
    rt.cuda.streamAddCallback(
        stream, lambda _stream, status, argument: seen.append((status, argument)), 2
    )
    assert not seen
    rt.cuda.streamSynchronize(stream)
    assert seen == [1, 800, (0, 2)]


def test_simcuda_running_host_function_blocks_other_threads_on_its_stream(rt: Runtime) -> None:
    stream, inside, release = rt.stream(), threading.Event(), threading.Event()

    def call(_argument: object) -> None:
        inside.set()
        release.wait()

    rt.cuda.launchHostFunc(stream, call, 0)
    first = threading.Thread(target=rt.cuda.streamSynchronize, args=[stream])
    second = threading.Thread(target=rt.cuda.streamSynchronize, args=[stream])
    first.start()
    inside.wait()
    second.start()
    assert rt.cuda.streamQuery(rt.stream()) == 0, "other streams go on"
    for schedule in ("lazy", "greedy", "adversary"):
        simcuda.schedule(schedule)
        assert rt.cuda.streamQuery(stream) == NOT_READY, "nobody waits for a poll"
    assert second.is_alive()
    release.set()
    first.join()
    second.join()
    assert simcuda.live().pending == 0


def test_simcuda_function_not_simulated_fails_with_its_name(rt: Runtime) -> None:
    assert simcuda.library().cudaGraphCreate(None, 0) == NOT_SUPPORTED
    assert str(simcuda.errors()[-1]) == "cudaErrorNotSupported in cudaGraphCreate: not simulated"
    rt.fails(
        NOT_SUPPORTED, lambda: rt.cuda.streamBeginCapture(rt.stream()), "cudaStreamBeginCapture"
    )


@pytest.mark.requires("torch")
def test_simcuda_kernels_of_torch_and_cupy_are_refused() -> None:
    import cupy
    import torch

    with pytest.raises(RuntimeError, match=r"kernels are not simulated: .*FillFunctor"):
        torch.ones(3, device="cuda")
    with pytest.raises(cupy.cuda.driver.CUDADriverError, match="cuModuleLoadData: not simulated"):
        cupy.ones(3)


def test_simcuda_captured_stream_refuses_event_records(rt: Runtime) -> None:
    stream, other = rt.stream(), rt.stream()
    with simcuda.captured(stream):
        assert rt.cuda.streamIsCapturing(stream)
        assert not rt.cuda.streamIsCapturing(other)
        rt.fails(900, lambda: rt.cuda.eventRecord(rt.event(), stream), "is being captured")
        rt.fails(906, lambda: rt.cuda.streamIsCapturing(LEGACY), "the legacy default stream")
    assert not rt.cuda.streamIsCapturing(stream)


def test_simcuda_counting_counts_calls_and_bytes(rt: Runtime) -> None:
    stream, event, target = rt.stream(), rt.event(), rt.device_memory()
    with simcuda.counting() as counts:
        rt.upload(target, rt.pinned(), stream)
        rt.cuda.memcpyAsync(target, target + 8, 8, D2D, stream)
        rt.cuda.eventRecord(event, stream)
        rt.cuda.streamWaitEvent(stream, event, 0)
        rt.cuda.eventSynchronize(event)
    assert (counts.memcpys, counts.records, counts.waits) == (2, 1, 1)
    assert (counts.synchronisations, counts.launches, counts.allocations) == (1, 0, 1)
    assert (counts.copied_bytes["HtoD"], counts.copied_bytes["DtoD"]) == (SIZE, 8)
    assert counts.calls["cudaMemcpyAsync"] == 2


def test_simcuda_load_after_cupy_is_refused() -> None:
    done = child("import cupy, simcuda; simcuda.load()")
    assert "SimcudaError: cupy has been imported before simcuda.load()" in done.stderr


@pytest.mark.requires("torch")
def test_simcuda_library_has_every_symbol_that_torch_imports() -> None:
    import torch

    folder = Path(torch.__file__).parent / "lib"
    users = [
        folder / f"lib{name}.so"
        for name in ("c10_cuda", "torch_cuda", "torch_cuda_linalg", "torch_python")
    ]
    command = [str(shutil.which("nm")), "-D", "--undefined-only", *map(str, users)]
    listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    names = {
        line.split()[-1].partition("@")[0] for line in listed.splitlines() if "@libcudart" in line
    }
    assert len(names) > 80
    assert [name for name in sorted(names) if not hasattr(simcuda.library(), name)] == []
