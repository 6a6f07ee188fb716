"""Interrupt functions and context managers at random times, and compare the state."""

import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from time import perf_counter
from traceback import format_exception
from typing import Any

import numpy as np
import torch

import interop
from interop._engine import events, fastpath
from interop._identify import registry
from interop._model.context import defaults
from interop.adapter.lease import release_pending, waiting

from .trial import Trial


def find_cupy() -> Any:
    try:
        return import_module("cupy")
    except ImportError:
        return None


cupy: Any = find_cupy()
Work = Callable[[], object]
GPU = bool(cupy) and torch.cuda.is_available()
ARRAY, TENSOR = np.ones(3), torch.ones(3)
OUT = np.empty(300, "f4")
TREE = {"a": ARRAY, "b": [TENSOR, 1]}


# -- what is interrupted ---------------------------------------------------------------------------


def convert() -> None:
    interop.to_torch(ARRAY[::-1])
    interop.to_numpy(TENSOR, dtype="float32")
    interop.to_torch(memoryview(b"12345678"))
    interop.to_numpy(TENSOR.view(3, 1).T, copy=True)
    interop.explain(ARRAY, "torch", dtype="float32")


def refuse() -> None:
    with suppress(interop.CopyRequiredError):
        interop.to_torch(ARRAY[::-1], copy=False)


def convert_many() -> None:
    interop.convert_tree(TREE, "torch")
    interop.stack([ARRAY, TENSOR], "torch", dtype="float32")
    interop.unify(ARRAY, TENSOR)


def copy_in_batches() -> None:
    interop.copyto(OUT, np.ones(300), casting="unsafe")
    for _ in interop.batches(OUT, "torch", size=100):
        pass


@interop.implemented_in("torch")
def doubled(x: Any) -> Any:
    return x * 2


def call_decorated() -> None:
    doubled(ARRAY)


def inspect_and_export() -> None:
    interop.device_of(TENSOR)
    interop.shares_memory(ARRAY, TENSOR)
    interop.namespace(TENSOR)
    np.from_dlpack(interop.export(TENSOR))


def set_options() -> None:
    with interop.options(readonly="share"), interop.options(detach=True):
        interop.to_torch(ARRAY)


def close_generator() -> None:
    def tensors() -> Any:
        with interop.options(readonly="share"):
            yield interop.to_torch(ARRAY)

    generator = tensors()
    try:
        next(generator)
    finally:  # a generator that is not closed keeps its options
        generator.close()


def watch() -> None:
    with interop.watch() as outer, interop.watch(keep=1):
        interop.to_torch(ARRAY)
    assert len(outer) == 1


def call_with_options() -> None:
    block: Any = interop.options(readonly="share")
    block(convert)()


def set_stream() -> None:
    with interop.stream(STREAM), interop.stream(0):
        interop.to_cupy(ON_GPU)


def hand_over() -> None:
    interop.convert(ON_GPU, "cupy", stream=STREAM)
    interop.to_numpy(ON_GPU)


WORKS: list[Work] = [
    convert, refuse, convert_many, copy_in_batches, call_decorated, inspect_and_export,
    set_options, close_generator, watch, call_with_options,
]  # fmt: skip
if GPU:
    STREAM = cupy.cuda.Stream(non_blocking=True)
    ON_GPU = torch.empty(4, device="cuda")
    WORKS += [set_stream, hand_over]


# -- the state -------------------------------------------------------------------------------------


def state() -> dict[str, Any]:
    """Return everything that an interrupted call must leave as it was."""
    found: dict[str, Any] = {
        "options": defaults(),
        "watches": list(events.watches),
        "fast path": {(to, cls) for to, row in fastpath.TABLE.items() for cls in row},
        "frames of a plain conversion": frames(),
        "errors of NumPy": np.geterr(),
        "functions of tensor classes": torch._C._is_torch_function_enabled(),
    }
    if GPU:
        found["current streams"] = (
            torch.cuda.current_stream().cuda_stream,
            cupy.cuda.get_current_stream().ptr,
        )
    return found


def frames() -> list[str]:
    """Return the names of the Python functions that run in a plain conversion."""
    names: list[str] = []
    sys.setprofile(lambda frame, *_: names.append(frame.f_code.co_name))
    try:
        interop.to_numpy(TENSOR)
    finally:
        sys.setprofile(None)
    return names


# -- the trial -------------------------------------------------------------------------------------


def run(trial: Trial) -> None:
    """Interrupt functions and context managers at random times, and compare the state."""
    signal.signal(signal.SIGALRM, raise_once)
    # CPython reports an interrupt of a finaliser, and the interrupted code goes on.
    sys.unraisablehook = lambda _: None
    seconds = {work: duration(work) for work in WORKS}
    fastpath.register_all(registry.loaded_adapters())
    before = state()
    kept: list[BaseException] = []
    while trial.running():
        work = trial.random.choice(WORKS)
        error = interrupt(work, trial.random.uniform(1e-6, 2e-4 + 2 * seconds[work]))
        if error is None:
            trial.counts["interrupts in finalisers"] += 1
        else:
            trial.counts["interrupts"] += 1
            # An exception that is kept keeps its frames and their context managers alive.
            kept.append(error)
        compare(work, error, before)
        if len(kept) == 100:
            kept.clear()
            release_pending()
            assert not any(map(waiting, registry.loaded_adapters()))


def duration(work: Work) -> float:
    """Return the least time in seconds of ten calls."""

    def timed() -> float:
        start = perf_counter()
        work()
        return perf_counter() - start

    return min(timed() for _ in range(10))


armed: list[Work] = []


def raise_once(*_: object) -> None:
    """Raise KeyboardInterrupt in the call of `interrupt`."""
    armed.clear()
    raise KeyboardInterrupt


def interrupt(work: Work, after: float) -> KeyboardInterrupt | None:
    """Call a function again and again until a signal arrives, and return the exception.

    The result is None if the signal has arrived in a finaliser.
    """
    armed.append(work)
    try:
        signal.setitimer(signal.ITIMER_REAL, after)
        while armed:
            work()
    except KeyboardInterrupt as error:
        return error
    return None


def compare(work: Work, error: BaseException | None, before: dict[str, Any]) -> None:
    """Fail with the place of the interrupt if the state has changed."""
    after = state()
    changed = {name: (before[name], after[name]) for name in before if before[name] != after[name]}
    if changed:
        place = "".join(format_exception(error)) if error else "a finaliser"
        raise AssertionError(f"{work.__name__} left {changed} at\n{place}")
