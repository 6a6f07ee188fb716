"""Helpers for tests of copyto with a simulated GPU: arrays, schedules and buffers."""

import contextlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import interop
import simcuda
from interop._identify.registry import adapter_named

VALUES = np.arange(4096, dtype="f4").reshape(64, 64)  # 16 KiB: eight chunks of 2 KiB
BATCH, CHUNKS = 4096, 8
SCHEDULES = [
    ("eager", None),
    ("lazy", None),
    ("greedy", None),
    ("adversary", None),
    *(("random", i) for i in range(4)),
]
GPU = ["torch", "cupy"]
under_every_schedule = pytest.mark.parametrize(
    "schedule", SCHEDULES, ids=lambda schedule: schedule[0]
)
devices = pytest.mark.parametrize("device", [0, 1])


@pytest.fixture(name="clean")
def clean_start() -> Iterator[None]:
    from handoffs import runs

    runs.clean()
    yield
    assert not simcuda.races()
    assert not simcuda.errors()
    runs.clean()


def on_gpu(name: str, values: NDArray[Any], device: int = 0) -> Any:
    return interop.convert(values, name, device=f"cuda:{device}", copy=True)


@pytest.fixture(name="buffers")
def pinned_buffers(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Collect the pinned buffers that are allocated."""
    collected: list[Any] = []
    for name in GPU:
        adapter: Any = adapter_named(name)

        def pinned(_: Any, nbytes: int, original: Any = adapter.pinned) -> Any:
            collected.append(original(nbytes))
            return collected[-1]

        monkeypatch.setattr(type(adapter), "pinned", pinned)
    return collected


def is_in_use(buffers: list[Any]) -> bool:
    """Return whether a transfer still writes to a buffer.

    A transfer that still reads from a buffer gives wrong values, which tests detect.
    """
    assert buffers
    for buffer in buffers:
        buffer[:] = 0xA5
    simcuda.drain()
    return any((buffer != 0xA5).any() for buffer in buffers)


def side_streams(device: int = 0) -> contextlib.ExitStack:
    """Make streams other than the default ones current, and device 0."""
    import torch

    from handoffs.sides import CUPY, TORCH

    stack = contextlib.ExitStack()
    stack.enter_context(torch.cuda.stream(TORCH.stream(device)))
    torch.cuda.set_device(0)
    stack.enter_context(CUPY.on(CUPY.stream(device), device))
    stack.enter_context(CUPY.on(CUPY.stream(0), 0))
    return stack
