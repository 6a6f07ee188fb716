"""Arrays stay alive exactly as long as needed, also when a conversion fails."""

import gc
import sys
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

import foreign
import interop

pytestmark = pytest.mark.requires("torch")


def ndarray() -> Any:
    return np.ones((2, 3))


def tensor() -> Any:
    return torch.ones(2, 3)


Call = tuple[Callable[[], Any], Callable[[Any], object]]
SUCCESSES: list[Call] = [
    (ndarray, interop.to_torch),
    (tensor, interop.to_numpy),
    (ndarray, lambda x: interop.to_numpy(interop.to_torch(x))),
    (ndarray, lambda x: interop.to_torch(x, copy=True)),
    (tensor, lambda x: interop.to_numpy(x, dtype="float64")),
    (ndarray, lambda x: interop.to_torch(x[::-1])),
    (tensor, lambda x: interop.to_numpy(x.expand(4, 2, 3))),
    (ndarray, lambda x: interop.to_torch(foreign.DLPack(x))),
    (ndarray, lambda x: interop.to_torch(foreign.Array(x))),
    (tensor, lambda x: interop.to_numpy(foreign.OldDLPack(x))),
    (ndarray, lambda x: interop.explain(x, "torch")),
    (tensor, lambda x: interop.shares_memory(x, x.numpy())),
]
FAILURES: list[Call] = [
    (ndarray, lambda x: interop.to_torch(x[::-1], copy=False)),
    (tensor, lambda x: interop.to_numpy(x.requires_grad_())),
    (ndarray, lambda x: interop.to_torch(x, device="cuba")),
    (ndarray, lambda x: interop.convert(x, "nunpy")),
    (ndarray, lambda x: interop.to_torch(x.astype("M8[s]"))),
    (tensor, lambda x: interop.to_numpy(x.to_sparse())),
    (ndarray, lambda x: interop.to_torch([x])),
    (tensor, lambda x: interop.to_numpy(foreign.DLPack(x.bfloat16()))),
]


def attempt(call: Callable[[Any], object], x: Any) -> bool:
    try:
        call(x)
    except interop.InteropError:
        return False
    return True


@pytest.mark.slow
@pytest.mark.parametrize("case", SUCCESSES + FAILURES)
def test_convert_success_or_failure_releases_all_references(case: Call) -> None:
    make, call = case
    x = make()
    attempt(call, x)  # fills the caches of the class
    gc.collect()
    before = sys.getrefcount(x), sys.getrefcount(x.dtype)
    for _ in range(100):
        assert attempt(call, x) == (case in SUCCESSES)
    gc.collect()
    after = sys.getrefcount(x), sys.getrefcount(x.dtype)
    assert after[0] == before[0]
    assert abs(after[1] - before[1]) < 50  # shared by all arrays of the process


@pytest.mark.parametrize("case", SUCCESSES)
def test_convert_source_is_freed_with_its_result(case: Call) -> None:
    make, call = case
    x = make()
    source = weakref.ref(x)
    result = call(x)
    del x, result
    gc.collect()
    assert source() is None


def test_convert_result_keeps_the_memory_of_a_deleted_source() -> None:
    tensor = interop.to_torch(np.arange(1000.0))
    array = interop.to_numpy(torch.arange(1000.0))
    gc.collect()
    noise = [np.full(1000, np.nan) for _ in range(100)]  # reuses memory that was freed too early
    assert tensor.sum() == array.sum() == 499_500
    assert len(noise) == 100


def test_convert_source_classes_are_garbage_collected() -> None:
    def converted() -> weakref.WeakSet[type]:
        class Passing(np.ndarray[Any, Any]):
            pass

        class Speaker(foreign.DLPack):
            pass

        interop.to_torch(np.ones(3).view(Passing))
        interop.to_torch(Speaker(np.ones(3)))
        return weakref.WeakSet([Passing, Speaker])

    classes = converted()
    gc.collect()
    assert not list(classes)
