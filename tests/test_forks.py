"""Forks while other threads convert: a child inherits a free lock and complete tables."""

import ast
import os
from pathlib import Path
from textwrap import dedent

import pytest

from child import run_child

pytestmark = [
    pytest.mark.requires("torch"),
    pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork"),
]

REPOSITORY = Path(__file__).resolve().parents[1]
# A child that hangs writes its stack and fails, because `run_child` expects no output to stderr.
START = dedent("""
    import contextlib, faulthandler, os, random, signal, sys, threading, time, warnings
    # Not `dump_traceback_later`: a child waits for ever for the timer of its parent.
    faulthandler.register(signal.SIGALRM, chain=True)
    signal.alarm(250)
    warnings.filterwarnings("ignore", message=".*fork", category=DeprecationWarning)
    import numpy as np, torch, interop

    # The first operations of torch hold locks of torch, which no fork waits for.
    assert torch.from_numpy(np.arange(3)).to(torch.float32).numpy().tolist() == [0, 1, 2]
    assert torch.from_dlpack(np.arange(3)).tolist() == torch.arange(3).tolist()

    def convert():
        assert interop.to_torch(np.arange(3)).tolist() == [0, 1, 2]
        assert interop.to_numpy(torch.arange(3), dtype="float32").tolist() == [0, 1, 2]

    def plan():
        shape = (1, 2, random.randrange(10**6))
        assert interop.to_torch(np.empty(shape)[::-1]).shape == shape

    def watch():
        with interop.watch() as seen:
            interop.to_torch(np.arange(3))
        assert len(seen) >= 1

    class Row:
        pass

    def register():
        from interop.adapter import Adapter
        cls = type("RowAdapter", (Adapter,), {"name": "row", "array_type": Row})
        interop.register(cls())

    def everything():
        for work in (convert, plan, watch, register, convert):
            work()

    def fork(work=everything):
        "Run a function in a child process, and return whether the child did not fail or hang."
        child = os.fork()
        if child:
            return os.waitpid(child, 0)[1] == 0
        signal.alarm(30)
        status = 1
        try:
            work()
            status = 0
        finally:
            sys.stderr.flush()
            os._exit(status)

    @contextlib.contextmanager
    def working(work):
        "Call a function again and again in another thread, inside the block."
        def run():
            while not ended.is_set():
                work()

        ended = threading.Event()
        thread = threading.Thread(target=run)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()
""")


def run(code: str) -> str:
    return run_child(START + dedent(code))


@pytest.mark.parametrize("work", ["convert", "plan", "watch", "register", "everything"])
def test_fork_while_another_thread_works_leaves_a_child_that_converts(work: str) -> None:
    run(f"""
        sys.setswitchinterval(1e-4)
        with working({work}):
            assert [fork() for _ in range(40)] == [True] * 40
    """)


def test_fork_while_another_thread_holds_the_lock_waits_for_it() -> None:
    run("""
        from interop._lock import LOCK
        held, ended = threading.Event(), threading.Event()

        def hold():
            with LOCK:
                held.set()
                time.sleep(0.5)
                ended.set()

        threading.Thread(target=hold).start()
        held.wait()

        def check():
            assert ended.is_set()
            everything()

        assert fork(check)
    """)


def test_fork_that_does_not_get_the_lock_in_time_gives_the_child_a_free_one() -> None:
    run("""
        from interop import _lock

        _lock._PATIENCE = 0.2
        held, ended = threading.Event(), threading.Event()

        def hold():
            with _lock.LOCK:
                held.set()
                ended.wait()

        thread = threading.Thread(target=hold)
        thread.start()
        held.wait()
        assert fork(everything)
        assert not _lock.LOCK.acquire(blocking=False)  # it is still the other thread's
        ended.set()
        thread.join()
        everything()
    """)


def test_fork_during_a_registration_gives_the_child_complete_tables() -> None:
    run("""
        from interop._identify import registration

        inside = threading.Event()

        def pause():
            inside.set()
            time.sleep(0.5)

        registration.on_change.append(pause)
        threading.Thread(target=register).start()
        inside.wait()

        def check():
            assert interop.framework_of(Row()) == "row"
            assert any(info.name == "row" for info in interop.frameworks())

        assert fork(check)
    """)


def test_fork_while_another_thread_watches_closes_that_watch_in_the_child() -> None:
    run("""
        from interop._engine import events, fastpath

        watching, ended = threading.Event(), threading.Event()

        def hold():
            with interop.watch() as seen:
                theirs.append(seen)
                watching.set()
                ended.wait()

        def check():
            convert()
            assert events.watches == [mine]
            assert (len(mine), len(theirs[0])) == (2, 0)

        def check_alone():
            convert()
            assert not events.watches and not len(theirs[0])
            assert np.ndarray in fastpath.TABLE["torch"]

        theirs = []
        thread = threading.Thread(target=hold)
        thread.start()
        watching.wait()
        with interop.watch() as mine:
            assert fork(check)
        assert fork(check_alone)
        convert()
        ended.set()
        thread.join()
        assert len(theirs[0]) == 2
    """)


@pytest.mark.parametrize("module", ["interop._api", "interop.adapters.torch.adapter"])
def test_fork_during_the_first_conversion_waits_for_imports(module: str) -> None:
    run(f"""
        importing = threading.Event()

        class Slow:
            "Delays an import, as a large module does."

            def find_spec(self, name, path=None, target=None):
                if name == "{module}":
                    importing.set()
                    time.sleep(0.5)

        sys.meta_path.insert(0, Slow())
        threading.Thread(target=convert).start()
        importing.wait()
        assert fork(convert)
    """)


def test_fork_under_the_lock_leaves_the_lock_as_it_was() -> None:
    run("""
        from interop._lock import LOCK

        def is_free():
            found = []
            thread = threading.Thread(target=lambda: found.append(LOCK.acquire(blocking=False)))
            thread.start()
            thread.join()
            return found == [True]

        def check():
            assert not is_free()
            LOCK.release()

        with LOCK:
            assert fork(check)
            assert not is_free()
    """)


def test_dataloader_workers_that_convert_finish_while_the_parent_converts() -> None:
    run("""
        from torch.utils.data import DataLoader

        class Rows:
            def __len__(self):
                return 8

            def __getitem__(self, i):
                everything()
                return interop.to_torch(np.full(4, i))

        if __name__ == "__main__":
            with working(everything):
                for _ in range(8):
                    loader = DataLoader(
                        Rows(), num_workers=2, multiprocessing_context="fork", timeout=60
                    )
                    assert [int(rows[0, 0]) for rows in loader] == list(range(8))
    """)


def test_interop_has_one_lock() -> None:
    # A second lock would be inherited locked, or would be taken in another order in some thread.
    def imports(path: Path) -> set[str]:
        found = set()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                found |= {name.name for name in node.names}
            elif isinstance(node, ast.ImportFrom):
                found.add(node.module or "")
        return found

    modules = {"threading", "_thread", "multiprocessing", "queue", "concurrent.futures"}
    paths = [
        path for folder in ("interop", "adapters") for path in (REPOSITORY / folder).rglob("*.py")
    ]
    assert [path.name for path in paths if imports(path) & modules] == ["_lock.py"]
