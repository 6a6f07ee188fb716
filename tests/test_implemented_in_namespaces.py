"""Arrays of namespaces without an adapter, in arguments and results of decorated functions."""

import types
from collections.abc import Generator
from typing import Any

import array_api_strict as strict
import numpy as np
import pytest
import torch

import interop
from interop import implemented_in

pytestmark = pytest.mark.requires("torch", "array_api_strict")
TENSOR = torch.arange(4.0)
STRICT = strict.arange(4.0)
STRICT_ARRAY = type(STRICT)


def add(x: Any, y: Any = 1) -> Any:
    return x + y


def first(x: Any, *_: Any) -> Any:
    return x


def seen(*args: Any, **kwargs: Any) -> Any:
    return [type(x) for x in (*args, *kwargs.values())]


@pytest.mark.parametrize(("body", "cls"), [("numpy", np.ndarray), ("torch", torch.Tensor)])
def test_implemented_in_namespace_array_is_converted_and_converted_back(
    body: str, cls: type
) -> None:
    same: Any = implemented_in(body)(first)
    assert type(same(STRICT)) is STRICT_ARRAY
    assert type(same([STRICT])[0]) is STRICT_ARRAY
    assert type(same({"x": (1, STRICT)})["x"][1]) is STRICT_ARRAY
    assert implemented_in(body, returns=None)(seen)(STRICT, [1], y=STRICT) == [cls, list, cls]
    inside: Any = implemented_in(body, returns=None)(lambda x: x[0])([STRICT])
    assert type(inside) is cls


def test_implemented_in_first_namespace_array_decides_the_result_framework() -> None:
    same = implemented_in("numpy")(lambda *args: args)
    assert {type(x) for x in same(STRICT, TENSOR)} == {STRICT_ARRAY}
    assert {type(x) for x in same(TENSOR, STRICT)} == {torch.Tensor}
    assert {type(x) for x in same(np.float64(1), STRICT)} == {STRICT_ARRAY}


@pytest.mark.requires("numpy-dlpack")
def test_implemented_in_namespace_array_shares_memory_both_ways() -> None:
    x = strict.arange(3.0)
    assert interop.shares_memory(implemented_in("torch")(lambda x: x)(x), x)


def test_implemented_in_result_returns_to_the_device_of_a_namespace_array() -> None:
    device = strict.Device("device1")
    x = strict.ones(3, device=device)
    for body in ("numpy", "torch"):
        result, total = implemented_in(body)(lambda x: (x + 1, x.sum()))(x)
        assert (result.device, total.device, total.shape) == (device, device, ())


def test_implemented_in_generator_converts_namespace_arrays() -> None:
    @implemented_in("numpy")
    def steps(x: Any) -> Generator[Any, Any]:
        assert type(x) is np.ndarray
        sent = yield x
        assert type(sent) is np.ndarray
        yield sent

    generator = steps(STRICT)
    assert type(next(generator)) is STRICT_ARRAY
    assert type(generator.send(STRICT)) is STRICT_ARRAY


def test_implemented_in_namespace_result_is_converted_for_the_caller() -> None:
    result: Any = implemented_in("numpy")(strict.asarray)(TENSOR)
    assert type(result) is torch.Tensor
    kept: Any = implemented_in("numpy", returns=None)(lambda _: STRICT)(TENSOR)
    assert kept is STRICT


@pytest.mark.parametrize("framework", ["array_api_strict", strict])
def test_implemented_in_accepts_a_namespace_without_an_adapter(framework: Any) -> None:
    @implemented_in(framework)
    def total(x: Any) -> Any:
        assert type(x) is STRICT_ARRAY
        return strict.sum(x), x

    for x in (TENSOR, TENSOR.numpy(), STRICT):
        result, same = total(x)
        assert type(result) is type(same) is type(x)
        assert float(result) == 6
    assert total(STRICT)[1] is STRICT


class Unmade:
    """An array of the standard whose class the namespace cannot create."""

    def __init__(self, values: Any) -> None:
        self.values = values
        self.shape, self.dtype = values.shape, values.dtype

    def __array__(self, dtype: object = None, copy: object = None) -> Any:
        return self.values.copy()

    def __array_namespace__(self, api_version: str | None = None) -> Any:
        return strict


class Broken(Unmade):
    def __array_namespace__(self, api_version: str | None = None) -> Any:
        raise ZeroDivisionError


class Odd(Unmade):
    def __array_namespace__(self, api_version: str | None = None) -> Any:
        return types.SimpleNamespace()


@pytest.mark.parametrize("cls", [Unmade, Broken, Odd])
def test_implemented_in_array_of_an_unusable_namespace_is_refused_by_default(cls: Any) -> None:
    x = cls(np.arange(3.0))
    with pytest.raises(
        interop.UnsupportedArrayError, match=f"{cls.__name__} can be converted, but no result"
    ) as caught:
        implemented_in("numpy")(add)([x])
    assert caught.value.__notes__ == ["in the arguments of add: at x[0]"]
    assert type(implemented_in("numpy", foreign=True)(add)(x)) is np.ndarray
    assert type(implemented_in("numpy", returns="torch")(add)(x)) is torch.Tensor
    assert type(implemented_in("numpy", foreign=True)(add)(x, TENSOR[:3])) is torch.Tensor
    assert implemented_in("numpy", foreign=False)(lambda x: x)(x) is x


def test_implemented_in_namespace_array_without_a_protocol_is_refused() -> None:
    class Symbol:
        def __array_namespace__(self) -> Any:
            return strict

    x = Symbol()
    for choice in (None, True):
        with pytest.raises(interop.NotAnArrayError, match="Symbol") as caught:
            implemented_in("numpy", foreign=choice)(add)(x)
        assert caught.value.__notes__ == ["in the arguments of add: at x"]
    assert implemented_in("numpy", foreign=False)(first)(x) is x


# The namespace of the arguments


@implemented_in("array_api")
def center(x: Any, *_: Any, xp: Any = None) -> Any:
    return x - xp.mean(x), xp


def test_array_api_passes_the_namespace_of_an_unregistered_library() -> None:
    result, xp = center(STRICT)
    assert xp is strict
    assert type(result) is STRICT_ARRAY
    assert interop.namespace(STRICT) is strict


def test_array_api_arrays_of_two_namespaces_are_refused() -> None:
    with pytest.raises(interop.UnsupportedArrayError, match="not of array_api_strict and torch"):
        center(STRICT, TENSOR)
