"""The stream conformance suite detects adapters that miss a wait or change the current device."""

from typing import Any

import pytest

import test_conformance
from interop._identify import registry
from interop.adapter import Device, Lease, Stream
from interop.adapter.streams import LEGACY

pytestmark = pytest.mark.requires("torch", "cupy", "simcuda")

BASES = {"torch": test_conformance.TestTorchStreams, "cupy": test_conformance.TestCuPyStreams}


@pytest.fixture(autouse=True)
def _lazy_schedule() -> None:
    import simcuda

    simcuda.schedule("lazy")


def broken_suite(framework: str, **verbs: Any) -> test_conformance.StreamSuite:
    """Return the suite of a framework, for an adapter in which these verbs are replaced."""
    correct: Any = registry.find(framework)
    mutant = type("Mutant", (type(correct),), verbs)()
    return type("Suite", (BASES[framework],), {"adapter": mutant})()


def failing(suite: test_conformance.StreamSuite) -> set[str]:
    """Return the names of the tests without parameters that fail."""
    names = [name for name in dir(suite) if name.startswith("test_")]
    return {name for name in names if fails(getattr(suite, name))}


def fails(test: Any) -> bool:
    if hasattr(test, "pytestmark"):
        return False
    try:
        test()
    except pytest.skip.Exception:
        return False
    except AssertionError:
        return True
    return False


def current(index: int) -> Any:
    import cupy

    return cupy.cuda.runtime.setDevice(index)


def no_wait(self: Any, earlier: Stream, later: Stream, device: Device, /) -> None:
    pass


def no_lease(self: Any, x: Any, stream: Stream | None, /) -> Any:
    device = self.device_of(x)
    stream = stream or Stream(LEGACY)
    self.wait_stream(self.current_stream(device), stream, device)
    return self.exporter(x, None)


def leaves_device(self: Any, x: Any, lease: Lease | None, /) -> Any:
    current(self.device_of(x).id)
    parent: Any = super(type(self), self)
    return parent.exporter(x, lease)


@pytest.mark.parametrize("framework", BASES)
def test_suite_passes_the_correct_adapter(framework: str) -> None:
    assert failing(BASES[framework]()) == set()


@pytest.mark.parametrize("framework", BASES)
def test_suite_without_wait_fails(framework: str) -> None:
    assert failing(broken_suite(framework, wait_stream=no_wait)) >= {
        "test_wait_stream_orders_two_streams",
        "test_export_waits_for_the_producers_stream",
    }


@pytest.mark.parametrize("framework", BASES)
def test_suite_without_lease_fails(framework: str) -> None:
    assert failing(broken_suite(framework, export=no_lease)) == {
        "test_export_leases_memory_until_the_consumer_has_read"
    }


@pytest.mark.parametrize("framework", BASES)
def test_suite_with_another_device_left_current_fails(framework: str) -> None:
    try:
        assert failing(broken_suite(framework, exporter=leaves_device)) == {
            "test_every_verb_restores_the_current_device"
        }
    finally:
        current(0)
