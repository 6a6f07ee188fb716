"""Trees keep their structure, and each array in a tree is converted once."""

import gc
import os
import weakref
from collections import OrderedDict, UserDict, defaultdict
from dataclasses import dataclass, fields, is_dataclass
from functools import cached_property
from operator import is_
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import foreign
from containers import (
    HOLDERS,
    Attributes,
    Choosy,
    Doubling,
    Holder,
    Lazy,
    Marked,
    Output,
    Pair,
    Plain,
    Rows,
    Single,
    Triple,
)
from interop import InvalidOptionError, convert_tree

pytestmark = pytest.mark.requires("torch")
held = pytest.mark.parametrize(("hold", "take"), HOLDERS.values(), ids=HOLDERS)


def tensor() -> Any:
    return torch.arange(6.0).reshape(2, 3)


# Preserved containers


@held
def test_convert_tree_container_keeps_its_class(hold: Holder, take: Holder) -> None:
    tree = hold(tensor())
    result = convert_tree(tree, "numpy")
    assert type(result) is type(tree)
    assert result is not tree
    assert type(take(result)) is np.ndarray
    assert np.array_equal(take(result), take(tree))
    assert type(take(tree)) is torch.Tensor


@pytest.mark.parametrize(
    ("hold", "take"), [pair for name, pair in HOLDERS.items() if name != "result of torch"]
)
def test_convert_tree_nested_containers_are_converted(hold: Holder, take: Holder) -> None:
    result = convert_tree([hold([hold(tensor()), "a"])], "numpy")
    assert type(take(take(result[0])[0])) is np.ndarray
    assert take(result[0])[1] == "a"


def test_convert_tree_keeps_order_default_factory_and_attributes() -> None:
    ordered = OrderedDict(a=tensor(), b=1)
    ordered.move_to_end("a")
    ordered._metadata = {"version": 1}  # type: ignore[attr-defined]  # as a state dict
    result = convert_tree(
        [{"b": 1, "a": tensor()}, ordered, defaultdict(list, x=tensor())], "numpy"
    )
    assert [list(part) for part in result] == [["b", "a"], ["b", "a"], ["x"]]
    assert result[1]._metadata == {"version": 1}
    assert result[2]["new"] == []
    marked, rows = Marked(tensor()), Rows([tensor()])
    marked.note = rows.note = "kept"  # type: ignore[attr-defined]
    assert convert_tree(marked, "numpy").note == convert_tree(rows, "numpy").note == "kept"


def test_convert_tree_dataclass_fields_outside_init_are_converted() -> None:
    plain = Plain(tensor())
    plain.made = [tensor(), 5]
    result = convert_tree(plain, "numpy")
    assert type(result.made[0]) is np.ndarray
    assert result.made[1] == 5
    assert type(plain.made[0]) is torch.Tensor


def test_convert_tree_items_that_are_attributes_stay_in_sync() -> None:
    output = convert_tree(Output(tensor()), "numpy")
    assert output.x is output["x"]
    attributes = convert_tree(Attributes(x=tensor()), "numpy")
    assert attributes.x is attributes["x"]
    attributes.y = 1
    assert attributes["y"] == 1


def test_convert_tree_cached_property_is_computed_again() -> None:
    @dataclass
    class Cached:
        x: Any

        @cached_property
        def double(self) -> Any:
            return self.x * 2

    tree = Cached(tensor())
    assert type(tree.double) is torch.Tensor
    assert type(convert_tree(tree, "numpy").double) is np.ndarray


def test_convert_tree_unset_dataclass_field_stays_unset() -> None:
    plain = Plain(tensor(), 1)
    del plain.x
    plain.y = tensor()
    result = convert_tree(plain, "numpy")
    assert type(result.y) is np.ndarray
    assert not hasattr(result, "x")


PASSED = [
    None, "abc", b"abc", 1, 2.5, True, 1j, np.float64(3), np.bool_(True), {1}, object(), int, UserDict(x=np.ones(2)),
    foreign.DLPack(np.ones(2)), memoryview(b"abc"),
]  # fmt: skip


@pytest.mark.parametrize("x", PASSED, ids=lambda x: type(x).__name__)
def test_convert_tree_other_objects_pass_through(x: Any) -> None:
    assert convert_tree(x, "torch") is x
    result = convert_tree({"x": x, "y": [x]}, "torch")
    assert result["x"] is result["y"][0] is x


@pytest.mark.parametrize(
    "x", [Path(__file__).stat(), torch.Size([2, 3]), Triple(1, 2)], ids=lambda x: type(x).__name__
)
def test_convert_tree_tuple_subclass_without_arrays_is_the_same_object(x: Any) -> None:
    assert convert_tree([x], "torch")[0] is x


@pytest.mark.parametrize(
    "unwilling", [Choosy(x=tensor()), Doubling([tensor()]), Single(x=tensor())]
)
def test_convert_tree_container_that_cannot_be_rebuilt_passes_through(unwilling: Any) -> None:
    before = [*unwilling.values()] if isinstance(unwilling, dict) else [*unwilling]
    result = convert_tree([unwilling, tensor()], "numpy")
    assert result[0] is unwilling
    assert type(result[1]) is np.ndarray
    after = unwilling.values() if isinstance(unwilling, dict) else unwilling
    assert all(map(is_, before, after))


def test_convert_tree_struct_sequence_keeps_fields_without_an_index() -> None:
    before = os.stat_result([tensor(), *range(9)], {"st_rdev": 5})
    after: Any = convert_tree(before, "numpy")
    assert type(after[0]) is np.ndarray
    assert (type(after), after.st_rdev) == (os.stat_result, 5)


# Foreign arrays


@pytest.mark.parametrize("choice", [None, 1, "yes"])
def test_convert_tree_invalid_value_of_foreign_is_refused(choice: Any) -> None:
    with pytest.raises(InvalidOptionError, match=r"^foreign must be one of False, True, got "):
        convert_tree({"x": np.ones(2)}, "numpy", foreign=choice)


def test_convert_tree_foreign_arrays_are_converted_only_with_foreign_true() -> None:
    tree = [
        foreign.DLPack(np.ones(2)),
        memoryview(b"abc"),
        b"abc",
        foreign.Array(np.ones(2)),
        np.ones(2),
    ]
    assert [type(x) for x in convert_tree(tree, "torch")] == [*map(type, tree[:4]), torch.Tensor]
    assert {type(x) for x in convert_tree(tree, "torch", foreign=True)} == {torch.Tensor}


@pytest.mark.parametrize("x", [None, "abc", 1, 2.5, np.float64(3), {1}, int, object()])
def test_convert_tree_foreign_true_passes_objects_without_protocol_through(x: Any) -> None:
    assert convert_tree([x], "torch", foreign=True)[0] is x


# Each array is converted once


def test_convert_tree_shared_arrays_and_containers_stay_shared() -> None:
    x, inner = tensor(), [tensor()]
    a, (b, c), d, e = convert_tree([x, (x, inner), inner, x.view(6)], "numpy", copy=True)
    assert a is b
    assert c is d
    assert not np.shares_memory(a, e)
    assert not np.shares_memory(a, x.numpy())


@pytest.mark.parametrize("more", [{}, {"more": None}, {"more": [tensor()]}])
def test_convert_tree_with_many_arrays_converts_each_once(more: Any) -> None:
    many = {i: torch.full((2,), i) for i in range(50)}
    result = convert_tree({**many, **more, "again": many[7]}, "numpy", copy=True)
    assert list(result) == [*many, *more, "again"]
    assert [result[i].tolist() for i in many] == [[i, i] for i in many]
    assert result["again"] is result[7]
    assert {type(x) for x in convert_tree(many, "numpy").values()} == {np.ndarray}
    assert convert_tree({**many, **more}, "torch")[7] is many[7]
    numbers = dict(enumerate(np.arange(50.0)))
    assert convert_tree(numbers, "torch")[49] is numbers[49]


def test_convert_tree_items_created_on_access_keep_values() -> None:
    tree: Any = [Lazy(x=lambda i=i: torch.full((2,), float(i))) for i in range(50)]
    result = convert_tree(tree, "numpy", copy=True)
    assert [part["x"].tolist() for part in result] == [[i, i] for i in range(50)]


def test_convert_tree_local_classes_are_garbage_collected() -> None:
    @dataclass
    class Local:
        x: Any

    convert_tree(Local(tensor()), "numpy")
    alive = weakref.ref(Local)
    del Local
    gc.collect()
    assert alive() is None


# Any tree


LEAVES = (
    st.none() | st.integers() | st.text() | st.builds(np.full, st.integers(0, 3), st.integers(0, 99))
    | st.builds(torch.full, st.tuples(st.integers(0, 3)), st.integers(0, 99))
)  # fmt: skip
TREES = st.recursive(
    LEAVES,
    lambda trees: (
        st.lists(trees, max_size=3) | st.lists(trees, max_size=3).map(tuple) | st.builds(Pair, trees, trees)
        | st.dictionaries(st.integers(), trees, max_size=3) | st.builds(Plain, trees, trees)
    ),
)  # fmt: skip


def same(before: Any, after: Any, to: Any) -> bool:
    """Return whether one tree equals the other with converted arrays."""
    if isinstance(before, (np.ndarray, torch.Tensor)):
        return type(after) is to and after.tolist() == before.tolist()
    if type(after) is not type(before):
        return False
    if isinstance(before, dict):
        return list(before) == list(after) and all(
            same(before[key], after[key], to) for key in before
        )
    if isinstance(before, (list, tuple)):
        return len(before) == len(after) and all(map(same, before, after, [to] * len(before)))
    if is_dataclass(before):
        names = [one.name for one in fields(before)]
        return all(same(getattr(before, name), getattr(after, name), to) for name in names)
    return after is before


@given(tree=TREES, to=st.sampled_from([np.ndarray, torch.Tensor]))
def test_convert_tree_random_trees_keep_structure_and_values(tree: Any, to: Any) -> None:
    assert same(tree, convert_tree(tree, to), to)
    assert same(tree, convert_tree(tree, to, copy=True), to)


@pytest.mark.requires("cupy", "gpu")
def test_convert_tree_to_cupy_and_back_keeps_values() -> None:
    import cupy

    tree = convert_tree({"x": np.arange(3.0), "y": (tensor(),)}, "cupy")
    assert isinstance(tree["x"], cupy.ndarray)
    assert isinstance(tree["y"][0], cupy.ndarray)
    back = convert_tree(tree, "numpy")
    assert back["x"].tolist() == [0, 1, 2]
    assert np.array_equal(back["y"][0], tensor())
