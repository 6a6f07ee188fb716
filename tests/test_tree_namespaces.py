"""Arrays of namespaces without an adapter, in trees: converted as all other arrays."""

from dataclasses import dataclass
from typing import Any

import array_api_strict as strict
import numpy as np
import pytest
import torch

import interop
from containers import HOLDERS, Holder
from interop import convert_tree

pytestmark = pytest.mark.requires("torch", "array_api_strict")


HELD = {name: pair for name, pair in HOLDERS.items() if name != "result of torch"}


@pytest.mark.parametrize(("hold", "take"), HELD.values(), ids=HELD)
@pytest.mark.parametrize("to", [np, torch])
@pytest.mark.requires("numpy-dlpack")
def test_convert_tree_array_of_a_namespace_is_converted(
    hold: Holder, take: Holder, to: Any
) -> None:
    x = strict.reshape(strict.arange(6.0), (2, 3))
    result = convert_tree(hold(x), to)
    assert interop.framework_of(take(result)) == to.__name__
    assert interop.shares_memory(take(result), x)


def test_convert_tree_array_of_the_target_namespace_is_kept_or_copied() -> None:
    x = strict.ones(2)
    assert convert_tree([x, torch.ones(1)], strict)[0] is x
    assert convert_tree([x], strict, copy=True)[0] is not x


def test_convert_tree_many_arrays_of_a_namespace_are_converted_once() -> None:
    many = convert_tree({i: strict.ones(2) for i in range(50)}, "torch")
    assert {type(x) for x in many.values()} == {torch.Tensor}
    x = strict.ones(2)
    a, b = convert_tree([x, x], "torch", copy=True)
    assert a is b


def test_convert_tree_array_of_a_namespace_that_cannot_be_converted_is_refused() -> None:
    class Unreadable:
        def __array_namespace__(self) -> Any:
            return strict

    with pytest.raises(interop.NotAnArrayError, match="Unreadable") as caught:
        convert_tree({"x": [Unreadable()]}, "torch")
    assert caught.value.__notes__ == ["at tree['x'][0]"]


def test_convert_tree_dataclass_that_is_an_array_of_a_namespace_is_a_container() -> None:
    @dataclass
    class Quantity:
        value: Any
        unit: str

        def __array_namespace__(self) -> Any:
            return strict

    result = convert_tree(Quantity(strict.ones(2), "m"), "torch")
    assert (type(result), type(result.value), result.unit) == (Quantity, torch.Tensor, "m")


def test_convert_tree_class_with_every_attribute_passes_through() -> None:
    class Meta(type):
        def __getattr__(cls, name: str) -> Any:
            return name

    class Strange(metaclass=Meta):
        pass

    x = Strange()
    assert convert_tree([x], "torch")[0] is x
