"""The note of `copyto` is true after an interruption or an error at any point, and after two."""

import gc
import random
import re
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import product
from typing import Any, NamedTuple

import numpy as np
import pytest

import interop
import simcuda
from copies import GPU, clean_start  # noqa: F401 - a fixture
from interop._identify.registry import adapter_named
from interop._transfer import pinned_buffers
from interrupting import Interrupter

NOTE = re.compile(
    r"interop\.copyto had written (\d+) of 256 bytes of dst: its first (\d+) of 64 elements in "
    r"row-major order(?:\. The next (\d+) may be old or new)?"
)
VALUES = np.arange(1, 65, dtype="f4").reshape(16, 4)  # four chunks, so each buffer is used twice
OLD = -1
SCRIBBLE = 0xA5


class Kind(NamedTuple):
    """One kind of copy: the frameworks of both sides, None for NumPy on the host."""

    target: str | None
    source: str | None
    make: Callable[[Any], Any] = lambda x: x

    def __str__(self) -> str:
        return f"{self.source or 'host'}-{self.target or 'host'}-{self.make.__name__}"


def whole(x: Any) -> Any:
    return x


def iterated(x: Any) -> Iterator[Any]:
    return iter([x[:4], x[4:6], x[6:]])


def lazy(x: Any) -> Any:
    import dask.array as da

    chunks: Any = (3, 4)
    return da.from_array(x, chunks=chunks)


class Dataset:
    """A dataset of a file, which reads slices."""

    shape, dtype, chunks = VALUES.shape, VALUES.dtype, (4, 4)

    def __init__(self, values: Any) -> None:
        self._values = values

    def __getitem__(self, index: Any) -> Any:
        return self._values[index].copy()


def dataset(x: Any) -> Any:
    return Dataset(x)


def mixed(x: Any) -> Iterator[Any]:
    """Yield arrays of the host and of a device in turn."""
    on_device = interop.convert(x, "torch", device="cuda:0", copy=True)
    return iter([x[:4], on_device[4:8], x[8:12], on_device[12:]])


class Copy:
    """One call of `copyto` into a new array, with the checks after its exception."""

    def __init__(self, kind: Kind) -> None:
        self._source = kind.make(_place(VALUES, kind.source))
        self._dst = _place(np.full_like(VALUES, OLD), kind.target)
        self._is_staged = (kind.source is None) != (kind.target is None)

    def __call__(self) -> None:
        # A chunk has 64 bytes: one of two pinned buffers, or a chunk of the host.
        interop.copyto(self._dst, self._source, batch_bytes=128 if self._is_staged else 64)

    def check(self, error: BaseException, where: str) -> None:
        """Compare the note with the array when the device has finished."""
        notes = getattr(error, "__notes__", [])
        _forget_frames(error)
        scribbled = _reuse_pinned_memory() if self._is_staged else []
        if simcuda.loaded():
            simcuda.drain()
        pinned_buffers._in_use.clear()
        assert all((memory == SCRIBBLE).all() for memory in scribbled), where
        written = interop.to_numpy(self._dst, copy=True).ravel()
        if not notes:
            assert (written == OLD).all(), where
            return
        match = NOTE.fullmatch(notes[-1])
        assert match, (notes, where)
        nbytes, complete, uncertain = (int(number or 0) for number in match.groups())
        end = complete + uncertain
        new = VALUES.ravel()
        assert nbytes == 4 * complete, where
        assert (written[:complete] == new[:complete]).all(), (notes, where)
        assert (written[end:] == OLD).all(), (notes, where)
        middle = written[complete:end]
        assert ((middle == OLD) | (middle == new[complete:end])).all(), (notes, where)


def _place(values: Any, framework: str | None) -> Any:
    if framework is None:
        return values.copy()
    return interop.convert(values, framework, device="cuda:0", copy=True)


def _forget_frames(error: BaseException) -> None:
    """Free all that the frames of an exception keep alive."""
    chain: BaseException | None = error
    while chain:
        traceback.clear_frames(chain.__traceback__)
        chain.__traceback__ = None
        chain = chain.__context__
    gc.collect(0)


def _reuse_pinned_memory() -> list[Any]:
    """Take all memory that an allocator would give to the next owner, and write to it."""
    memory = [adapter_named(name).pinned(64) for name in GPU for _ in range(3)]
    for array in memory:
        array[...] = SCRIBBLE
    return memory


@contextmanager
def failing(
    kind: Kind, verb: str, calls: range, error: type[BaseException], *, after: bool
) -> Iterator[None]:
    """Let calls of a primitive of the device raise an error, before or after the effect."""
    adapter: Any = type(adapter_named(kind.target or kind.source or "numpy"))
    number = 0

    def fails(work: Callable[[], Any]) -> Any:
        nonlocal number
        number += 1
        if number - 1 in calls and not after:
            raise error
        result = work()
        if number - 1 in calls:
            raise error
        return result

    name = "record_event" if verb == "wait" else verb
    original = getattr(adapter, name)

    def call(*args: Any) -> Any:
        if verb != "wait":
            return fails(lambda: original(*args))
        wait = original(*args)
        return lambda: fails(wait)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(adapter, name, call)
        yield


def run(copy: Copy) -> BaseException | None:
    try:
        copy()
    except BaseException as error:  # noqa: BLE001 - `Copy.check` examines every exception
        return error
    return None


HOST = [Kind(None, None, make) for make in (whole, iterated, lazy, dataset)]
ON_DEVICES = [
    *(Kind(name, None, make) for name in GPU for make in (whole, iterated, lazy, dataset)),
    *(Kind(None, name, make) for name in GPU for make in (whole, iterated)),
    *(Kind(name, other, whole) for name in GPU for other in GPU),
    Kind("torch", None, mixed),
]
SCHEDULES = ["eager", "lazy", "greedy", "adversary"]
VERBS = ["record_event", "wait", "pinned", "assign", "download_into", "view", "mark_modified"]
on_simulated_gpu = pytest.mark.requires("torch", "cupy", "gpu", "simcuda", "dask")


def parametrize(kinds: list[Kind]) -> pytest.MarkDecorator:
    host = pytest.mark.requires("dask")
    marks = {kind: on_simulated_gpu if kind in ON_DEVICES else host for kind in kinds}
    return pytest.mark.parametrize(
        "kind", [pytest.param(kind, id=str(kind), marks=marks[kind]) for kind in kinds]
    )


every_kind = parametrize(HOST + ON_DEVICES)
quick_kinds = parametrize([kind for kind in HOST + ON_DEVICES if kind.make in {whole, mixed}])


@pytest.fixture(autouse=True)
def _clean_device(request: pytest.FixtureRequest) -> None:
    if simcuda.loaded():
        request.getfixturevalue("clean")


def interrupt_everywhere(kind: Kind, schedule: str, points: Callable[[int], Any]) -> int:
    """Interrupt a copy at chosen points, and return how many there were."""
    if simcuda.loaded():
        simcuda.schedule(schedule)
    interrupter = Interrupter("_transfer")
    Copy(kind)()
    total = interrupter.count(Copy(kind))
    for at in points(total):
        copy = Copy(kind)
        error = interrupter.run(copy, at)
        if error is None:  # the garbage collector may run other instructions meanwhile
            continue
        assert isinstance(error, KeyboardInterrupt)
        # One interruption, so all transfers have been waited for.
        assert not pinned_buffers._in_use
        copy.check(error, f"{kind} {schedule} {at} of {total}: {interrupter.where}")
    return total


@every_kind
def test_copyto_interrupted_at_sampled_points_adds_a_true_note(kind: Kind) -> None:
    chosen = random.Random(str(kind))  # noqa: S311 - not for cryptography
    for schedule in SCHEDULES if kind in ON_DEVICES else SCHEDULES[:1]:
        interrupt_everywhere(
            kind, schedule, lambda total: chosen.sample(range(total), min(10, total))
        )


@pytest.mark.slow
@quick_kinds
def test_copyto_interrupted_at_every_point_adds_a_true_note(kind: Kind) -> None:
    for schedule in ["lazy", "greedy"] if kind in ON_DEVICES else SCHEDULES[:1]:
        interrupt_everywhere(kind, schedule, range)


FAILURES = list(
    product(
        VERBS,
        [KeyboardInterrupt, RuntimeError, MemoryError],
        range(6),  # the first call that fails
        [1, 2, 1000],  # the number of failing calls
        [False, True],  # before or after the effect
        ["lazy", "adversary"],
    )
)


def fail(kind: Kind, failures: list[Any]) -> None:
    """Let primitives of the device fail during a copy."""
    for verb, error, first, count, after, schedule in failures:
        if simcuda.loaded():
            simcuda.schedule(schedule)
        copy = Copy(kind)
        with failing(kind, verb, range(first, first + count), error, after=after):
            raised = run(copy)
        if raised:
            where = f"{kind} {verb} {first} {count} {after} {schedule}"
            assert isinstance(raised, error), where
            copy.check(raised, where)


@every_kind
def test_copyto_with_sampled_failing_primitives_adds_a_true_note(kind: Kind) -> None:
    fail(kind, random.Random(str(kind)).sample(FAILURES, 24))  # noqa: S311


@pytest.mark.slow
@quick_kinds
def test_copyto_with_failing_primitives_adds_a_true_note(kind: Kind) -> None:
    fail(kind, FAILURES)


@every_kind
def test_copyto_interrupted_after_an_error_adds_a_true_note(kind: Kind) -> None:
    """A primitive fails once, and an interruption comes at any point from then on."""
    chosen = random.Random(str(kind))  # noqa: S311 - not for cryptography
    if simcuda.loaded():
        simcuda.schedule("lazy")
    interrupter = Interrupter("_transfer")
    for verb in ("record_event", "wait", "assign") if kind in ON_DEVICES else ("assign",):
        for _ in range(8):
            copy = Copy(kind)
            at = chosen.randrange(600)
            with failing(kind, verb, range(2, 3), RuntimeError, after=chosen.random() < 0.5):
                error = interrupter.run(copy, at)
            if error:
                copy.check(error, f"{verb} {at} {interrupter.where}")


@on_simulated_gpu
@pytest.mark.parametrize("name", GPU)
def test_copyto_frees_a_buffer_that_an_earlier_call_could_not_wait_for(name: str) -> None:
    """Every wait of the first call fails, so the device may still read from a buffer."""
    simcuda.schedule("lazy")
    copy = Copy(Kind(name, None, whole))
    adapter: Any = type(adapter_named(name))
    original = adapter.record_event
    fails = True

    def record_event(*args: Any) -> Any:
        wait = original(*args)

        def call() -> None:
            if fails:
                raise RuntimeError
            wait()

        return call

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(adapter, "record_event", record_event)
        error = run(copy)
    assert isinstance(error, RuntimeError)
    assert pinned_buffers._in_use
    _forget_frames(error)
    fails = False
    Copy(Kind(name, None, whole))()
    assert not pinned_buffers._in_use
