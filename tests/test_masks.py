"""Masked arrays are refused by every function, as by `to_torch(masked)`."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import foreign
import interop
import lazily
import units

VALUES = [1.0, 2.0]
MASK = [False, True]


def masked() -> Any:
    return np.ma.masked_array(VALUES, MASK)


class Keyless:
    """An object that has only `__array__`."""

    def __array__(self, dtype: object = None, copy: object = None) -> Any:
        return masked()


class Interface:
    """An object whose array interface has a mask, which NumPy ignores."""

    def __init__(self, mask: Any = MASK) -> None:
        self.array = np.array(VALUES)
        self.__array_interface__ = {
            **self.array.__array_interface__,
            "mask": mask and np.array(mask),
        }


ARRAYS: dict[str, Callable[[], Any]] = {
    "numpy.ma": masked,
    "a subclass with a mask of its own": lambda: units.Masked(VALUES, MASK),
    "a subclass that can't be filled": lambda: units.Sealed(VALUES, MASK),
    "numpy.ma.masked": lambda: np.ma.masked,
}
OBJECTS: dict[str, Callable[[], Any]] = {
    "an object that states float64": lambda: foreign.Stated(masked(), "float64"),
    "an object that states nothing": Keyless,
    "an object that reads as a subclass": lambda: foreign.Stated(
        units.Masked(VALUES, MASK), "float64"
    ),
    "an array interface": Interface,
}
VERBS: dict[str, Callable[[Any], Any]] = {
    "to_torch": interop.to_torch,
    "to_torch, dtype": lambda x: interop.to_torch(x, dtype="float32"),
    "to_torch, copy=True": lambda x: interop.to_torch(x, copy=True),
    "stack": lambda x: interop.stack([x, x], "numpy"),
    "stack beside a plain array": lambda x: interop.stack([np.zeros(np.shape(x)), x], "torch"),
    "unify": lambda x: interop.unify(np.zeros(2), x),
    "unify, with another one": lambda x: interop.unify(np.zeros(2), x, to="torch"),
    "convert_tree": lambda x: interop.convert_tree({"a": [x]}, "torch", foreign=True),
    "export": lambda x: np.from_dlpack(interop.export(x)),
    "copyto": lambda x: interop.copyto(np.zeros(() if x is np.ma.masked else 2), x),
}
EACH = pytest.mark.parametrize(
    "make", [*ARRAYS.values(), *OBJECTS.values()], ids=[*ARRAYS, *OBJECTS]
)


def refused(function: Callable[[], Any]) -> str:
    with pytest.raises(
        interop.UnsupportedArrayError, match="masked, and the mask would be lost"
    ) as caught:
        function()
    return str(caught.value)


@pytest.mark.requires("torch")
@pytest.mark.parametrize("verb", VERBS.values(), ids=VERBS)
@EACH
def test_masked_input_is_refused_by_every_verb(
    make: Callable[[], Any], verb: Callable[[Any], Any]
) -> None:
    x = make()
    refused(lambda: verb(x))


@pytest.mark.parametrize("make", OBJECTS.values(), ids=OBJECTS)
def test_to_numpy_of_an_object_that_reads_as_masked_is_refused(make: Callable[[], Any]) -> None:
    refused(lambda: interop.to_numpy(make()))


@pytest.mark.parametrize("make", ARRAYS.values(), ids=ARRAYS)
def test_to_numpy_of_a_masked_array_keeps_object_and_mask(make: Callable[[], Any]) -> None:
    x = make()
    assert interop.to_numpy(x) is x


@pytest.mark.requires("torch")
@pytest.mark.parametrize("mask", [False, [False, False]])
def test_to_torch_array_with_an_empty_mask_is_converted(mask: Any) -> None:
    for x in (
        np.ma.masked_array(VALUES, mask),
        units.Masked(VALUES, mask),
        units.Sealed(VALUES, mask),
    ):
        assert interop.to_torch(x).tolist() == VALUES
    assert (
        interop.to_torch(foreign.Stated(np.ma.masked_array(VALUES, mask), "float64")).tolist()
        == VALUES
    )
    assert interop.to_torch(Interface(mask=None)).tolist() == VALUES


@pytest.mark.requires("torch")
def test_to_torch_masked_array_refusal_has_a_working_hint() -> None:
    x: Any = units.Masked(VALUES, MASK)
    assert refused(lambda: interop.to_torch(x)).endswith("Fill them first: x.filled(value).")
    assert interop.to_torch(x.filled(0)).tolist() == [1, 0]
    x = units.Sealed(VALUES, MASK)
    assert refused(lambda: interop.to_torch(x)).endswith(
        "if they are valid: x.view(numpy.ndarray)."
    )
    assert interop.to_torch(x.view(np.ndarray)).tolist() == VALUES
    x = foreign.Stated(masked(), "float64")
    assert refused(lambda: interop.to_torch(x)).endswith(
        "Fill them first: x.filled(value). Read it before that: x = numpy.asanyarray(x)."
    )
    x = np.asanyarray(x)
    assert interop.to_torch(x.filled(0)).tolist() == [1, 0]


@pytest.mark.requires("torch")
def test_implemented_in_refuses_a_masked_argument_of_another_framework() -> None:
    @interop.implemented_in("torch")
    def double(t: Any) -> Any:
        return t * 2

    refused(lambda: double(masked()))
    refused(lambda: double(units.Masked(VALUES, MASK)))


@pytest.mark.requires("torch")
def test_implemented_in_refuses_a_masked_result_for_another_framework() -> None:
    import torch

    @interop.implemented_in("numpy")
    def mask_out(_: Any) -> Any:
        return masked()

    refused(lambda: mask_out(torch.zeros(2)))


@pytest.mark.requires("torch", "dask")
def test_convert_masked_dask_blocks_are_refused() -> None:
    x = lazily.dask_array().ma.masked_array(
        lazily.lazy(np.array(VALUES), chunks=1), lazily.lazy(np.array(MASK), chunks=1)
    )
    refused(lambda: interop.to_torch(x))
    refused(lambda: lazily.convert(x, "torch").compute())
    refused(lambda: interop.copyto(np.zeros(2), x))
    refused(lambda: interop.stack([x], "torch"))
    refused(lambda: list(interop.batches(x, "torch", size=2)))
    assert lazily.convert(x[:1], "torch").compute().tolist() == [1]
