"""What interop remembers has a bound, or keeps nothing alive."""

import gc
import mmap
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from types import ModuleType
from typing import Any, Final
from weakref import ref

import numpy as np
import pytest
import torch

import interop
from interop._engine import fastpath, plan_cache
from interop._identify import namespaces

pytestmark = pytest.mark.requires("torch")

MANY: Final = 3000
ALIVE: Final = 700
"""The most temporary objects that all tables together may hold."""


@pytest.fixture(autouse=True)
def _afresh() -> Iterator[None]:
    fastpath.clear()
    yield
    fastpath.clear()
    namespaces._adapters.clear()


def framework_by_name() -> Any:
    """Return a new module with the name of a framework."""
    module = ModuleType("torch")
    interop.convert(np.arange(3), module)
    return module


def namespace() -> Any:
    module = ModuleType("made_up")
    module.from_dlpack = np.from_dlpack  # type: ignore[attr-defined]
    module.asarray = np.asarray  # type: ignore[attr-defined]
    interop.convert(torch.arange(3), module)
    return module


def refused_module() -> Any:
    module = ModuleType("no_arrays")
    with suppress(interop.UnknownFrameworkError):
        interop.convert(np.arange(3), module)
    return module


def array_class() -> Any:
    cls = type("Temporary", (np.ndarray,), {})
    interop.to_torch(np.arange(3).view(cls))
    with suppress(interop.UnknownFrameworkError):
        interop.convert(np.arange(3), cls)
    return cls


def container_class() -> Any:
    cls = type("Container", (dict,), {})
    interop.convert_tree(cls(x=np.arange(3)), "torch")
    return cls


def producer_class() -> Any:
    def export(_: Any, **keywords: Any) -> Any:
        return np.arange(3).__dlpack__(**keywords)

    members = {"__dlpack__": export, "__dlpack_device__": lambda _: (1, 0)}
    cls = type("Producer", (), members)
    interop.to_torch(cls())
    return cls


def decorated_function() -> Any:
    def function(x: Any) -> Any:
        return x

    interop.implemented_in("torch")(function)(np.arange(3))
    return function


def decorated_method() -> Any:
    class Owner:
        @interop.implemented_in("torch")
        def method(self, x: Any) -> Any:
            return x

    Owner().method(np.arange(3))
    return Owner


def decorated_function_with_namespace() -> Any:
    def function(x: Any, *, xp: Any = None) -> Any:
        return xp.asarray(x)

    interop.implemented_in("array_api")(function)(np.arange(3))
    return function


def class_with_dtype() -> Any:
    cls = type("Spec", (), {"dtype": np.dtype("float32")})
    assert interop.to_numpy(np.arange(3), dtype=cls()).dtype == "float32"
    with suppress(interop.InteropError):
        interop.to_numpy(np.arange(3), dtype=cls)
    return cls


TEMPORARY: Final[list[Callable[[], Any]]] = [
    framework_by_name,
    namespace,
    refused_module,
    array_class,
    container_class,
    producer_class,
    decorated_function,
    decorated_method,
    decorated_function_with_namespace,
    class_with_dtype,
]


@pytest.mark.parametrize("make", TEMPORARY)
def test_convert_with_temporary_objects_keeps_few_of_them(make: Callable[[], Any]) -> None:
    count = 300 if make is namespace else MANY
    alive = [ref(make()) for _ in range(count)]
    gc.collect()
    assert sum(one() is not None for one in alive) <= min(ALIVE, count // 2)


def options_block(number: int) -> None:
    with interop.options(max_host_bytes=number, readonly="share"):
        interop.to_numpy(torch.ones(2), dtype="float64")


def unknown_name(number: int) -> None:
    with suppress(interop.UnknownFrameworkError):
        interop.convert(np.arange(3), f"framework{number}")
    with suppress(interop.UnknownFrameworkError):
        interop.implemented_in(f"framework{number}")


def wrong_keywords(number: int) -> None:
    x = np.arange(3)
    with suppress(interop.InteropError):
        interop.to_torch(x, device=f"cuda:{number + 99}")
    with suppress(interop.InteropError):
        interop.to_torch(x, dtype=f"float{number + 65}")


@pytest.mark.parametrize("call", [options_block, unknown_name, wrong_keywords])
def test_calls_with_ever_new_values_keep_few_objects(call: Callable[[int], None]) -> None:
    def count(numbers: range) -> int:
        for number in numbers:
            call(number)
        gc.collect()
        return len(gc.get_objects())

    before = count(range(10))
    # A plan has about ten objects, and the cache of plans is emptied when it is full.
    assert count(range(10, MANY)) - before < 15 * plan_cache._MAX_PLANS


@pytest.mark.skipif(sys.platform != "linux", reason="reads the size of the process from /proc")
def test_convert_to_20000_modules_keeps_the_memory_of_few() -> None:
    def used(count: int) -> tuple[int, int]:
        for _ in range(count):
            framework_by_name()
        gc.collect()
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
        return pages * mmap.PAGESIZE, len(gc.get_objects())

    size, objects = used(1000)
    new_size, new_objects = used(19_000)
    assert new_size - size < 5e6  # it was 20 MB
    assert new_objects - objects < 10 * ALIVE


def test_convert_with_ever_new_plans_caches_a_bounded_number() -> None:
    for size in range(1, MANY):
        interop.to_numpy(torch.ones(size)[::1], dtype="float64")
        interop.to_torch(np.ones((size, 2)).T[:, ::-1])
    assert len(plan_cache.CALLS) <= plan_cache._MAX_PLANS


def test_convert_to_new_modules_leaves_the_named_targets_fast() -> None:
    for _ in range(MANY):
        framework_by_name()
    interop.to_torch(np.arange(3))
    assert np.ndarray in fastpath.TABLE["torch"]
    assert len(fastpath.TABLE) <= fastpath._MAX_PAIRS + 5
