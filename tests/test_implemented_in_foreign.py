"""Arrays of no known framework among the arguments of a decorated function: converted and brought back, or refused."""

import array
import types
from collections.abc import Callable, Generator
from typing import Any

import array_api_strict as strict
import numpy as np
import pytest
import torch

import foreign
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


# Arrays of a namespace that no adapter knows


@pytest.mark.parametrize(("body", "cls"), [("numpy", np.ndarray), ("torch", torch.Tensor)])
def test_implemented_in_array_of_a_namespace_is_converted_and_its_result_goes_back(body: str, cls: type) -> None:
    same: Any = implemented_in(body)(first)
    assert type(same(STRICT)) is STRICT_ARRAY
    assert type(same([STRICT])[0]) is STRICT_ARRAY
    assert type(same({"x": (1, STRICT)})["x"][1]) is STRICT_ARRAY
    assert implemented_in(body, returns=None)(seen)(STRICT, [1], y=STRICT) == [cls, list, cls]
    inside: Any = implemented_in(body, returns=None)(_leaf)([STRICT])
    assert type(inside) is cls


def test_implemented_in_first_array_of_a_namespace_decides() -> None:
    same = implemented_in("numpy")(lambda *args: args)
    assert {type(x) for x in same(STRICT, TENSOR)} == {STRICT_ARRAY}
    assert {type(x) for x in same(TENSOR, STRICT)} == {torch.Tensor}
    assert {type(x) for x in same(np.float64(1), STRICT)} == {STRICT_ARRAY}


def test_implemented_in_array_of_a_namespace_shares_memory_both_ways() -> None:
    x = strict.arange(3.0)
    assert interop.shares_memory(implemented_in("torch")(lambda x: x)(x), x)


def test_implemented_in_result_goes_back_to_a_device_of_the_namespace() -> None:
    device = strict.Device("device1")
    x = strict.ones(3, device=device)
    for body in ("numpy", "torch"):
        result, total = implemented_in(body)(lambda x: (x + 1, x.sum()))(x)
        assert (result.device, total.device, total.shape) == (device, device, ())


def test_implemented_in_array_of_a_namespace_in_every_kind_of_function() -> None:
    @implemented_in("numpy")
    def steps(x: Any) -> Generator[Any, Any]:
        assert type(x) is np.ndarray
        sent = yield x
        assert type(sent) is np.ndarray
        yield sent

    generator = steps(STRICT)
    assert type(next(generator)) is STRICT_ARRAY
    assert type(generator.send(STRICT)) is STRICT_ARRAY


def test_implemented_in_result_of_a_namespace_goes_to_the_caller() -> None:
    result: Any = implemented_in("numpy")(strict.asarray)(TENSOR)
    assert type(result) is torch.Tensor
    kept: Any = implemented_in("numpy", returns=None)(lambda _: STRICT)(TENSOR)
    assert kept is STRICT


@pytest.mark.parametrize("framework", ["array_api_strict", strict])
def test_implemented_in_namespace_without_an_adapter_runs_a_body_of_its_own(framework: Any) -> None:
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
    """An array of the standard whose namespace makes no arrays of this class."""

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
def test_implemented_in_array_of_a_namespace_that_is_no_target_needs_a_choice(cls: Any) -> None:
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


# Objects that speak a protocol and are of no namespace


class Attribute:
    """An object that is given its protocol when it is made."""

    def __init__(self, x: Any) -> None:
        self.kept = x
        self.__array_interface__ = x.__array_interface__


SPEAKERS: dict[str, Callable[[Any], Any]] = {
    "DLPack": foreign.DLPack,
    "array interface": foreign.ArrayInterface,
    "__array__": foreign.Array,
    "an attribute": Attribute,
}


@pytest.mark.parametrize("make", SPEAKERS.values(), ids=SPEAKERS)
@pytest.mark.parametrize("hold", [lambda x: x, lambda x: [x], lambda x: {"x": [x]}], ids=["itself", "list", "nested"])
def test_implemented_in_object_that_speaks_a_protocol_needs_a_choice(make: Any, hold: Any) -> None:
    x = make(np.arange(3.0))
    with pytest.raises(
        interop.UnsupportedArrayError, match="can be converted, but no result of add could be"
    ) as caught:
        implemented_in("torch")(add)(1, hold(x))
    assert caught.value.__notes__[0].startswith("in the arguments of add: at y")
    (converted,) = implemented_in("torch", foreign=True, returns=None)(lambda x: [_leaf(x)])(hold(x))
    assert type(converted) is torch.Tensor
    assert implemented_in("torch", foreign=False)(_leaf)(hold(x)) is x


def _leaf(x: Any) -> Any:
    while isinstance(x, (list, dict)):
        x = x["x"] if isinstance(x, dict) else x[0]
    return x


def test_implemented_in_refusal_of_a_foreign_object_names_remedies_that_run() -> None:
    x = foreign.Array(np.arange(3.0))
    with pytest.raises(interop.UnsupportedArrayError) as caught:
        implemented_in("numpy")(add)(x)
    assert str(caught.value) == (
        "foreign.Array can be converted, but no result of add could be converted back to it. Convert it first: "
        "interop.convert(x, 'numpy'). To have each call convert it, decorate add with foreign=True; to pass it as it "
        "is, with foreign=False."
    )
    assert implemented_in("numpy")(add)(interop.convert(x, "numpy")).tolist() == [1, 2, 3]
    assert implemented_in("numpy", foreign=True)(add)(x).tolist() == [1, 2, 3]
    assert implemented_in("numpy", foreign=False)(lambda x: x)(x) is x
    assert implemented_in("numpy", only="y")(lambda x, y: (x, y))(x, TENSOR)[0] is x


@pytest.mark.parametrize("data", [b"abc", bytearray(b"abc"), memoryview(b"abc"), array.array("d", [1.0])])
def test_implemented_in_data_of_python_passes_unless_foreign_is_true(data: Any) -> None:
    assert implemented_in("torch")(lambda x: x)(data) is data
    assert implemented_in("torch")(lambda x: x[0])([data]) is data
    for value in (data, [data]):
        result: Any = implemented_in("numpy", foreign=True, readonly="share")(lambda x: x)(value)
        assert type(_leaf(result)) is np.ndarray


@pytest.mark.parametrize("x", [None, "abc", 1, 2.5, np.float64(3), {1}, int, object(), np.ndarray, np])
def test_implemented_in_what_speaks_no_protocol_passes_whatever_foreign_is(x: Any) -> None:
    for choice in (None, True, False):
        assert implemented_in("torch", foreign=choice, returns=None)(lambda x: x)(x) is x


def test_implemented_in_foreign_object_that_is_sent_to_a_generator_needs_a_choice() -> None:
    def echo(x: Any) -> Generator[Any, Any]:
        while True:
            x = yield x

    x = foreign.Array(np.arange(3.0))
    generator = implemented_in("numpy")(echo)(TENSOR)
    next(generator)
    with pytest.raises(interop.UnsupportedArrayError) as caught:
        generator.send(x)
    assert caught.value.__notes__ == ["in what echo is sent: at value"]
    generator = implemented_in("numpy", foreign=True)(echo)(TENSOR)
    next(generator)
    assert type(generator.send(x)) is torch.Tensor


def test_implemented_in_foreign_object_in_a_result_stays_itself() -> None:
    x = foreign.Array(np.arange(3.0))
    assert implemented_in("numpy")(lambda _: x)(TENSOR) is x


@pytest.mark.requires("pandas", "PIL")
def test_implemented_in_series_frame_and_image_are_named() -> None:
    from PIL import Image

    pd: Any = pytest.importorskip("pandas")
    objects: dict[str, Any] = {
        "pandas.Series": pd.Series([1.0, 2]),
        "pandas.DataFrame": pd.DataFrame({"a": [1.0, 2]}),
        "pandas.Index": pd.Index([1.0, 2]),
        "PIL.Image.Image": Image.new("L", (2, 2)),
    }
    for label, x in objects.items():
        with pytest.raises(interop.UnsupportedArrayError, match=f"^{label} can be converted, but no result"):
            implemented_in("numpy")(add)(x)
        assert type(implemented_in("torch", foreign=True)(add)(x)) is torch.Tensor
        assert type(implemented_in("torch", foreign=True)(add)(x, np.float32(1))) is torch.Tensor


# The namespace of the arguments


@implemented_in("array_api")
def center(x: Any, *_: Any, xp: Any = None) -> Any:
    return x - xp.mean(x), xp


def test_array_api_array_of_a_namespace_is_given_its_own() -> None:
    result, xp = center(STRICT)
    assert xp is strict
    assert type(result) is STRICT_ARRAY
    assert interop.namespace(STRICT) is strict


def test_array_api_arrays_of_two_namespaces_are_refused() -> None:
    with pytest.raises(interop.UnsupportedArrayError, match="not of array_api_strict and torch"):
        center(STRICT, TENSOR)


@pytest.mark.parametrize("more", [(), (TENSOR,)], ids=["alone", "after a tensor"])
def test_array_api_foreign_object_is_named(more: Any) -> None:
    x = foreign.Array(np.arange(3.0))
    with pytest.raises(interop.UnsupportedArrayError) as caught:
        center(*more, x)
    assert str(caught.value) == (
        "foreign.Array can be converted, but it has no array-API namespace for center. Convert it first: "
        "interop.to_numpy(x). To pass it as it is, decorate center with foreign=False."
    )
    assert caught.value.__notes__[0].startswith("in the arguments of center: at ")
    assert center(interop.to_numpy(x))[0].tolist() == [-1, 0, 1]


def test_array_api_foreign_object_passes_beside_an_array_if_told() -> None:
    x = foreign.Array(np.arange(3.0))
    passes: Any = implemented_in("array_api", foreign=False)(lambda *args, xp=None: (args, xp))
    assert passes(TENSOR, x)[0][1] is x
    with pytest.raises(interop.UnsupportedArrayError, match=r"^foreign.Array can be converted") as caught:
        passes(x)
    assert str(caught.value).endswith("Convert it first: interop.to_numpy(x).")


def test_array_api_takes_no_foreign_true() -> None:
    with pytest.raises(interop.InvalidOptionError, match="converts nothing, and takes no foreign=True"):
        implemented_in("array_api", foreign=True)


def test_implemented_in_object_with_a_strange_class_passes() -> None:
    class Meta(type):
        def __getattr__(cls, name: str) -> Any:
            return name

    class Strange(metaclass=Meta):
        pass

    x = Strange()
    assert implemented_in("numpy")(lambda _, y: y)(TENSOR, x) is x
