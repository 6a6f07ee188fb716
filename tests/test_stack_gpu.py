"""Stacks on a GPU: values, devices and stream order, tested without kernels."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import interop
from interop import stack
from simulated_devices import GPU0, GPU1

pytestmark = pytest.mark.requires("torch", "cupy", "gpu")
VALUES = np.arange(6, dtype="f4").reshape(2, 3)
SCHEDULES = ["eager", "lazy", "greedy", "adversary"]


@pytest.fixture(autouse=True)
def clean() -> Iterator[None]:
    from handoffs import runs

    runs.clean()
    yield
    runs.clean()


def stack_by_copies(arrays: Any, **where: int) -> Any:
    """Stack as the framework does, on the current device and stream, but without a kernel."""
    import cupy
    import torch

    assert set(where.values()) == {0}
    assert len({str(x.device) for x in arrays}) == 1
    if isinstance(arrays[0], torch.Tensor):
        out = torch.empty(
            (len(arrays), *arrays[0].shape), dtype=arrays[0].dtype, device=arrays[0].device
        )
        for row, x in zip(out, arrays, strict=True):
            row.copy_(x, non_blocking=True)
        return out
    out = cupy.empty((len(arrays), *arrays[0].shape), arrays[0].dtype)
    for row, x in zip(out, arrays, strict=True):
        row.data.copy_from_device_async(x.data, x.nbytes)
    return out


@pytest.fixture
def by_copies(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.stack", stack_by_copies)
    monkeypatch.setattr("cupy.stack", stack_by_copies)


def rows(name: str) -> list[Any]:
    return [
        interop.convert(row, name, device=None if name == "numpy" else "cuda") for row in VALUES
    ]


@pytest.mark.parametrize("source", ["torch", "cupy"])
@pytest.mark.parametrize("to", ["numpy", "torch", "cupy"])
def test_stack_on_gpu_keeps_values(source: str, to: str, by_copies: None) -> None:  # noqa: ARG001
    result = stack(rows(source), to)
    assert interop.framework_of(result) == to
    assert interop.device_of(result) == ((1, 0) if to == "numpy" else GPU0)
    assert np.array_equal(interop.to_numpy(result, device="cpu"), VALUES)


@pytest.mark.requires("kernels")
@pytest.mark.parametrize("source", ["torch", "cupy"])
@pytest.mark.parametrize("to", ["numpy", "torch", "cupy"])
@pytest.mark.parametrize("axis", [0, 1])
def test_stack_on_gpu_by_kernels_keeps_values(source: str, to: str, axis: int) -> None:
    result = stack(rows(source), to, axis=axis)
    assert interop.framework_of(result) == to
    assert np.array_equal(interop.to_numpy(result, device="cpu"), np.stack(list(VALUES), axis))


@pytest.mark.parametrize("first", ["numpy", "torch", "cupy"])
@pytest.mark.parametrize("to", ["numpy", "torch", "cupy"])
def test_stack_mixed_arrays_follow_the_first_to_its_target_device(
    first: str,
    to: str,
    by_copies: None,  # noqa: ARG001
) -> None:
    others = [row for name in ("numpy", "torch", "cupy") if name != first for row in rows(name)]
    result = stack([*rows(first), *others], to)
    on_host = to == "numpy" or (first == "numpy" and to == "torch")
    assert interop.device_of(result) == ((1, 0) if on_host else GPU0)
    assert np.array_equal(interop.to_numpy(result, device="cpu"), np.concatenate([VALUES] * 3))


@pytest.mark.requires("simcuda")  # the simulated CUDA has two devices
@pytest.mark.parametrize("to", ["torch", "cupy"])
def test_stack_result_stays_on_the_device_of_the_arrays(to: str, by_copies: None) -> None:  # noqa: ARG001
    for source in ("torch", "cupy"):
        result = stack([interop.convert(row, source, device="cuda:1") for row in VALUES], to)
        assert interop.device_of(result) == GPU1
        assert np.array_equal(interop.to_numpy(result, device="cpu"), VALUES)


# Streams: without a wait, the schedule decides how much work is done


@pytest.mark.requires("simcuda")
@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("mixed", [False, True])
def test_stack_to_numpy_waits_for_the_given_stream(
    schedule: str,
    mixed: bool,
    by_copies: None,  # noqa: ARG001
) -> None:
    import simcuda
    from handoffs.sides import CUPY, TORCH

    for side in (TORCH, CUPY):
        simcuda.schedule(schedule)
        stream = side.stream()
        with side.on(stream):
            arrays = [side.empty(), side.empty()]
            for value, x in enumerate(arrays):
                side.write(x, value)
        extra = [np.full(256, 2, "f4")] * mixed
        result = stack(
            [*arrays, *extra], "numpy", stream=stream if side is CUPY else stream.cuda_stream
        )
        assert result[:, 0].tolist() == [0, 1, 2][: 2 + mixed]
        assert not simcuda.races()


@pytest.mark.requires("simcuda")
@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("source", ["torch", "cupy", "both"])
@pytest.mark.parametrize("to", ["torch", "cupy"])
def test_stack_given_stream_waits_for_the_source_streams(
    schedule: str,
    source: str,
    to: str,
    by_copies: None,  # noqa: ARG001
) -> None:
    import simcuda
    from handoffs.sides import CUPY, TORCH

    target: Any = TORCH if to == "torch" else CUPY
    simcuda.schedule(schedule)
    asked = target.stream()
    with TORCH.on(TORCH.stream()), CUPY.on(CUPY.stream()):
        arrays = []
        for value, side in enumerate(
            (TORCH, CUPY) if source == "both" else (TORCH if source == "torch" else CUPY,) * 2
        ):
            arrays.append(side.empty())
            side.write(arrays[-1], value)
        result = stack(arrays, to, stream=asked if to == "cupy" else asked.cuda_stream)
    with target.on(asked):
        read = target.read(result)
    target.synchronize(asked)
    assert read[:, 0].tolist() == [0, 1]
    assert not simcuda.races()
