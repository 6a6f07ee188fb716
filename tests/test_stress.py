"""Many threads, conversions and failures, and exit of the process. No test measures time."""

import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import foreign
import interop
from child import run_child

pytestmark = pytest.mark.requires("torch")

THREADS, ROUNDS = 8, 250


def routes(number: int) -> list[Callable[[], Any]]:
    """Return conversions of constant arrays by eight kinds of routes, for 2,000 per thread."""
    array, tensor = (
        np.full((2, 3), number, "float32"),
        torch.full((2, 3), number, dtype=torch.float32),
    )
    frozen = array.copy()
    frozen.flags.writeable = False
    return [
        lambda: interop.to_torch(array),
        lambda: interop.to_numpy(tensor),
        lambda: interop.to_torch(array[::-1], copy=True),
        lambda: interop.to_numpy(tensor.T, dtype="float64"),
        lambda: interop.to_numpy(tensor.expand(4, 2, 3)),
        lambda: interop.to_torch(frozen, readonly="share"),
        lambda: interop.convert(foreign.DLPack(array), torch),
        lambda: interop.convert_like(tensor.bfloat16(), array, dtype="float16"),
    ]


def may_leave(parameter: torch.Tensor) -> bool:
    try:
        return interop.shares_memory(interop.to_numpy(parameter), parameter)
    except interop.GradientError:
        return False


def work(number: int) -> int:
    """Return the number of correct conversions, under options of this thread."""
    right, detach = 0, number % 2 == 0
    parameter = torch.ones(3, requires_grad=True)
    with interop.options(detach=detach):
        for _ in range(ROUNDS):
            right += sum(bool((convert() == number).all()) for convert in routes(number))
            assert may_leave(parameter) == detach
    return right


def test_convert_in_many_threads_keeps_values_and_options_apart() -> None:
    """Threads switch a thousand times more often than by default."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(5e-6)
    try:
        with ThreadPoolExecutor(THREADS) as threads:
            answers = list(threads.map(work, range(THREADS)))
    finally:
        sys.setswitchinterval(interval)
    assert answers == [8 * ROUNDS] * THREADS


def test_convert_first_call_from_many_threads_imports_adapters_safely() -> None:
    """The first thread imports the adapters, and the other threads wait."""
    said = run_child("""
        import threading
        from concurrent.futures import ThreadPoolExecutor
        import interop
        start = threading.Barrier(8)
        def work(number):
            start.wait()
            result = interop.convert(bytearray([number] * 3), ["torch", "numpy"][number % 2])
            return interop.framework_of(result), result.tolist()
        with ThreadPoolExecutor(8) as threads:
            print(list(threads.map(work, range(8))))
    """)
    assert said.strip() == str(
        [(["torch", "numpy"][number % 2], [number] * 3) for number in range(8)]
    )


@pytest.mark.skipif(
    not Path("/proc/self/statm").exists(), reason="the size of a process is told by Linux' procfs"
)
def test_convert_repeated_calls_do_not_leak_memory() -> None:
    """Of 20,000 conversions of 4 KiB, a third fail. A leak of one array in ten would show."""
    said = run_child("""
        import gc, resource
        from pathlib import Path
        import interop, numpy as np, torch

        def resident():
            gc.collect()
            return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()

        def convert(rounds):
            failures = 0
            for _ in range(rounds):
                array, tensor = np.ones(1024, "float32"), torch.ones(1024)
                interop.to_torch(array), interop.to_numpy(tensor)
                interop.to_torch(array, copy=True), interop.to_numpy(tensor, dtype="int32", casting="unsafe")
                interop.to_torch(memoryview(array)), interop.to_torch(array[::-1]),
                interop.explain(array, "torch")
                for x, to, keywords in ((array[::-1], "torch", {"copy": False}), (tensor.requires_grad_(), "numpy", {}),
                                        (array, "torch", {"readonly": "shared"})):
                    try:
                        interop.convert(x, to, **keywords)
                    except interop.InteropError:
                        failures += 1
            return failures

        convert(200)
        before = resident()
        assert convert(2000) == 6000
        print(resident() - before)
    """)
    assert int(said) < 4 * 2**20
