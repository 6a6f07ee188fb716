"""`export` on a GPU: handoffs between torch and CuPy with the consumer's own `from_dlpack`."""

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import interop
from interop import export
from simulated_devices import GPU0

pytestmark = pytest.mark.requires("torch", "cupy", "gpu")


@pytest.fixture(autouse=True)
def clean() -> Iterator[None]:
    from handoffs import runs

    runs.clean()
    yield
    runs.clean()


class Lent:
    """An exported array, with the device that must be current when `from_dlpack` is called."""

    def __init__(self, x: Any) -> None:
        lent = export(x)
        self.device = SimpleNamespace(id=interop.device_of(x).id)
        self.__dlpack_device__ = lent.__dlpack_device__
        self.__dlpack__ = lent.__dlpack__


def by_its_own(x: Any, to: str, /, *, stream: Any = None, **_: Any) -> Any:
    """Call the consumer's own `from_dlpack` on an exported array."""
    from handoffs.runs import raw

    return raw(Lent(x), to, stream=stream)


def scenarios() -> list[Any]:
    """Return the scenarios for `from_dlpack`, except those that destroy a stream given as int."""
    try:
        from handoffs.scenarios import SCENARIOS, parameters
    except ImportError:  # without CuPy the mark above skips the test
        return []
    without = "stream object goes first: given True"
    return parameters(s for s in SCENARIOS if s.raw and without not in s.name)


@pytest.mark.parametrize("scenario", scenarios())
def test_export_handoff_is_correct_under_every_schedule(scenario: Any) -> None:
    """Most scenarios fail with the array itself: see the table of `docs/handoffs.md`."""
    from handoffs.runs import run, schedules

    for schedule, seed in schedules(20):
        outcome = run(scenario, by_its_own, schedule, seed)
        assert outcome.right, f"{scenario}, schedule {schedule}, seed {seed}: {outcome}"


@pytest.mark.parametrize("name", ["torch", "cupy"])
def test_export_on_a_gpu_reports_the_device(name: str) -> None:
    x = interop.convert(np.arange(3), name, device="cuda")
    assert export(x).__dlpack_device__() == GPU0
    assert repr(export(x)) == f"<{name} int64 (3,) on {GPU0}, for any consumer of DLPack>"


def test_export_managed_memory_reports_the_managed_device() -> None:
    import cupy

    with cupy.cuda.using_allocator(cupy.cuda.malloc_managed):
        x = cupy.ndarray(3, "f4")
    x.set(np.arange(3, dtype="f4"))
    lent = export(x)
    assert lent.__dlpack_device__() == (13, 0)
    result = cupy.from_dlpack(lent)
    assert result.data.ptr == x.data.ptr
    assert interop.to_torch(x).data_ptr() == x.data.ptr  # as before the block


@pytest.mark.parametrize(
    "dtype",
    ["bool", "uint8", "float16", "bfloat16", "float32", "float64", "complex64", "complex128"],
)
@pytest.mark.parametrize("shape", [(), (0,), (3, 4)])
def test_export_on_another_stream_keeps_dtype_shape_and_strides(dtype: str, shape: Any) -> None:
    """On another stream an owner wraps torch's memory. Bits, strides and dtype stay the same."""
    import torch

    x = torch.zeros(shape, dtype=getattr(torch, dtype)).to("cuda")
    x = x.T if x.ndim > 1 else x
    with torch.cuda.stream(torch.cuda.Stream()):  # type: ignore[no-untyped-call]
        result = torch.from_dlpack(export(x))  # type: ignore[attr-defined]
    assert (result.dtype, result.shape, result.stride()) == (x.dtype, x.shape, x.stride())
    assert result.data_ptr() == x.data_ptr()


@pytest.mark.parametrize("name", ["torch", "cupy"])
def test_export_on_a_gpu_moves_to_the_host_when_the_consumer_asks(name: str) -> None:
    x = interop.convert(np.arange(3, dtype="f4"), name, device="cuda")
    result = np.from_dlpack(export(x), device="cpu")
    assert result.tolist() == [0, 1, 2]
    with pytest.raises(BufferError, match=f"it moves from {GPU0} to cpu"):
        export(x).__dlpack__(dl_device=(1, 0), copy=False)
    with (
        interop.options(host_copy="error"),
        pytest.raises(interop.HostCopyError, match="12 bytes travel"),
    ):
        export(x).__dlpack__(dl_device=(1, 0))
    with pytest.raises(BufferError, match=rf"cannot export .* on {GPU0}: "):
        export(x).__dlpack__(dl_device=(2, 7))


@pytest.mark.requires("simcuda")
@pytest.mark.parametrize("name", ["torch", "cupy"])
def test_export_on_a_gpu_leaks_no_cuda_resources(name: str) -> None:
    """The capsules are used or unused, on the current stream or on another one."""
    import cupy
    import torch

    import simcuda

    def work() -> None:
        x = interop.convert(np.arange(4, dtype="f4"), name, device="cuda")
        other = cupy.cuda.Stream(non_blocking=True)
        with other:
            cupy.from_dlpack(export(x))
        export(x).__dlpack__(stream=other.ptr)
        export(x).__dlpack__(stream=-1)
        torch.cuda.synchronize()

    work()
    before = simcuda.live()
    for _ in range(5):
        work()
    assert simcuda.live() == before


@pytest.mark.requires("simcuda")
def test_export_release_after_stream_destruction_waits_for_the_device() -> None:
    """The handle of a destroyed stream may be invalid, so the release waits for the device."""
    import cupy
    import torch

    import simcuda

    for x in (torch.zeros(4).to("cuda"), cupy.ndarray(4, "f4")):
        other = cupy.cuda.Stream(non_blocking=True)
        capsule = export(x).__dlpack__(stream=other.ptr)
        del other
        with simcuda.counting() as counts:
            del capsule
        assert counts.synchronisations == 1
    assert not simcuda.errors()


@pytest.mark.requires("simcuda")
@pytest.mark.parametrize("name", ["torch", "cupy"])
def test_export_to_another_stream_costs_one_event_and_one_wait(name: str) -> None:
    """The same stream and -1 cost no calls, as with `convert`."""
    import cupy
    import torch

    import simcuda

    x = interop.convert(np.arange(4, dtype="f4"), name, device="cuda")
    torch.cuda.synchronize()
    other = cupy.cuda.Stream(non_blocking=True)
    for stream, expected in ((1, 0), (None, 0), (-1, 0), (other.ptr, 1)):
        with simcuda.counting() as counts:
            capsule = export(x).__dlpack__(stream=stream)
        assert (counts.records, counts.waits, counts.memcpys, counts.synchronisations) == (
            expected,
            expected,
            0,
            0,
        )
        del capsule
