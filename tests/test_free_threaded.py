"""Python without the GIL: the GIL stays off, and the shared tables bear threads that run at once.

With the GIL, these tests would say nothing: `test_stress.py` and the kind `threads` of the stress
switch between threads there.
"""

import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier, Event
from typing import Any

import numpy as np
import pytest

import interop
from child import run_child
from interop._engine import plan_cache
from interop._model.context import defaults
from interop.adapter import CUDA, Adapter, Device, Lease, Stream
from interop.adapter.lease import release_pending, waiting

THREADS, ROUNDS, MANY = 8, 200, 20_000

pytestmark = [
    pytest.mark.requires("numpy"),
    pytest.mark.skipif(
        getattr(sys, "_is_gil_enabled", lambda: True)(),
        reason="the threads of this Python take turns",
    ),
]


def run_together(*works: Callable[[int], object]) -> None:
    """Run each function many times, in threads that start at the same time, or raise the error."""
    start = Barrier(THREADS)

    def run(number: int) -> None:
        work = works[number % len(works)]
        start.wait()
        for turn in range(ROUNDS):
            work(number * ROUNDS + turn)

    with ThreadPoolExecutor(THREADS) as threads:
        list(threads.map(run, range(THREADS)))


def test_interop_used_in_every_way_leaves_the_gil_off() -> None:
    """An extension module that does not support this Python would switch the GIL on, and warn."""
    told = run_child("""
        import sys
        import numpy as np, interop
        interop.to_numpy(memoryview(b"abc"), dtype="float32")
        with interop.watch(), interop.options(readonly="share"):
            interop.copyto(np.ones(3), [1.0, 2.0, 3.0][0] * np.ones(3))
        interop.convert_tree([np.ones(3)], "numpy", copy=True)
        notes = {info.compiled for info in interop.frameworks()}
        files = [getattr(m, "__file__", None) or "" for n, m in sys.modules.items() if n.startswith("interop")]
        print(sys._is_gil_enabled(), notes, [file for file in files if not file.endswith(".py")])
    """)
    assert told == "False {False} []\n"


def test_watch_read_while_threads_convert_has_every_record() -> None:
    """A loop over a deque fails while another thread appends, and the GIL does not hold it back."""
    done = Event()

    def read(seen: Any) -> None:
        while not done.is_set():
            assert len(list(seen)) >= MANY
            assert seen[0] is next(iter(seen))

    with interop.watch() as seen, ThreadPoolExecutor(2) as readers:
        interop.to_numpy(np.ones(2), dtype="float32")
        seen.records.extend(list(seen) * (MANY - 1))  # so that a loop takes long
        reading = [readers.submit(read, seen) for _ in range(2)]
        run_together(lambda _: interop.to_numpy(np.ones(2), dtype="float32"))
        done.set()
        for reader in reading:
            reader.result()
    assert len(seen) == MANY + THREADS * ROUNDS


def test_convert_while_the_plan_cache_is_emptied_gives_the_right_arrays(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(plan_cache, "_MAX_PLANS", 4)

    def convert(number: int) -> None:
        size = number % 23 + 1
        result = interop.to_numpy(np.full(2 * size, number)[::2], dtype="float64")
        assert (result.shape, result.dtype.name, result[-1]) == ((size,), "float64", number)

    run_together(convert)
    assert len(plan_cache.CALLS) <= 4


class Row:
    """An array without a protocol."""


class RowAdapter(Adapter):
    """An adapter that is registered again and again."""

    name, array_type = "free_threaded_row", Row

    def describe(self, _: Any, /) -> interop.adapter.Facts:
        return interop.adapter.Facts(
            "free_threaded_row", (3,), "int64", interop.adapter.CPU, (8,), 24
        )

    def export_host(self, _: Any, /) -> Any:
        return np.arange(3)


def test_convert_while_adapters_and_classes_come_and_go_knows_every_class() -> None:
    interop.register(RowAdapter())

    def convert(_: int) -> None:
        assert interop.to_numpy(Row()).tolist() == [0, 1, 2]
        assert interop.framework_of(np.ones(3)) == "numpy"

    def register(_: int) -> None:
        interop.register(RowAdapter())

    def forget(number: int) -> None:
        cls = type("Temporary", (np.ndarray,), {})
        assert interop.framework_of(np.ones(2).view(cls)) == "numpy"
        with pytest.raises(interop.NotAnArrayError):
            interop.framework_of(type(f"Unknown{number}", (), {})())

    run_together(convert, register, forget)


def test_options_of_threads_stay_apart() -> None:
    """Also where threads start with the options of the thread that starts them."""

    def work(number: int) -> None:
        before = defaults()
        with interop.options(max_host_bytes=number):
            interop.to_numpy(np.ones(3), dtype="float32")
            assert defaults().max_host_bytes == number
        assert defaults() == before

    with interop.options(detach=True):
        run_together(work)


class Lender(Adapter):
    """A lender that orders no streams, and notes which memory came back."""

    name = "lender"

    def is_capturing(self, _: Stream, __: Device, /) -> bool:
        return False

    def wait_stream(self, earlier: Stream, later: Stream, _: Device, /) -> None:
        assert (earlier.handle, later.handle) == (7, 8)


def test_lease_ended_in_many_threads_releases_all_memory() -> None:
    lender, device = Lender(), Device(CUDA.kind, 0)
    alive: set[object] = set()

    class Memory:
        def __init__(self) -> None:
            alive.add(id(self))

        def __del__(self) -> None:
            alive.discard(id(self))

    def lend(_: int) -> None:
        lease = Lease(Memory(), device, Stream(7), Stream(8), lender)
        del lease

    run_together(lend)
    release_pending()
    assert waiting(lender) == 0
    assert not alive
