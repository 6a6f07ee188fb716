"""Registrations are complete or do nothing, also while other threads convert."""

import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from textwrap import dedent
from threading import Event
from types import ModuleType
from typing import Any, Final

import numpy as np
import pytest
import torch

import interop
from child import run_child
from interop._engine import fastpath, plan_cache
from interop._identify import namespaces, plugins, registration, registry
from interop.adapter import CPU, Adapter, Facts, FastPath
from registering import registered
from test_plugin import install

pytestmark = pytest.mark.requires("torch")

WAIT: Final = 60


class Row:
    """An array without a protocol. Its only dtype is float64."""


class Held:
    """A place at which one thread waits, until the test lets it go on."""

    def __init__(self) -> None:
        self.reached = Event()
        self.released = Event()

    def pass_through(self) -> None:
        if not self.reached.is_set():
            self.reached.set()
            assert self.released.wait(WAIT)


def row_adapter(value: float, **methods: Callable[..., Any]) -> Adapter:
    """Return an adapter by which each row has three equal values, as after a reload of its module."""

    class RowAdapter(Adapter):
        name, array_type = "row", Row

        def describe(self, _: Any, /) -> Facts:
            return Facts("row", (3,), "float64", CPU, (8,), 24)

        def resolve_device(self, _: Any, /) -> Any:
            return CPU

        def why_no_dtype(self, _: str, /) -> str | None:
            return None

        def fingerprint(self, _: Any, /) -> Any:
            return "row"

        def export_host(self, _: Any, /) -> Any:
            return np.full(3, value)

        def fast_export_host(self) -> FastPath:
            return FastPath(lambda _: True, self.export_host, self.export_host)

    for name, method in methods.items():
        setattr(RowAdapter, name, method)
    return RowAdapter()


@pytest.fixture(autouse=True)
def _registry_as_it_was() -> Iterator[None]:
    with registered():
        yield


@pytest.fixture
def thread() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(2) as pool:
        yield pool


# -- errors ----------------------------------------------------------------------------------------


def fail(*_: Any) -> Any:
    msg = "not now"
    raise RuntimeError(msg)


BROKEN: Final[dict[str, dict[str, Any]]] = {
    "its class of arrays is a number": {"array_type": 3},
    "it has no class of arrays": {"array_type": property(lambda _: Row.no_such_name)},  # type: ignore[attr-defined]
    "its class of arrays raises": {"array_type": property(fail)},
    "its name is a number": {"name": 3},
    "its name raises": {"name": property(fail)},
}


@pytest.mark.parametrize("broken", BROKEN.values(), ids=BROKEN)
def test_register_broken_adapter_changes_nothing(broken: dict[str, Any]) -> None:
    before = registration.tables
    with pytest.raises((interop.InvalidOptionError, RuntimeError)):
        interop.register(row_adapter(1, **broken))
    assert registration.tables is before
    interop.register(row_adapter(1))
    assert interop.to_numpy(Row()).tolist() == [1, 1, 1]


def test_register_adapter_without_class_says_what_is_missing() -> None:
    with pytest.raises(interop.InvalidOptionError) as caught:
        interop.register(row_adapter(1, array_type=[Row]))  # type: ignore[arg-type]
    assert "RowAdapter.array_type must be a class, got [<class" in str(caught.value)


def test_register_with_a_failing_listener_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    for index in (0, len(registration.on_change)):  # before all others, and after them
        listeners = [*registration.on_change[:index], fail, *registration.on_change[index:]]
        with monkeypatch.context() as patch:
            patch.setattr(registration, "on_change", listeners)
            with pytest.raises(RuntimeError, match="not now"):
                interop.register(row_adapter(1))
        assert "row" not in registration.known_names()
        with pytest.raises(interop.NotAnArrayError):
            interop.to_numpy(Row())
        assert interop.to_torch(np.arange(3)).tolist() == [0, 1, 2]


# -- threads that have looked up the adapter before the registration -------------------------------


def test_register_while_a_class_is_looked_up_is_not_forgotten(
    thread: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    held, find = Held(), registration.framework_of_class

    def find_slowly(cls: type) -> Any:
        name = find(cls)
        held.pass_through()
        return name

    monkeypatch.setattr(registration, "framework_of_class", find_slowly)
    looked_up = thread.submit(registry.adapter_of, Row)
    assert held.reached.wait(WAIT)
    interop.register(row_adapter(1))
    held.released.set()
    assert looked_up.result(WAIT) is None
    assert interop.framework_of(Row()) == "row"
    assert interop.to_numpy(Row()).tolist() == [1, 1, 1]


@pytest.mark.parametrize("method", ["describe", "fast_export_host", "export_host", "fingerprint"])
@pytest.mark.parametrize("keywords", [{}, {"readonly": "share"}], ids=str)
def test_register_while_the_old_adapter_works_caches_nothing_of_it(
    thread: ThreadPoolExecutor, method: str, keywords: dict[str, Any]
) -> None:
    held, old = Held(), row_adapter(1)
    unhurried = getattr(old, method)

    def slow(_: Adapter, *arguments: Any) -> Any:
        result = unhurried(*arguments)
        held.pass_through()
        return result

    slow_adapter = row_adapter(1, **{method: slow})
    interop.register(slow_adapter)
    # A plan is stored only for a class whose fingerprints are known.
    if method == "fingerprint" or (keywords and method == "export_host"):
        held.reached.set()
        interop.to_numpy(Row(), **keywords)
        held.reached.clear()
        plan_cache.CALLS.clear()
    converted = thread.submit(interop.to_numpy, Row(), **keywords)
    if not held.reached.wait(2):  # the fast path has no need of the method
        assert (method, keywords) == ("fingerprint", {})
        return
    interop.register(row_adapter(2))
    assert interop.to_numpy(Row(), **keywords).tolist() == [2, 2, 2]  # fills the caches
    held.released.set()
    assert converted.result(WAIT).tolist() in ([1, 1, 1], [2, 2, 2])
    for _ in range(3):
        assert interop.to_numpy(Row(), **keywords).tolist() == [2, 2, 2]


def test_register_before_the_native_calls_are_stored_stores_nothing_of_the_old_adapter(
    thread: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    held, find = Held(), registry.adapter_of
    interop.register(row_adapter(1))

    def register_slowly() -> None:
        adapters = registry.adapter_named("row"), registry.adapter_named("numpy")
        fastpath.register(*adapters, "numpy", registration.tables)

    def find_slowly(cls: type) -> Any:
        adapter = find(cls)
        held.pass_through()
        return adapter

    with monkeypatch.context() as patch:
        patch.setattr(registry, "adapter_of", find_slowly)
        stored = thread.submit(register_slowly)
        assert held.reached.wait(WAIT)
    interop.register(row_adapter(2))
    held.released.set()
    stored.result(WAIT)
    assert interop.to_numpy(Row()).tolist() == [2, 2, 2]


def test_register_adapter_of_a_plain_subclass_keeps_the_subclass() -> None:
    class Weights(Adapter):
        name, array_type = "weights", torch.nn.Parameter

        def describe(self, _: Any, /) -> Facts:
            return Facts("weights", (3,), "float64", CPU, (8,), 24)

        def export_host(self, _: Any, /) -> Any:
            return np.full(3, 7.0)

    interop.register(Weights())
    assert interop.to_numpy(torch.zeros(3)).tolist() == [0, 0, 0]  # torch's own classes are entered
    weight = torch.nn.Parameter(torch.zeros(3), requires_grad=False)
    assert interop.to_numpy(weight).tolist() == [7, 7, 7]


# -- adapters that are made or imported by several threads -----------------------------------------


def test_load_in_two_threads_gives_one_adapter(thread: ThreadPoolExecutor) -> None:
    for name in ("numpy", "torch"):
        registration._shipped.pop(name, None)
        first, second = thread.map(registration.load, [name, name])
        assert first is second is registration.load(name)
    fastpath.clear()


def test_namespace_tried_by_two_threads_has_one_adapter(
    thread: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = ModuleType("made_on_the_fly")
    module.from_dlpack = np.from_dlpack  # type: ignore[attr-defined]
    made = sys.modules["interop.adapters.namespace.adapter"] if namespaces.find(np) else None
    assert made is not None
    held, make = Held(), made.make_adapter

    def make_slowly(namespace: ModuleType) -> Any:
        adapter = make(namespace)
        held.pass_through()
        return adapter

    monkeypatch.setattr(made, "make_adapter", make_slowly)
    slow = thread.submit(namespaces.find, module)
    assert held.reached.wait(WAIT)
    fast = namespaces.find(module)
    held.released.set()
    assert slow.result(WAIT) is fast is namespaces.find(module)


def test_plugin_loaded_by_two_threads_has_one_adapter(
    thread: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = Held()

    def load_slowly(_: str) -> Adapter:
        adapter = row_adapter(1)  # each load makes an adapter
        held.pass_through()
        return adapter

    monkeypatch.setattr(plugins, "names", lambda: {"row"})
    monkeypatch.setattr(plugins, "load", load_slowly)
    slow = thread.submit(registration.load, "row")
    assert held.reached.wait(WAIT)
    fast = registration.load("row")
    held.released.set()
    assert slow.result(WAIT) is fast is registration.load("row")


def test_class_that_a_loaded_plugin_does_not_know_is_looked_up_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Other:
        pass

    loads = []

    def load(name: str) -> Adapter:
        loads.append(name)
        return row_adapter(1)

    monkeypatch.setattr(Other, "__module__", "row.others")
    monkeypatch.setattr(plugins, "names", lambda: {"row"})
    monkeypatch.setattr(plugins, "load", load)
    for _ in range(3):
        assert registry.adapter_of(Other) is None
    tables = registration.tables
    assert loads == ["row"]
    assert registry.adapter_of(Other) is None
    assert registration.tables is tables
    assert len(registry._classes) > 0


@pytest.mark.parametrize("compiled", ["0", "1"])
def test_register_inside_the_import_of_an_adapter_converts(
    compiled: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("INTEROP_COMPILED", compiled)
    (tmp_path / "beads.py").write_text(
        dedent("""
        import abacus, interop
        import numpy as np

        class Beads(abacus.Abacus):
            pass

        class BeadsAdapter(abacus.AbacusAdapter):
            name, array_type = "beads", Beads

            def adopt(self, source, stream, /):
                return Beads(np.from_dlpack(source))

        adapter = BeadsAdapter()
        interop.register(adapter)
        # The registration is complete, also before the import that it is a part of.
        assert interop.to_numpy(Beads(np.arange(3))).tolist() == [0, 1, 2]
    """)
    )
    install(tmp_path, "interop-beads", "beads", "beads:adapter")
    run_child(
        """
        import threading
        import numpy as np, interop

        made = []
        def convert():
            made.append(interop.convert(np.arange(3), "beads"))

        threads = [threading.Thread(target=convert) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        from beads import adapter
        from interop._identify import registration
        assert registration.load("beads") is adapter
        assert [interop.framework_of(x) for x in made] == ["beads"] * 4
        assert interop.to_numpy(made[0]).tolist() == [0, 1, 2]
        """,
        path=tmp_path,
    )
