"""Pickles of functions that were decorated by a call, found through the original function."""

import copy
import functools
import inspect
import pickle
import sys
from collections.abc import AsyncGenerator, Generator
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch

import interop
from interop import implemented_in

pytestmark = pytest.mark.requires("torch")
TENSOR = torch.arange(4.0)


def again(x: Any) -> Any:
    return pickle.loads(pickle.dumps(x))  # noqa: S301 - our own


class Scale:
    def __init__(self, factor: int) -> None:
        self.factor = factor

    def times(self, x: Any) -> Any:
        assert type(x) is np.ndarray
        return x * self.factor

    def __call__(self, x: Any) -> Any:
        return self.times(x)


def add(x: Any, y: Any = 1) -> Any:
    assert type(x) is np.ndarray
    return x + y


def steps(x: Any) -> Generator[Any]:
    yield x * 2


async def later(x: Any) -> Any:
    return x * 2


async def steps_later(x: Any) -> AsyncGenerator[Any]:
    yield x * 2


CALLABLES = {
    "function": add,
    "ufunc": np.negative,
    "function in C": np.dot,
    "function of another library": np.linalg.norm,
    "partial": functools.partial(add, y=2),
    "bound method": Scale(3).times,
    "object": Scale(4),
    "class's function": Scale.times,
}


@pytest.mark.parametrize("function", CALLABLES.values(), ids=CALLABLES)
def test_pickle_function_decorated_by_a_call_behaves_as_before(function: Any) -> None:
    decorated: Any = implemented_in("numpy")(function)
    arguments: list[Any] = [TENSOR, TENSOR] if function is np.dot else [TENSOR]
    if function is Scale.times:
        arguments = [Scale(5), TENSOR]
    for loaded in (again(decorated), again(again(decorated))):
        result = loaded(*arguments)
        assert type(result) is torch.Tensor
        assert result.tolist() == decorated(*arguments).tolist()
        assert loaded.__wrapped__ is not loaded


def test_pickle_function_decorated_by_a_call_keeps_the_settings() -> None:
    decorated: Any = implemented_in(
        np,
        returns=torch,
        only=iter(["x"]),
        dtype=torch.float16,
        casting="unsafe",
        copy=True,
        detach=True,
    )(add)
    result = again(decorated)(np.ones(3), y=np.ones(3))
    assert (type(result), result.dtype) == (torch.Tensor, torch.float64)
    weight = torch.ones(3, requires_grad=True)
    assert again(decorated)(weight).dtype == torch.float16


def test_pickle_decorated_function_keeps_a_namespace_given_as_returns() -> None:
    strict = pytest.importorskip("array_api_strict")
    decorated: Any = implemented_in("numpy", returns=strict)(add)
    assert type(again(decorated)(TENSOR)) is type(strict.ones(1))


def test_pickle_function_decorated_with_array_api_still_gets_xp() -> None:
    decorated: Any = implemented_in("array_api")(norm)
    assert again(decorated)(TENSOR).tolist() == 6


def norm(x: Any, *, xp: Any = None) -> Any:
    return xp.sum(x)


def double(x: Any) -> Any:
    return x * 2


original = double
double = implemented_in("numpy")(double)


def test_pickle_wrapper_bound_to_the_function_name_returns_the_wrapper() -> None:
    assert again(double) is double
    assert double(TENSOR).tolist() == [0, 2, 4, 6]


@implemented_in("numpy")
def below(x: Any) -> Any:
    return x


@implemented_in("numpy")
@functools.lru_cache
def cached(x: Any) -> Any:
    return x


def test_pickle_function_decorated_at_the_definition_returns_the_same_object() -> None:
    assert again(below) is below
    assert again(cached) is cached
    assert inspect.isfunction(below)


def test_pickle_same_wrapper_twice_stays_one_object() -> None:
    decorated: Any = implemented_in("numpy")(add)
    a, b = again([decorated, decorated])
    assert a is b


def test_pickle_decorated_local_function_is_refused() -> None:
    def local(x: Any) -> Any:
        return x

    with pytest.raises((AttributeError, pickle.PicklingError), match="local"):
        pickle.dumps(implemented_in("numpy")(local))


# Introspection of decorated functions


def test_copy_of_a_function_decorated_by_a_call_returns_the_same_object() -> None:
    decorated: Any = implemented_in("numpy")(add)
    assert copy.copy(decorated) is copy.deepcopy([decorated])[0] is decorated


def test_inspect_function_decorated_by_a_call_shows_the_original_function() -> None:
    decorated: Any = implemented_in("numpy")(add)
    assert str(inspect.signature(decorated)) == "(x: Any, y: Any = 1) -> Any"
    assert inspect.unwrap(decorated) is decorated.__wrapped__ is add
    # In Python 3.13, `inspect` makes an exception of functools.partial, the base class here.
    assert inspect.isroutine(decorated) or sys.version_info[:2] == (3, 13)
    assert (decorated.__name__, decorated.__module__, decorated.__doc__) == (
        "add",
        __name__,
        add.__doc__,
    )
    assert repr(decorated) == f"<decorated function {__name__}.add>"


def test_inspect_function_decorated_by_a_call_keeps_the_kind() -> None:
    kinds: dict[Any, Any] = {
        steps: inspect.isgeneratorfunction,
        later: inspect.iscoroutinefunction,
        steps_later: inspect.isasyncgenfunction,
    }
    for function, is_kind in kinds.items():
        for decorated in (
            implemented_in("numpy")(function),
            again(implemented_in("numpy")(function)),
        ):
            assert is_kind(decorated)
            assert not any(other(decorated) for other in kinds.values() if other is not is_kind)
    assert type(next(again(implemented_in("numpy")(steps))(TENSOR))) is torch.Tensor


def test_implemented_in_function_decorated_by_a_call_binds_as_a_method() -> None:
    class Doubled:
        factor = 3
        times: Any = implemented_in("numpy")(Scale.times)
        static = staticmethod(implemented_in("numpy")(add))

    assert Doubled().times(TENSOR).tolist() == [0, 3, 6, 9]
    assert Doubled.times.__wrapped__ is Scale.times
    assert Doubled().static(TENSOR).tolist() == [1, 2, 3, 4]


def test_pickle_dict_with_a_function_decorated_by_a_call_restores_the_function() -> None:
    loaded = again({"transform": implemented_in("numpy")(add), "n": 1})
    assert loaded["transform"](TENSOR).tolist() == [1, 2, 3, 4]


def test_pickle_function_decorated_twice_can_be_called() -> None:
    outer: Any = implemented_in("torch")(implemented_in("numpy")(add))
    assert type(again(outer)(np.ones(2))) is np.ndarray


def test_implemented_in_function_of_a_missing_module_can_be_called() -> None:
    module = ModuleType("gone")
    exec("def f(x): return x", vars(module))  # noqa: S102 - our own
    assert implemented_in("numpy")(module.f)(TENSOR) is not None
    assert interop.framework_of(implemented_in("numpy")(module.f)(TENSOR)) == "torch"
