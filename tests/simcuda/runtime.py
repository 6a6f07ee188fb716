"""Load the simulated runtime into this process, choose the schedule, and inspect the results."""

import ctypes
import importlib.abc
import importlib.machinery
import importlib.util
import json
import os
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any, Final

from .builder import CUPY_RUNTIME, build
from .toolkit import SimcudaError

SCHEDULES: Final = ("eager", "lazy", "greedy", "adversary", "random")
_SYNCHRONISE: Final = ("cudaDeviceSynchronize", "cudaStreamSynchronize", "cudaEventSynchronize")
_ALLOCATE: Final = (
    "cudaMalloc",
    "cudaMallocAsync",
    "cudaMallocManaged",
    "cudaHostAlloc",
    "cudaMallocHost",
)
_LAUNCH: Final = (
    "cudaLaunchKernel",
    "__cudaLaunchKernel",
    "cudaLaunchKernelExC",
    "cuLaunchKernel",
    "cuLaunchKernelEx",
)
_library: ctypes.CDLL | None = None


@dataclass(frozen=True)
class Access:
    """One operation on a range of bytes: the call that issued it, and the number of the call."""

    function: str
    number: int
    write: bool
    stream: str
    device: int
    address: int
    bytes: int
    rows: int

    def __str__(self) -> str:
        what = f"{'writes' if self.write else 'reads'} {self.rows * self.bytes} bytes at {self.address:#x}"
        return f"{self.function} #{self.number} {what} on {self.stream} of device {self.device}"


@dataclass(frozen=True)
class Race:
    """Two operations on the same bytes that no stream, event or synchronisation orders."""

    first: Access
    second: Access
    base: int
    size: int
    kind: str
    device: int

    def __str__(self) -> str:
        return f"{self.first}; {self.second}; nothing orders them ({self.kind} memory, {self.size} at {self.base:#x})"


@dataclass(frozen=True)
class Failure:
    """A call that failed, or an operation that touched freed memory when it ran."""

    function: str
    code: int
    name: str
    message: str

    def __str__(self) -> str:
        return f"{self.name} in {self.function}: {self.message}"


@dataclass
class Counts:
    """Counts of the calls by function, and of the copies and copied bytes by direction."""

    calls: Counter[str] = field(default_factory=Counter)
    copies: Counter[str] = field(default_factory=Counter)
    copied_bytes: Counter[str] = field(default_factory=Counter)

    def of(self, *functions: str) -> int:
        return sum(self.calls[name] for name in functions)

    @property
    def memcpys(self) -> int:
        return self.copies.total()

    @property
    def synchronisations(self) -> int:
        return self.of(*_SYNCHRONISE)

    @property
    def records(self) -> int:
        return self.of("cudaEventRecord", "cudaEventRecordWithFlags")

    @property
    def waits(self) -> int:
        return self.of("cudaStreamWaitEvent")

    @property
    def launches(self) -> int:
        return self.of(*_LAUNCH)

    @property
    def allocations(self) -> int:
        return self.of(*_ALLOCATE)


@dataclass(frozen=True)
class Live:
    """The existing streams and events, the allocated bytes, and the pending operations."""

    streams: int
    events: int
    host_bytes: int
    device_bytes: Sequence[int]
    pending: int


def loaded() -> bool:
    return _library is not None


def load(cache: Path | None = None, devices: int = 2) -> None:
    """Replace CUDA by the simulated runtime in this process, before torch or CuPy are imported."""
    global _library  # noqa: PLW0603 - one per process, as for the real runtime
    if _library is not None:
        return
    if early := [name for name in ("torch", "cupy", "cupy_backends") if name in sys.modules]:
        raise SimcudaError(
            f"{early[0]} has been imported before simcuda.load(): it has looked for CUDA already"
        )
    paths = build(cache or Path(sys.prefix) / "simcuda")
    os.environ["SIMCUDA_DEVICES"] = str(devices)
    library = ctypes.CDLL(str(paths.cudart), mode=ctypes.RTLD_GLOBAL)
    ctypes.CDLL(str(paths.cuda), mode=ctypes.RTLD_GLOBAL)
    library.simcuda_free.argtypes = [ctypes.c_void_p]
    library.simcuda_schedule.argtypes = [ctypes.c_char_p, ctypes.c_uint64]
    library.simcuda_capture.argtypes = [ctypes.c_void_p, ctypes.c_int]
    for name in ("races", "errors", "counts", "live"):
        getattr(library, f"simcuda_{name}").restype = ctypes.c_void_p
    if paths.cupy:
        sys.meta_path.insert(0, _CuPyRuntime(paths.cupy))
    _library = library


class _CuPyRuntime(importlib.abc.MetaPathFinder):
    """An import finder that replaces the wheel's CuPy runtime module by the rebuilt one."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None, /
    ) -> importlib.machinery.ModuleSpec | None:
        del path, target
        return (
            importlib.util.spec_from_file_location(fullname, self._path)
            if fullname == CUPY_RUNTIME
            else None
        )


def library() -> ctypes.CDLL:
    """Return libcudart, for tests that call the documented functions directly."""
    if _library is None:
        raise SimcudaError("the simulated CUDA runtime is not loaded: call simcuda.load()")
    return _library


def _ask(name: str) -> Any:
    text = getattr(library(), f"simcuda_{name}")()
    try:
        return json.loads(ctypes.string_at(text))
    finally:
        library().simcuda_free(text)


def schedule(name: str, seed: int | None = None) -> None:
    """Choose the order in which streams make progress.

    The schedule ``"random"`` needs a seed of up to 64 bits, and no other schedule takes one.
    """
    if (seed is None) == (name == "random"):
        raise ValueError("the schedule 'random' needs a seed, and no other takes one")
    if not library().simcuda_schedule(name.encode(), seed or 0):
        raise ValueError(f"{name!r} is no schedule; there are: {', '.join(SCHEDULES)}")


def drain() -> None:
    """Run all pending operations. Drain is not a synchronisation, so it adds no ordering."""
    library().simcuda_drain()


def reset() -> None:
    """Run all pending operations, then clear races, errors, freed memory and happens-before."""
    library().simcuda_reset()


def races() -> list[Race]:
    """Return the races since the last reset, at most the first thousand."""
    return [
        Race(**{**race, "first": Access(**race["first"]), "second": Access(**race["second"])})
        for race in _ask("races")["races"]
    ]


def errors() -> list[Failure]:
    """Return the failures since the last reset, without "not ready" results."""
    return [Failure(**failure) for failure in _ask("errors")]


def counts() -> Counts:
    """Return the counts since the library was loaded."""
    answer = _ask("counts")
    copies = answer["copies"].items()
    return Counts(
        Counter(answer["calls"]), *(Counter({key: pair[i] for key, pair in copies}) for i in (0, 1))
    )


@contextmanager
def counting() -> Iterator[Counts]:
    """Count the calls inside the block. The counts are available after the block."""
    before, result = counts(), Counts()
    yield result
    after = counts()
    result.calls = after.calls - before.calls
    result.copies = after.copies - before.copies
    result.copied_bytes = after.copied_bytes - before.copied_bytes


def live() -> Live:
    """Return the objects, bytes and pending operations that exist now."""
    return Live(**_ask("live"))


@contextmanager
def captured(stream: int) -> Iterator[None]:
    """Report a stream as being captured into a graph, so calls that break a capture are errors."""
    if error := library().simcuda_capture(stream, 1):
        raise ValueError(f"error {error}: {stream:#x} is no stream")
    try:
        yield
    finally:
        library().simcuda_capture(stream, 0)
