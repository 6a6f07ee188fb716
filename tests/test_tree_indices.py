"""Containers with index arrays: the indices keep their dtype, and some stay on the host."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from torch.nn.utils import rnn

import interop
from interop.adapter import Adapter
from registering import registered

pytestmark = pytest.mark.requires("torch")

RETURN_TYPES: dict[str, Any] = {
    "max": (lambda: torch.max(torch.ones(2, 3), 0), {"indices"}),
    "topk": (lambda: torch.topk(torch.ones(3), 2), {"indices"}),
    "sort": (lambda: torch.sort(torch.ones(3)), {"indices"}),
    "kthvalue": (lambda: torch.kthvalue(torch.ones(3), 1), {"indices"}),
    "cummax": (lambda: torch.cummax(torch.ones(3), 0), {"indices"}),
    "mode": (lambda: torch.mode(torch.ones(3)), {"indices"}),
    "lu": (lambda: torch.linalg.lu_factor_ex(torch.eye(3)), {"pivots", "info"}),
    "ldl": (lambda: torch.linalg.ldl_factor(torch.eye(3)), {"pivots"}),
    "cholesky": (lambda: torch.linalg.cholesky_ex(torch.eye(3)), {"info"}),
    "lstsq": (lambda: torch.linalg.lstsq(torch.eye(3), torch.eye(3), driver="gelsd"), {"rank"}),
    "svd": (lambda: torch.linalg.svd(torch.eye(3)), set()),
}


def packed(*, enforce_sorted: bool = False) -> Any:
    rows = [torch.arange(2.0), torch.arange(2.0, 5.0)]
    return rnn.pack_sequence(rows[::-1] if enforce_sorted else rows, enforce_sorted=enforce_sorted)


def rows(sequence: Any) -> Any:
    return rnn.pad_packed_sequence(sequence, batch_first=True)[0].tolist()


def facts(container: Any) -> list[Any]:
    return [x if x is None else (type(x), x.dtype, interop.device_of(x)) for x in container]


# PackedSequence


@pytest.mark.parametrize("enforce_sorted", [False, True])
@pytest.mark.parametrize(
    "keywords", [{"dtype": "float64"}, {"copy": True}, {"device": "cpu"}], ids=str
)
def test_convert_tree_packed_sequence_equals_its_own_to(
    keywords: Any, enforce_sorted: bool
) -> None:
    sequence = packed(enforce_sorted=enforce_sorted)
    result = interop.convert_tree({"x": sequence}, "torch", **keywords)["x"]
    wanted = sequence.to(torch.float64) if "dtype" in keywords else sequence
    assert type(result) is rnn.PackedSequence
    assert facts(result) == facts(wanted)
    assert rows(result) == rows(sequence)


@pytest.mark.requires("gpu")
@pytest.mark.parametrize("keywords", [{}, {"copy": True}], ids=str)
def test_convert_tree_packed_sequence_on_a_device_keeps_batch_sizes_on_the_host(
    keywords: Any,
) -> None:
    result = interop.convert_tree([packed()], "torch", device="cuda", **keywords)[0]
    assert facts(result) == facts(packed().to("cuda"))
    back = interop.convert_tree([result], "torch", device="cpu")[0]
    assert rows(back) == rows(packed())


def test_convert_tree_unchanged_packed_sequence_is_the_same_object() -> None:
    sequence = packed()
    assert interop.convert_tree([sequence], "torch", dtype="float32")[0] is sequence


def test_convert_tree_packed_sequence_to_numpy_and_back_is_complete() -> None:
    there = interop.convert_tree(packed(), "numpy", dtype="float64")
    assert [x.dtype.name for x in there] == ["float64", "int64", "int64", "int64"]
    assert {type(x) for x in there} == {np.ndarray}
    back = interop.convert_tree(there, "torch")
    assert facts(back) == facts(packed().to(torch.float64))
    assert rows(back) == rows(packed())


@pytest.mark.requires("cupy", "gpu")
def test_convert_tree_packed_sequence_from_cupy_has_batch_sizes_on_the_host() -> None:
    there = interop.convert_tree(packed(), "cupy")
    assert [x.device.id for x in there] == [0, 0, 0, 0]
    assert facts(interop.convert_tree(there, "torch")) == facts(packed().to("cuda"))


def test_convert_tree_packed_sequence_subclass_keeps_its_class() -> None:
    class Named(rnn.PackedSequence):
        pass

    sequence = Named(*packed())
    result = interop.convert_tree(sequence, "torch", dtype="float64")
    assert type(result) is Named
    assert facts(result) == facts(packed().to(torch.float64))


def test_convert_tree_indices_outside_a_packed_sequence_are_cast() -> None:
    sequence = packed()
    tree = [sequence, sequence.sorted_indices, [sequence]]
    result = interop.convert_tree(tree, "torch", dtype="float64")
    assert result[0] is result[2][0]
    assert result[0].sorted_indices.dtype == torch.int64
    assert result[1].dtype == torch.float64


def test_convert_tree_refusal_in_a_packed_sequence_names_the_field() -> None:
    sequence = packed()
    with pytest.raises(interop.CopyRequiredError) as caught:
        interop.convert_tree({"x": sequence}, "torch", copy=False, dtype="float64")
    assert caught.value.__notes__ == ["at tree['x'].data"]
    broken = tuple.__new__(
        type(sequence), (sequence.data, sequence.batch_sizes, torch.eye(2).to_sparse(), None)
    )
    with pytest.raises(interop.UnsupportedArrayError) as refused:
        interop.convert_tree({"x": broken}, "numpy")
    assert refused.value.__notes__ == ["at tree['x'].sorted_indices"]


@pytest.mark.parametrize("to", ["torch", "numpy"])
def test_implemented_in_packed_sequence_keeps_its_indices(to: str) -> None:
    @interop.implemented_in(to, dtype="float64")
    def body(sequence: Any) -> Any:
        assert [str(x.dtype).removeprefix("torch.") for x in sequence] == [
            "float64",
            "int64",
            "int64",
            "int64",
        ]
        return sequence

    assert facts(body(packed())) == facts(packed().to(torch.float64))


# Results of functions


@pytest.mark.parametrize(("make", "fixed"), RETURN_TYPES.values(), ids=RETURN_TYPES)
@pytest.mark.parametrize("to", ["torch", "numpy"])
def test_convert_tree_return_type_keeps_the_dtype_of_its_indices(
    make: Any, fixed: set[str], to: str
) -> None:
    result = make()
    converted = interop.convert_tree([result], to, dtype="float64", casting="unsafe")[0]
    assert type(converted) is type(result)
    for name in type(result).__match_args__:
        before, after = (
            str(getattr(x, name).dtype).removeprefix("torch.") for x in (result, converted)
        )
        assert after == (before if name in fixed else "float64")


@pytest.mark.parametrize("unique", [np.unique_all, np.unique_inverse, np.unique_counts])
def test_convert_tree_unique_of_numpy_keeps_the_dtype_of_its_indices(unique: Any) -> None:
    result = interop.convert_tree(unique(np.ones(3)), "torch", dtype="float32")
    assert {name: x.dtype for name, x in result._asdict().items()} == {
        name: torch.float32 if name == "values" else torch.int64 for name in result._fields
    }


def test_convert_tree_unique_of_array_api_compat_keeps_the_dtype_of_its_indices() -> None:
    import array_api_compat.torch as xp

    result = interop.convert_tree(xp.unique_inverse(torch.ones(3)), "numpy", dtype="float16")
    assert [x.dtype.name for x in result] == ["float16", "int64"]


def test_convert_tree_user_named_tuple_with_an_indices_field_is_cast() -> None:
    from typing import NamedTuple

    class Mine(NamedTuple):
        values: Any
        indices: Any

    result = interop.convert_tree(Mine(np.ones(2), np.arange(2)), "torch", dtype="float32")
    assert result.indices.dtype == torch.float32


# fields of an adapter's own containers


def test_convert_tree_fields_with_other_fixed_values_of_one_name_differ() -> None:
    class Row:
        pass

    class Pair(NamedTuple):
        first: Any
        second: Any
        third: Any

    class RowAdapter(Adapter):
        name, array_type = __name__.partition(".")[0], Row

        def fixed_keywords(self, _: type, /) -> Any:
            return {"first": {"dtype": "int16"}, "second": {"dtype": "int32"}}

    x = np.arange(3)
    with registered(RowAdapter()):
        pair = interop.convert_tree(Pair(x, x, x), "numpy", dtype="float32", casting="unsafe")
    assert [a.dtype.name for a in pair] == ["int16", "int32", "float32"]
