"""Names in pickles of decorated functions, which other versions of interop must find."""

import importlib
import inspect
import pickle
from typing import Any, Final

import numpy as np
import pytest

from interop import implemented_in
from interop._decorator import wire
from pickled import load

WIRE: Final = "interop._decorator.wire"


def dumps_by_value(function: Any) -> bytes:
    """Pickle a local function with its code, as Dask and joblib do."""
    cloudpickle: Any = importlib.import_module("cloudpickle")
    return bytes(cloudpickle.dumps(function))


def double(x: Any) -> Any:
    return x * 2


def test_pickle_function_decorated_by_a_call_names_wire_only() -> None:
    decorated: Any = implemented_in("numpy", only="x", detach=True)(double)
    loaded, names = load(pickle.dumps(decorated))
    assert names == {f"{WIRE}.decorate"}
    assert loaded(np.ones(1)) == 2


@pytest.mark.requires("cloudpickle")
def test_cloudpickle_local_function_names_wire_only() -> None:
    @implemented_in("numpy")
    def local(x: Any) -> Any:
        return x * 2

    loaded, names = load(dumps_by_value(local))
    assert names == {f"{WIRE}.make_boundary", f"{WIRE}.make_parameters"}
    assert loaded(np.ones(1)) == 2


@pytest.mark.requires("cloudpickle")
def test_cloudpickle_local_function_with_array_api_names_wire_only() -> None:
    @implemented_in("array_api")
    def local(x: Any, *, xp: Any = None) -> Any:
        return xp.sum(x)

    loaded, names = load(dumps_by_value(local))
    assert names == {f"{WIRE}.make_boundary", f"{WIRE}.make_parameters"}
    assert loaded(np.ones(3)) == 3


@pytest.mark.requires("cloudpickle")
@pytest.mark.parametrize("kind", ["generator", "coroutine", "async generator"])
def test_cloudpickle_local_function_of_another_kind_names_wire_only(kind: str) -> None:
    def generator(x: Any) -> Any:
        yield x

    async def coroutine(x: Any) -> Any:
        return x

    async def async_generator(x: Any) -> Any:
        yield x

    function = {
        "generator": generator,
        "coroutine": coroutine,
        "async generator": async_generator,
    }[kind]
    decorated: Any = implemented_in("numpy")(function)
    loaded, names = load(dumps_by_value(decorated))
    assert names == {f"{WIRE}.make_boundary", f"{WIRE}.make_parameters"}
    assert inspect.isgeneratorfunction(loaded) is (kind == "generator")


@pytest.mark.requires("cloudpickle", "dask")
def test_cloudpickle_function_per_block_names_wire_only() -> None:
    @implemented_in("numpy", per_block=True)
    def local(x: Any) -> Any:
        return x * 2

    loaded, names = load(dumps_by_value(local))
    assert names == {
        f"{WIRE}.make_block_mapper",
        f"{WIRE}.make_boundary",
        f"{WIRE}.make_parameters",
    }
    assert loaded(np.ones(1)) == 2


@pytest.mark.requires("dask")
def test_pickle_call_of_one_block_names_wire_only() -> None:
    from interop._decorator.per_block import BlockCall
    from interop._model.context import defaults

    decorated: Any = implemented_in("numpy", per_block=True)(double)
    call = BlockCall(decorated, (None,), {}, (0,), lazy="dask", request=defaults())
    loaded, names = load(pickle.dumps(call))
    assert names == {f"{WIRE}.make_block_call", f"{WIRE}.decorate"}
    assert loaded(np.ones(1)) == 2


def test_wire_functions_accept_the_arguments_of_today() -> None:
    """A change of these fails the loading of pickles that exist: add parameters with defaults."""
    settings: dict[str, Any] = {
        "framework": "numpy", "returns": "caller", "only": ["x"], "foreign": None,
        "per_block": False, "keywords": {},
    }  # fmt: skip
    decorated = wire.decorate(settings, double)
    known = dict(inspect.signature(double).parameters)
    parameters = wire.make_parameters("double", known, ["x"])
    wire.make_boundary(settings, parameters)
    wire.make_block_mapper(double, parameters)
    wire.make_block_call(decorated, (None,), {}, (0,), {"lazy": "dask", "request": {}})
