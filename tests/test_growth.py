"""What interop remembers has a bound, or keeps nothing alive."""

import gc
from collections.abc import Callable, Iterator
from contextlib import suppress
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


TEMPORARY: Final[list[Callable[[], Any]]] = [
    framework_by_name,
    namespace,
    refused_module,
    array_class,
    container_class,
    producer_class,
    decorated_function,
]


@pytest.mark.parametrize("make", TEMPORARY)
def test_convert_with_temporary_objects_keeps_few_of_them(make: Callable[[], Any]) -> None:
    count = 300 if make is namespace else MANY
    alive = [ref(make()) for _ in range(count)]
    gc.collect()
    assert sum(one() is not None for one in alive) <= min(ALIVE, count // 2)


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
