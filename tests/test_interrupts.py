"""An interrupt at any place leaves the state as before: options, watches, streams and modes.

Each test runs in a child process, because an interrupt must not hit the test runner.
"""

from pathlib import Path
from textwrap import dedent

import pytest

from child import run_child

pytestmark = pytest.mark.requires("torch")

REPORT = """
    import contextlib
    from contextvars import ContextVar
    from interop.adapter.scope import scoped
    from signals import interrupt_everywhere

    def report(work, state, restore=lambda: None):
        work()  # fills caches
        before, changed = state(), []
        def check(place):
            if state() != before:
                changed.append(place)
                restore()
        tried = interrupt_everywhere(work, check)
        print("enough" if tried > 50 else tried, "changed at", changed)
"""
FRAMEWORKS = """
    import os, sys
    if os.environ.get("INTEROP_SIMCUDA") == "1":
        import simcuda
        simcuda.load(devices=2)  # before torch is imported
        import cupy
    import numpy as np, torch, interop
    from interop._engine import events, fastpath
    from interop._model.context import defaults
"""
NOTHING_CHANGED = "enough changed at []\n"


def run(*codes: str) -> str:
    return run_child("\n".join(map(dedent, codes)), path=Path(__file__).parent)


# -- the mechanism ---------------------------------------------------------------------------------

LEVEL = """
    level = ContextVar("level", default=0)

    def raised(new):
        tokens = []
        try:
            tokens.extend(map(level.set, [new]))
            yield
        finally:
            for token in tokens:
                level.reset(token)

    def work():
        with manager(raised)(1):
            with manager(raised)(2):
                pass
"""


def test_scoped_interrupted_anywhere_restores_the_state() -> None:
    assert run(REPORT, LEVEL, "manager = scoped; report(work, level.get)") == NOTHING_CHANGED


def test_interrupt_everywhere_finds_the_faults_of_contextlib() -> None:
    code = "manager = contextlib.contextmanager; report(work, level.get, lambda: level.set(0))"
    told = run(REPORT, LEVEL, code)
    assert "work" in told  # between the entry and the block
    assert "_GeneratorContextManager.__exit__" in told


def test_tables_changed_and_interrupted_anywhere_leave_the_lock_free() -> None:
    """Since CPython 3.14, ``with lock`` can be interrupted after the lock was taken."""
    code = """
    from interop._engine import fastpath
    from interop._identify import registry
    from interop._lock import LOCK

    def state():
        return LOCK._is_owned()

    def restore():
        while LOCK._is_owned():
            LOCK.release()

    def work():
        fastpath.clear()
        registry._classes.clear()
        registry.adapter_of(np.ndarray)
        interop.to_numpy(np.ones(4)[::2], copy=True)

    report(work, state, restore)
    """
    assert run(REPORT, FRAMEWORKS, code) == NOTHING_CHANGED


# -- the context managers of interop ---------------------------------------------------------------


def test_options_interrupted_anywhere_end_with_the_block() -> None:
    code = """
    def nested():
        with interop.options(readonly="share"), interop.options(detach=True):
            defaults()

    report(nested, defaults)
    report(interop.options(readonly="share")(defaults), defaults)
    """
    assert run(REPORT, FRAMEWORKS, code) == NOTHING_CHANGED * 2


def test_watch_interrupted_anywhere_ends_and_the_fast_path_is_full() -> None:
    """A plain conversion after the interrupt creates as few frames as before the watch."""
    code = """
    tensor = torch.ones(3)

    def frames():
        names = []
        sys.setprofile(lambda frame, event, _: names.append(frame.f_code.co_name))
        interop.to_numpy(tensor)
        sys.setprofile(None)
        return names

    def state():
        table = {(to, cls) for to, row in fastpath.TABLE.items() for cls in row}
        return list(events.watches), table, frames()

    def work():
        with interop.watch():
            with interop.watch():
                pass

    report(work, state)
    """
    assert run(REPORT, FRAMEWORKS, code) == NOTHING_CHANGED


@pytest.mark.requires("cupy", "simcuda")
def test_stream_interrupted_anywhere_restores_all_frameworks() -> None:
    code = """
    torch.cuda.init()
    own, other = cupy.cuda.Stream(non_blocking=True), torch.cuda.Stream(1)

    def state():
        pairs = [(torch.cuda.current_stream(i).cuda_stream, i) for i in range(2)]
        here = cupy.cuda.get_current_stream().ptr
        return pairs, here, torch.cuda.current_device(), cupy.cuda.Device().id

    def work():
        with interop.stream(own):
            with interop.stream(other):
                pass

    report(work, state)
    """
    assert run(REPORT, FRAMEWORKS, code) == NOTHING_CHANGED


@pytest.mark.requires("cupy", "simcuda")
def test_wait_stream_interrupted_anywhere_restores_streams_and_devices() -> None:
    code = """
    from interop._identify import registry
    from interop.adapter import CUDA, Device, Stream
    torch.cuda.init()
    device = Device(CUDA.kind, 1)
    earlier, later = (Stream(torch.cuda.Stream(1).cuda_stream) for _ in range(2))
    exporter = registry.find("torch").exporter(torch.empty(4, device="cuda:1"), None)

    def state():
        pairs = [(torch.cuda.current_stream(i).cuda_stream, i) for i in range(2)]
        return pairs, torch.cuda.current_device(), cupy.cuda.Device().id

    def work():
        for name in ("torch", "cupy"):
            adapter = registry.find(name)
            adapter.wait_stream(earlier, later, device)
            adapter.is_capturing(later, device)
            adapter.synchronize(device)
        exporter.__dlpack__()

    report(work, state)
    """
    assert run(REPORT, FRAMEWORKS, code) == NOTHING_CHANGED


def test_device_of_in_fake_mode_interrupted_anywhere_keeps_the_modes() -> None:
    code = """
    import warnings
    # torch 2.5 leaves a temporary directory to the end of the process.
    warnings.filterwarnings("ignore", "Implicitly cleaning up", ResourceWarning)
    from torch._subclasses.fake_tensor import FakeTensorMode
    class Own(torch.Tensor):
        pass
    def state():
        key = torch._C._TorchDispatchModeKey.FAKE
        return torch._C._get_dispatch_mode(key), torch._C._is_torch_function_enabled()

    tensor = torch.ones(3).as_subclass(Own)
    def work():
        interop.device_of(tensor)

    with FakeTensorMode():
        report(work, state)
    """
    assert run(REPORT, FRAMEWORKS, code) == NOTHING_CHANGED


def test_cast_interrupted_anywhere_keeps_the_error_state_of_numpy() -> None:
    code = """
    array = np.ones(3)

    def work():
        interop.to_numpy(array, dtype="float32")

    np.seterr(over="raise")
    report(work, np.geterr)
    """
    assert run(REPORT, FRAMEWORKS, code) == NOTHING_CHANGED


# -- what is kept between calls --------------------------------------------------------------------


def test_first_conversion_interrupted_anywhere_leaves_the_next_ones_fast() -> None:
    """An interrupt while the fast path is filled or emptied is repaired by the next conversion."""
    code = """
    tensor = torch.ones(3)

    def frames():
        interop.to_numpy(tensor)
        names = []
        sys.setprofile(lambda frame, event, _: names.append(frame.f_code.co_name))
        interop.to_numpy(tensor)
        sys.setprofile(None)
        return names

    def work():
        fastpath.clear()
        interop.to_numpy(tensor)

    report(work, frames)
    """
    assert run(REPORT, FRAMEWORKS, code) == NOTHING_CHANGED


def test_register_interrupted_anywhere_registers_or_does_not() -> None:
    code = """
    from interop._identify import registry

    class Adapter(interop.adapter.Adapter):
        name, array_type = "own", type("Own", (), {})

    interop.register(Adapter())
    tensor = torch.ones(3)

    def state():
        own = registry.adapter_named("own")
        found = registry.adapter_of(Adapter.array_type)
        interop.to_numpy(tensor)
        return found is own, fastpath.TABLE["numpy"].keys(), fastpath.TABLE["torch"].keys()

    report(lambda: interop.register(Adapter()), state)
    """
    assert run(REPORT, FRAMEWORKS, code) == NOTHING_CHANGED
