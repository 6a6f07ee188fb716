"""Arguments of no known framework in decorated functions: converted on request, or refused."""

import array
from collections.abc import Callable, Generator
from typing import Any

import numpy as np
import pytest
import torch

import foreign
import interop
from interop import implemented_in

pytestmark = pytest.mark.requires("torch")
TENSOR = torch.arange(4.0)


def add(x: Any, y: Any = 1) -> Any:
    return x + y


class Attribute:
    """An object whose protocol is set when it is created."""

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
@pytest.mark.parametrize(
    "hold", [lambda x: x, lambda x: [x], lambda x: {"x": [x]}], ids=["itself", "list", "nested"]
)
def test_implemented_in_foreign_object_is_refused_when_foreign_is_not_set(
    make: Any, hold: Any
) -> None:
    x = make(np.arange(3.0))
    with pytest.raises(
        interop.UnsupportedArrayError, match="can be converted, but no result of add can be"
    ) as caught:
        implemented_in("torch")(add)(1, hold(x))
    assert caught.value.__notes__[0].startswith("in the arguments of add: at y")
    (converted,) = implemented_in("torch", foreign=True, returns=None)(lambda x: [_leaf(x)])(
        hold(x)
    )
    assert type(converted) is torch.Tensor
    assert implemented_in("torch", foreign=False)(_leaf)(hold(x)) is x


def _leaf(x: Any) -> Any:
    while isinstance(x, (list, dict)):
        x = x["x"] if isinstance(x, dict) else x[0]
    return x


def test_implemented_in_foreign_object_refusal_has_working_hints() -> None:
    x = foreign.Array(np.arange(3.0))
    with pytest.raises(interop.UnsupportedArrayError) as caught:
        implemented_in("numpy")(add)(x)
    assert str(caught.value) == (
        "foreign.Array can be converted, but no result of add can be converted back to it. Convert "
        "it first: interop.convert(x, 'numpy'). Or decorate add with foreign=True to convert it in "
        "each call, or with foreign=False to pass it unchanged."
    )
    assert implemented_in("numpy")(add)(interop.convert(x, "numpy")).tolist() == [1, 2, 3]
    assert implemented_in("numpy", foreign=True)(add)(x).tolist() == [1, 2, 3]
    assert implemented_in("numpy", foreign=False)(lambda x: x)(x) is x
    assert implemented_in("numpy", only="y")(lambda x, y: (x, y))(x, TENSOR)[0] is x


@pytest.mark.parametrize(
    "data", [b"abc", bytearray(b"abc"), memoryview(b"abc"), array.array("d", [1.0])]
)
def test_implemented_in_python_buffer_passes_unless_foreign_is_true(data: Any) -> None:
    assert implemented_in("torch")(lambda x: x)(data) is data
    assert implemented_in("torch")(lambda x: x[0])([data]) is data
    for value in (data, [data]):
        result: Any = implemented_in("numpy", foreign=True, readonly="share")(lambda x: x)(value)
        assert type(_leaf(result)) is np.ndarray


@pytest.mark.parametrize(
    "x", [None, "abc", 1, 2.5, np.float64(3), {1}, int, object(), np.ndarray, np]
)
def test_implemented_in_object_without_a_protocol_passes_for_any_foreign(x: Any) -> None:
    for choice in (None, True, False):
        assert implemented_in("torch", foreign=choice, returns=None)(lambda x: x)(x) is x


def test_implemented_in_foreign_object_sent_to_a_generator_needs_foreign_true() -> None:
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


def test_implemented_in_foreign_object_in_a_result_is_returned_unchanged() -> None:
    x = foreign.Array(np.arange(3.0))
    assert implemented_in("numpy")(lambda _: x)(TENSOR) is x


@pytest.mark.requires("pandas", "PIL")
def test_implemented_in_refusal_names_pandas_and_pil_classes() -> None:
    from PIL import Image

    pd: Any = pytest.importorskip("pandas")
    objects: dict[str, Any] = {
        "pandas.Series": pd.Series([1.0, 2]),
        "pandas.DataFrame": pd.DataFrame({"a": [1.0, 2]}),
        "pandas.Index": pd.Index([1.0, 2]),
        "PIL.Image.Image": Image.new("L", (2, 2)),
    }
    for label, x in objects.items():
        with pytest.raises(
            interop.UnsupportedArrayError, match=f"^{label} can be converted, but no result"
        ):
            implemented_in("numpy")(add)(x)
        assert type(implemented_in("torch", foreign=True)(add)(x)) is torch.Tensor
        assert type(implemented_in("torch", foreign=True)(add)(x, np.float32(1))) is torch.Tensor


# The namespace of the arguments


@implemented_in("array_api")
def center(x: Any, *_: Any, xp: Any = None) -> Any:
    return x - xp.mean(x), xp


@pytest.mark.parametrize("more", [(), (TENSOR,)], ids=["alone", "after a tensor"])
def test_array_api_foreign_object_is_refused_by_name(more: Any) -> None:
    x = foreign.Array(np.arange(3.0))
    with pytest.raises(interop.UnsupportedArrayError) as caught:
        center(*more, x)
    assert str(caught.value) == (
        "foreign.Array has no array-API namespace for center. Convert it first: interop.to_numpy(x). "
        "Or, if another argument has a namespace, decorate center with foreign=False to pass this "
        "object unchanged."
    )
    assert caught.value.__notes__[0].startswith("in the arguments of center: at ")
    assert center(interop.to_numpy(x))[0].tolist() == [-1, 0, 1]


def test_array_api_foreign_false_passes_an_object_beside_an_array() -> None:
    x = foreign.Array(np.arange(3.0))
    passes: Any = implemented_in("array_api", foreign=False)(lambda *args, xp=None: (args, xp))
    assert passes(TENSOR, x)[0][1] is x
    with pytest.raises(
        interop.UnsupportedArrayError, match=r"^foreign.Array has no array-API namespace"
    ) as caught:
        passes(x)
    assert str(caught.value).endswith("Convert it first: interop.to_numpy(x).")


def test_array_api_foreign_true_is_refused() -> None:
    with pytest.raises(interop.InvalidOptionError, match="Remove foreign=True"):
        implemented_in("array_api", foreign=True)


def test_implemented_in_object_with_a_metaclass_getattr_passes() -> None:
    class Meta(type):
        def __getattr__(cls, name: str) -> Any:
            return name

    class Strange(metaclass=Meta):
        pass

    x = Strange()
    assert implemented_in("numpy")(lambda _, y: y)(TENSOR, x) is x
