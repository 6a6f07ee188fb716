"""Call the runtime's functions directly in tests, through CuPy's binding, with cleanup."""

import ctypes
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from . import runtime as simulated

LEGACY, PER_THREAD, NON_BLOCKING = 1, 2, 1
H2D, D2H, D2D = 1, 2, 3
NOT_READY, INVALID_HANDLE, INVALID_VALUE, ILLEGAL_ADDRESS, NOT_SUPPORTED = 600, 400, 1, 700, 801
SIZE = 256


class Runtime:
    """CuPy's binding of the runtime as `cuda`, and cleanup of the objects created by a test."""

    def __init__(self) -> None:
        from cupy.cuda import runtime

        self.cuda: Any = runtime
        self._ends: list[Callable[[], object]] = []

    def stream(self, flags: int = NON_BLOCKING) -> int:
        handle: int = self.cuda.streamCreateWithFlags(flags)
        self._ends.append(lambda: self.cuda.streamDestroy(handle))
        return handle

    def event(self) -> int:
        handle: int = self.cuda.eventCreate()
        self._ends.append(lambda: self.cuda.eventDestroy(handle))
        return handle

    def device_memory(self, size: int = SIZE) -> int:
        pointer: int = self.cuda.malloc(size)
        self._ends.append(lambda: self.cuda.free(pointer))
        return pointer

    def pinned(self, value: int = 0, size: int = SIZE) -> NDArray[np.uint8]:
        pointer = self.cuda.hostAlloc(size, 0)
        self._ends.append(lambda: self.cuda.freeHost(pointer))
        array = np.ctypeslib.as_array((ctypes.c_uint8 * size).from_address(pointer))
        array[:] = value
        return array

    def upload(self, target: int, source: NDArray[np.uint8], stream: int) -> None:
        self.cuda.memcpyAsync(target, source.ctypes.data, source.nbytes, H2D, stream)

    def download(self, target: NDArray[np.uint8], source: int, stream: int) -> None:
        self.cuda.memcpyAsync(target.ctypes.data, source, target.nbytes, D2H, stream)

    def close(self) -> None:
        for device in (1, 0):
            self.cuda.setDevice(device)
            self.cuda.deviceSynchronize()
        for end in reversed(self._ends):
            end()

    def fails(self, code: int, call: Callable[[], object], words: str = "") -> None:
        """Check that a call raises this error, and that the last report contains these words."""
        with pytest.raises(self.cuda.CUDARuntimeError) as caught:
            call()
        assert caught.value.status == code
        assert words in str(simulated.errors()[-1])


def fresh() -> Iterator[Runtime]:
    """Yield a runtime with the schedule `lazy`, then destroy its objects and check for leaks."""
    runtime = Runtime()
    simulated.reset()
    simulated.schedule("lazy")
    before = simulated.live()
    yield runtime
    runtime.close()
    assert simulated.live() == before, "the test leaks"
    simulated.schedule("eager")
    simulated.reset()


def child(program: str) -> subprocess.CompletedProcess[str]:
    """Run a program in a new process, in which no CUDA library is loaded yet."""
    command = [sys.executable, "-c", program]
    tests = Path(__file__).parent.parent
    return subprocess.run(command, cwd=tests, capture_output=True, text=True, check=False)
