"""`watch` records every conversion on every path, and leaves no state behind."""

import logging
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
import torch

import interop
from interop import watch
from interop._engine import events, fastpath, plan_cache

pytestmark = pytest.mark.requires("torch")


def line() -> int:
    return sys._getframe(1).f_lineno


def test_watch_records_every_conversion_path() -> None:
    """The paths are compiled, table, remembered and planned, all warmed up before the watch."""
    t, a = torch.ones(3), np.ones(3)
    calls: list[Any] = [
        lambda: interop.to_numpy(t),
        lambda: interop.to_numpy(t, detach=True),
        lambda: interop.to_numpy(t, copy=True),
        lambda: interop.to_torch(a),
        lambda: interop.to_torch(t),
        lambda: interop.convert(a, torch),
        lambda: interop.convert(a, "torch", dtype="float32"),
        lambda: interop.to_torch(a[::-1]),
        lambda: interop.convert_like(a, t),
    ]
    for call in calls * 3:
        call()
    with watch() as seen:
        for call in calls:
            call()
    assert [(r.source, r.target, r.bytes_copied) for r in seen.records] == [
        ("torch", "numpy", 0), ("torch", "numpy", 0), ("torch", "numpy", 12), ("numpy", "torch", 0),
        ("torch", "torch", 0), ("numpy", "torch", 0), ("numpy", "torch", 12), ("numpy", "torch", 24),
        ("numpy", "torch", 0),
    ]  # fmt: skip


def test_watch_records_each_array_of_a_tree() -> None:
    with watch() as seen:
        interop.convert_tree({"a": np.ones(3), "b": [torch.ones(2), 1, None]}, "torch")
    assert [(r.source, r.target) for r in seen.records] == [("numpy", "torch"), ("torch", "torch")]


def test_watch_records_stack_as_a_copy() -> None:
    with watch() as here:
        interop.stack([np.ones(3), np.ones(3)], "torch")
    assert [(r.source, r.target, r.bytes_copied) for r in here.records] == [
        ("numpy", "numpy", 48),
        ("numpy", "torch", 0),
    ]
    with watch() as there:
        interop.stack([np.ones(3), torch.ones(3, dtype=torch.float64)], "torch")
    assert [(r.source, r.bytes_copied, r.reason) for r in there.records][2:] == [
        ("torch", 48, "stacking copies")
    ]
    assert [(r.source, r.bytes_copied) for r in there.records][:2] == [("numpy", 0), ("torch", 0)]


def test_watch_record_has_the_plan_and_the_line_of_the_caller() -> None:
    with watch() as seen:
        interop.to_torch(np.arange(4, dtype="int16")[::-1])
        here = line() - 1
    (record,) = seen.records
    assert record.plan == interop.explain(np.arange(4, dtype="int16")[::-1], "torch")
    assert (record.source, record.target, record.zero_copy, record.bytes_copied, record.host_bytes) == (
        "numpy", "torch", False, 8, 0,
    )  # fmt: skip
    assert record.route == "numpy on cpu -> torch on cpu"
    assert record.reason == "torch has no negative strides"
    assert (
        record.where
        == f"{__file__}:{here} in test_watch_record_has_the_plan_and_the_line_of_the_caller"
    )
    assert 0 < record.seconds < 60
    assert str(record) == (
        "numpy -> torch, int16 (4,) on cpu: 8 bytes copied, because torch has no negative strides "
        f"({__file__}:{here} in test_watch_record_has_the_plan_and_the_line_of_the_caller)"
    )
    assert str(seen) == str(record)


def test_watch_refused_conversion_is_not_recorded() -> None:
    with watch() as seen:
        with pytest.raises(interop.CopyRequiredError):
            interop.to_torch(np.ones(3)[::-1], copy=False)
        with pytest.raises(interop.NotAnArrayError):
            interop.to_torch([1])
    assert not seen.records


def test_watch_records_the_plan_made_after_a_buffer_error(monkeypatch: pytest.MonkeyPatch) -> None:
    adapter: Any = interop._identify.registry.adapter_named("torch")
    adopt, answers = adapter.adopt_host, iter([BufferError("it is the wrong day")])

    def refuse_once(array: Any) -> Any:
        for answer in answers:
            raise answer
        return adopt(array)

    monkeypatch.setattr(type(adapter), "adopt_host", lambda _, array: refuse_once(array))
    with watch() as seen:
        interop.to_torch(np.ones(3))
    assert [(r.bytes_copied, r.reason) for r in seen.records] == [(24, "it is the wrong day")]


def state() -> Any:
    table = {(to, cls) for to, row in fastpath.TABLE.items() for cls in row if isinstance(to, str)}
    return table, set(plan_cache.FINGERPRINTS), list(events.watches)


def test_watch_restores_fast_paths_and_observers_on_exit() -> None:
    interop.to_numpy(torch.ones(3))
    interop.to_torch(np.ones(3))
    before = state()
    with watch():
        interop.to_numpy(torch.ones(3))
        assert len(events.watches) == 1
        assert not any(fastpath.TABLE.values())
        assert not plan_cache.CALLS
    assert state() == before
    with pytest.raises(ZeroDivisionError), watch():
        _ = 1 / 0
    assert state() == before


@pytest.mark.requires("compiled")
def test_watch_after_exit_adds_no_python_frame() -> None:
    """A plain conversion after a watch creates no Python frame, as before the first watch."""
    t = torch.ones(3)
    with watch():
        interop.to_numpy(t)
    frames: list[str] = []
    sys.setprofile(
        lambda frame, event, _: frames.append(frame.f_code.co_name) if event == "call" else None
    )
    try:
        interop.to_numpy(t)
    finally:
        sys.setprofile(None)
    assert not frames


def test_watch_outer_block_also_records_inner_conversions() -> None:
    with watch() as outer:
        interop.to_torch(np.ones(1))
        with watch() as inner:
            interop.to_torch(np.ones(2))
        interop.to_torch(np.ones(3))
    assert [r.plan.shape for r in outer.records] == [(1,), (2,), (3,)]
    assert [r.plan.shape for r in inner.records] == [(2,)]
    interop.to_torch(np.ones(4))
    assert len(outer.records) == 3


def test_watch_keep_limits_the_records_to_the_latest() -> None:
    with watch(keep=2) as seen:
        for n in range(5):
            interop.to_torch(np.ones(n))
    assert [r.plan.shape for r in seen.records] == [(3,), (4,)]


@pytest.mark.parametrize("keep", [-1, 1.5, True, "all"])
def test_watch_invalid_keep_is_refused(keep: Any) -> None:
    with pytest.raises(interop.InvalidOptionError) as caught:
        watch(keep=keep)
    assert (
        str(caught.value)
        == f"keep must be an integer from 0 up, or None to keep all records, got {keep!r}"
    )


def test_watch_records_conversions_from_all_threads() -> None:
    """Records from all threads arrive while another thread starts and stops watches."""
    begun, stop = threading.Event(), threading.Event()

    def disturb() -> None:
        while not stop.is_set():
            with watch():
                begun.set()

    def work(_: int) -> None:
        for n in range(200):
            interop.to_torch(np.ones(n))

    with ThreadPoolExecutor(9) as pool:
        other = pool.submit(disturb)
        begun.wait()
        with watch() as seen:
            list(pool.map(work, range(8)))
        stop.set()
        other.result()
    assert len(seen.records) == 8 * 200
    assert not events.watches


def test_watch_records_keep_no_array_alive() -> None:
    import weakref

    t = torch.ones(3)
    alive = weakref.ref(t)
    with watch() as seen:
        interop.to_numpy(t)
        del t
        assert alive() is None
    assert len(seen.records) == 1


@pytest.mark.requires("torch-compile-keys")
@pytest.mark.usefixtures("real_imports")
def test_watch_torch_compiled_function_runs_inside_the_block() -> None:
    """`torch.compile(fullgraph=True)` cannot trace the slow path, so it must compile again."""

    def double(t: torch.Tensor) -> torch.Tensor:
        return torch.as_tensor(interop.to_numpy(t)) * 2

    compiled = torch.compile(double, fullgraph=True, backend="eager")
    assert compiled(torch.ones(3)).tolist() == [2, 2, 2]
    with watch() as outer, watch():
        assert compiled(torch.ones(3)).tolist() == [2, 2, 2]
        assert compiled(torch.ones(2, 2)).tolist() == [[2, 2], [2, 2]]
        interop.to_numpy(torch.ones(3))
    assert compiled(torch.ones(3)).tolist() == [2, 2, 2]
    assert len(outer.records) == 1


@pytest.mark.requires("torch-compile-keys")
@pytest.mark.usefixtures("real_imports")
def test_watch_torch_compiled_identity_runs_inside_the_block() -> None:
    def double(t: torch.Tensor) -> torch.Tensor:
        return interop.to_torch(t) * 2

    compiled = torch.compile(double, fullgraph=True, backend="eager")
    with watch():
        assert compiled(torch.ones(3)).tolist() == [2, 2, 2]


# -- the summary -----------------------------------------------------------------------------------


def busy() -> Any:
    with watch() as seen:
        for _ in range(3):
            interop.to_numpy(torch.ones(4))
        interop.to_torch(np.ones(2)[::-1])
    return seen


def test_watch_summary_adds_up_records_by_line() -> None:
    first, second = busy().summary()
    assert (first.route, first.calls, first.bytes_copied, first.host_bytes) == (
        "numpy on cpu -> torch on cpu",
        1,
        16,
        0,
    )
    assert (second.route, second.calls, second.bytes_copied) == (
        "torch on cpu -> numpy on cpu",
        3,
        0,
    )
    assert second.where.endswith(" in busy")
    assert second.reason == "both can use the same memory on cpu"


def test_watch_summary_prints_counts_and_lines() -> None:
    lines = str(busy().summary()).splitlines()
    assert lines[0] == "4 conversions, 3 without a copy; 16 bytes copied, 0 of them host bytes"
    assert lines[1].startswith(
        "      1 x numpy on cpu -> torch on cpu: 16 bytes copied, 0 of them host bytes, "
    )
    assert lines[2].startswith(f"          at {__file__}:")
    assert lines[2].endswith(" in busy, because torch has no negative strides")
    assert len(lines) == 5


def test_watch_summary_of_one_conversion_says_conversion() -> None:
    with watch() as seen:
        interop.to_torch(np.ones(2))
    title = str(seen.summary()).splitlines()[0]
    assert title == "1 conversion, 1 without a copy; 0 bytes copied, 0 of them host bytes"


def test_watch_repr_html_shows_the_summary_table() -> None:
    seen = busy()
    page = seen._repr_html_()
    assert "<b>4 conversions, 3 without a copy" in page
    assert page.count("<tr>") == 3
    assert "numpy on cpu -&gt; torch on cpu" in page


def test_watch_summary_without_records_counts_zero() -> None:
    with watch() as seen:
        pass
    assert str(seen.summary()) == (
        "0 conversions, 0 without a copy; 0 bytes copied, 0 of them host bytes"
    )


@pytest.mark.requires("cupy", "gpu")
def test_watch_summary_lists_host_copies_first() -> None:
    gpu = interop.to_cupy(np.ones(1, "u1"))
    with watch() as seen:
        interop.to_torch(gpu)
        interop.to_torch(np.ones(100), copy=True)
        interop.to_numpy(gpu)
    assert [(one.route, one.host_bytes) for one in seen.summary()] == [
        ("cupy on cuda:0 -> numpy on cpu", 1),
        ("numpy on cpu -> torch on cpu", 0),
        ("cupy on cuda:0 -> torch on cuda:0", 0),
    ]


# -- the log ---------------------------------------------------------------------------------------


def test_watch_logs_records_at_the_line_of_the_caller(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "interop")
    with watch():
        interop.to_torch(np.ones(3))
        interop.to_torch(np.ones(3), copy=True)
        here = line() - 1
    interop.to_torch(np.ones(3))
    free, copied = caplog.records
    assert (free.levelname, copied.levelname, free.name) == ("DEBUG", "INFO", "interop")
    assert (copied.pathname, copied.lineno, copied.funcName) == (
        __file__, here, "test_watch_logs_records_at_the_line_of_the_caller",
    )  # fmt: skip
    assert copied.getMessage().startswith(
        "numpy -> torch, float64 (3,) on cpu: 24 bytes copied, because copy=True asks"
    )


def test_watch_without_logging_setup_prints_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    with watch():
        interop.to_torch(np.ones(3), copy=True)
    assert capfd.readouterr() == ("", "")
