"""The note of an interrupted copyto agrees with the written elements, at every point."""

import re
from collections.abc import Iterator
from itertools import product
from typing import Any

import numpy as np
import pytest

import interop
import simcuda
from copies import BATCH, CHUNKS, GPU, VALUES, clean_start, is_in_use, on_gpu, pinned_buffers  # noqa: F401 - fixtures
from interop import copyto
from interop._identify.registry import adapter_named
from interop._transfer.pinned_buffers import PinnedBuffers

NOTE = re.compile(
    r"interop\.copyto had written (\d+) of (\d+) bytes of dst: its first (\d+) of (\d+) elements in row-major order"
    r"(?:\. The next (\d+) may be old or new)?"
)


def check_note(error: BaseException, dst: Any, *, old: float = -1) -> tuple[int, int]:
    """Compare the note with the array.

    Return the number of complete elements, and of elements that may be old or new.
    """
    match = NOTE.fullmatch(error.__notes__[-1])
    assert match, error.__notes__
    nbytes, total_bytes, done, total, perhaps = (int(number or 0) for number in match.groups())
    written = interop.to_numpy(dst).ravel()
    assert (nbytes, total_bytes) == (done * written.itemsize, total * written.itemsize)
    assert total == written.size
    new = VALUES.ravel()
    assert (written[:done] == new[:done]).all()
    assert (written[done + perhaps :] == old).all()
    middle = written[done : done + perhaps]
    assert ((middle == old) | (middle == new[done : done + perhaps])).all()
    return done, perhaps


def interrupt(monkeypatch: pytest.MonkeyPatch, owner: type, verb: str, at: int, after: Any) -> None:
    """Let one call of a method raise KeyboardInterrupt, before or after the work."""
    original = getattr(owner, verb)
    calls: list[None] = []

    def call(*args: Any, **keywords: Any) -> Any:
        calls.append(None)
        if len(calls) == at and not after:
            raise KeyboardInterrupt
        result = original(*args, **keywords)
        if len(calls) == at:
            raise KeyboardInterrupt
        return result

    monkeypatch.setattr(owner, verb, call)


@pytest.mark.requires("torch")
@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("verb", ["assign", "page_out", "view"])
@pytest.mark.parametrize("to", ["numpy", "torch"])
def test_copyto_on_host_interrupted_at_any_step_notes_the_written_elements(
    to: str, verb: str, after: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    dst = interop.convert(np.full_like(VALUES, -1), to)
    source = interop.convert(VALUES.copy(), to)
    interrupt(monkeypatch, type(adapter_named(to)), verb, 3, after)
    with pytest.raises(KeyboardInterrupt) as caught:
        copyto(dst, source, batch_bytes=BATCH)
    monkeypatch.undo()
    done, perhaps = check_note(caught.value, dst)
    assert done % (BATCH // 4) == 0
    assert perhaps in {0, BATCH // 4}


def test_copyto_when_assign_fails_halfway_notes_the_uncertain_elements(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    numpy: Any = adapter_named("numpy")

    def assign(_: Any, x: Any, source: Any) -> None:
        x[:5] = source[:5]
        raise NotImplementedError

    monkeypatch.setattr(type(numpy), "assign", assign)
    dst = np.full_like(VALUES, -1)
    with pytest.raises(NotImplementedError) as caught:
        copyto(dst, VALUES, batch_bytes=BATCH)
    assert check_note(caught.value, dst) == (0, BATCH // 4)


def test_copyto_when_source_fails_notes_no_uncertain_elements() -> None:
    def parts() -> Iterator[Any]:
        yield VALUES[:32]
        raise KeyboardInterrupt

    dst = np.full_like(VALUES, -1)
    with pytest.raises(KeyboardInterrupt) as caught:
        copyto(dst, parts(), batch_bytes=BATCH)
    assert check_note(caught.value, dst) == (VALUES.size // 2, 0)


# -- between the host and a device -----------------------------------------------------------------

on_simulated_gpu = [
    pytest.mark.requires("torch", "cupy", "gpu", "simcuda"),
    pytest.mark.usefixtures("clean"),
]


POINTS = list(product([1, 2, CHUNKS - 1, CHUNKS], [False, True]))


def marked(function: Any) -> Any:
    for mark in on_simulated_gpu:
        function = mark(function)
    return function


@pytest.fixture
def call_interrupted(buffers: list[Any], monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return a function that calls copyto with an interruption, and returns the exception."""

    def call(dst: Any, source: Any, *method: Any) -> BaseException:
        interrupt(monkeypatch, *method)
        with pytest.raises(KeyboardInterrupt) as caught:
            copyto(dst, source, batch_bytes=BATCH)
        assert not (buffers and is_in_use(buffers))
        return caught.value

    return call


@marked
@pytest.mark.parametrize("schedule", ["eager", "lazy", "adversary"])
@pytest.mark.parametrize("point", POINTS)
@pytest.mark.parametrize("verb", ["synchronize", "record_event", "next", "assign"])
@pytest.mark.parametrize("name", GPU)
def test_copyto_upload_interrupted_at_any_step_notes_the_written_elements(
    name: str, verb: str, point: tuple[int, bool], schedule: str, call_interrupted: Any
) -> None:
    simcuda.schedule(schedule)
    dst = on_gpu(name, np.full_like(VALUES, -1))
    owner = type(adapter_named(name)) if verb == "assign" else PinnedBuffers
    check_note(call_interrupted(dst, VALUES, owner, verb, *point), dst)


@marked
@pytest.mark.parametrize("point", POINTS)
@pytest.mark.parametrize("verb", ["synchronize", "record_event", "next", "download_into"])
@pytest.mark.parametrize("name", GPU)
def test_copyto_download_interrupted_at_any_step_notes_the_written_elements(
    name: str, verb: str, point: tuple[int, bool], call_interrupted: Any
) -> None:
    simcuda.schedule("lazy")
    source, dst = on_gpu(name, VALUES), np.full_like(VALUES, -1)
    owner = type(adapter_named(name)) if verb == "download_into" else PinnedBuffers
    check_note(call_interrupted(dst, source, owner, verb, *point), dst)


@marked
@pytest.mark.parametrize("name", GPU)
@pytest.mark.parametrize("number", [CHUNKS - 1, CHUNKS])
def test_copyto_upload_interrupted_in_the_last_wait_waits_for_both_buffers(
    name: str, number: int, buffers: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The event raises instead of waiting, as an interrupted wait does."""
    simcuda.schedule("lazy")
    adapter: Any = adapter_named(name)
    original, made = adapter.record_event, [0]

    def record_event(_: Any, device: Any) -> Any:
        made[0] += 1
        wait, mine, waits = original(device), made[0], [0]

        def waited() -> None:
            waits[0] += 1
            if mine == number and waits[0] == 1:
                raise KeyboardInterrupt
            wait()

        return waited

    monkeypatch.setattr(type(adapter), "record_event", record_event)
    dst = on_gpu(name, np.full_like(VALUES, -1))
    with pytest.raises(KeyboardInterrupt) as caught:
        copyto(dst, VALUES, batch_bytes=BATCH)
    assert not (buffers and is_in_use(buffers))
    assert check_note(caught.value, dst) == (VALUES.size, 0)


@marked
@pytest.mark.parametrize("name", GPU)
def test_copyto_upload_when_last_wait_fails_notes_the_uncertain_elements(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from interop._transfer import pinned_buffers as module

    adapter: Any = adapter_named(name)
    original, made = adapter.record_event, [0]
    kept: set[Any] = set()

    def fail() -> None:
        raise RuntimeError

    def record_event(_: Any, device: Any) -> Any:
        made[0] += 1
        return fail if made[0] == CHUNKS else original(device)

    monkeypatch.setattr(type(adapter), "record_event", record_event)
    monkeypatch.setattr(module, "_in_use", kept)
    dst = on_gpu(name, np.full_like(VALUES, -1))
    with pytest.raises(RuntimeError) as caught:
        copyto(dst, VALUES, batch_bytes=BATCH)
    simcuda.drain()
    assert check_note(caught.value, dst) == (
        VALUES.size - VALUES.size // CHUNKS,
        VALUES.size // CHUNKS,
    )
    assert len(kept) == 1
