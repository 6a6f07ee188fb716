"""Errors in a tree: the message of the conversion, with a note that gives the path."""

from collections import OrderedDict
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch

import interop
from containers import Frozen, Output, Pair, Plain, Rows, Triple
from interop import convert_tree

pytestmark = pytest.mark.requires("torch")


def test_convert_tree_refusal_names_the_path() -> None:
    leaf = torch.ones(2, requires_grad=True)
    tree = {"a": [1, Pair(0, Plain(None, Rows([Output(x={(1, 2): leaf})])))]}
    with pytest.raises(interop.GradientError, match="requires grad") as caught:
        convert_tree(tree, "numpy")
    assert caught.value.__notes__ == ["at tree['a'][1].y.y[0]['x'][(1, 2)]"]
    assert type(convert_tree(tree, "numpy", detach=True)["a"][1].y.y[0].x[1, 2]) is np.ndarray


@pytest.mark.parametrize(
    ("tree", "where"),
    [
        (Frozen(np.array("a")), ".x"),
        (Triple(np.array("a")), "[0]"),
        (OrderedDict(k=np.array("a")), "['k']"),
    ],
)
def test_convert_tree_refusal_names_the_path_in_each_container_kind(tree: Any, where: str) -> None:
    with pytest.raises(interop.UnsupportedArrayError) as caught:
        convert_tree((tree,), "torch")
    assert caught.value.__notes__ == [f"at tree[0]{where}"]


def test_convert_tree_refusal_among_many_arrays_names_the_path() -> None:
    tree = {i: torch.ones(1, requires_grad=i == 33) for i in range(50)}
    with pytest.raises(interop.GradientError) as caught:
        convert_tree(tree, "numpy")
    assert caught.value.__notes__ == ["at tree[33]"]
    assert caught.value.__context__ is None


def test_convert_tree_single_array_is_converted_or_refused() -> None:
    assert type(convert_tree(torch.ones(3), "numpy")) is np.ndarray
    with pytest.raises(interop.UnsupportedArrayError) as caught:
        convert_tree(np.array("a"), "torch")
    assert caught.value.__notes__ == ["at tree"]


def cycles() -> Iterator[tuple[Any, str]]:
    items: Any = {"a": [torch.ones(3), 1]}
    items["a"][1] = items
    yield items, "the dict at tree['a'][1]"
    rows = Rows([1])
    rows.append(rows)
    yield rows, "the Rows at tree[1]"
    plain = Plain(1)
    plain.made = (plain,)
    yield [plain], "the Plain at tree[0].made[0]"


@pytest.mark.parametrize(("tree", "who"), [*cycles()])
def test_convert_tree_cycle_is_refused_with_its_path(tree: Any, who: str) -> None:
    with pytest.raises(interop.UnsupportedArrayError) as caught:
        convert_tree(tree, "numpy")
    message = "contains itself, and such a tree has no end. Convert it without that reference."
    assert str(caught.value) == f"{who} {message}"
    assert caught.value.__context__ is None or caught.value.__suppress_context__


def test_convert_tree_checks_arguments_before_the_tree() -> None:
    with pytest.raises(
        interop.InvalidOptionError,
        match="readonly must be one of 'copy', 'share', 'error', got 'shared'",
    ):
        convert_tree({}, "torch", readonly="shared")  # type: ignore[arg-type]
    with pytest.raises(interop.UnknownFrameworkError, match="Did you mean 'torch'"):
        convert_tree(None, "torhc")
    with pytest.raises(TypeError, match="there is no keyword 'devise'"):
        convert_tree([], "torch", devise="cpu")  # type: ignore[call-arg]
