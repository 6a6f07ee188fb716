"""Arrays with units are refused when converted out of their class. See decision 0026."""

import re
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest

import interop
import lazily
import units

MAKES: dict[str, Callable[..., Any]] = {
    name: make for name, (make, _) in units.SUBCLASSES.items()
} | {
    "bare": lambda: np.array([1.0, 2.0]).view(units.Bare),
    "pint": lambda: units.Pint([1, 2]),
}
ASTROPY = MAKES["astropy"]
EACH = pytest.mark.parametrize("make", MAKES.values(), ids=MAKES)
SUBCLASS = pytest.mark.parametrize("name", units.SUBCLASSES)
VERBS: dict[str, Callable[[Any], Any]] = {
    "convert": lambda x: interop.convert(x, "torch"),
    "to_torch": interop.to_torch,
    "to_torch, dtype": lambda x: interop.to_torch(x, dtype="float32"),
    "to_torch, copy=True": lambda x: interop.to_torch(x, copy=True),
    "explain": lambda x: interop.explain(x, "torch"),
    "export": interop.export,
    "stack": lambda x: interop.stack([x, x], "numpy"),
    "stack beside a plain array": lambda x: interop.stack([np.zeros(2), x], "torch"),
    "unify": lambda x: interop.unify(np.zeros(2), x, to="torch"),
    "convert_tree": lambda x: interop.convert_tree({"a": [x]}, "torch", foreign=True),
    "copyto": lambda x: interop.copyto(np.zeros(2), x),
    "copyto, as dst": lambda x: interop.copyto(x, np.zeros(2)),
    "batches": lambda x: list(interop.batches(x, "torch", size=1)),
}


def refusal(function: Callable[[], Any]) -> str:
    with pytest.raises(interop.UnsupportedArrayError) as caught:
        function()
    return str(caught.value)


@pytest.mark.requires("torch")
@pytest.mark.parametrize("verb", VERBS.values(), ids=VERBS)
@EACH
def test_verbs_refuse_an_array_with_a_unit(
    make: Callable[[], Any], verb: Callable[[Any], Any]
) -> None:
    assert "it has the unit m, which would be lost. Convert its numbers: x." in refusal(
        partial(verb, make())
    )


@pytest.mark.requires("torch")
@SUBCLASS
def test_implemented_in_refuses_an_argument_with_a_unit(name: str) -> None:
    decorated = interop.implemented_in("torch")(lambda t: t)
    assert "it has the unit m" in refusal(partial(decorated, MAKES[name]()))


@pytest.mark.requires("torch")
@EACH
def test_convert_unit_refusal_suggests_code_that_runs(make: Callable[[], Any]) -> None:
    x = make()
    call = re.search(r"Convert its numbers: (x\..+)\.$", refusal(lambda: interop.to_torch(x)))
    assert call
    assert interop.to_torch(eval(call[1], {"x": x, "numpy": np})).tolist() == [1, 2]  # noqa: S307 - our own words


@pytest.mark.requires("torch")
@pytest.mark.parametrize("unit", [None, "", "dimensionless", "1", "1.0 dimensionless"])
@SUBCLASS
def test_convert_dimensionless_array_gives_its_numbers(name: str, unit: str | None) -> None:
    x = MAKES[name](**{"unit" if name == "astropy" else "units": unit})
    assert interop.to_torch(x).tolist() == [1, 2]
    assert interop.shares_memory(interop.to_torch(x), x)


@pytest.mark.requires("torch")
@pytest.mark.parametrize("unit", ["%", "10", "rad", "mag"])
def test_convert_scaled_or_angular_unit_is_refused(unit: str) -> None:
    assert f"it has the unit {unit}" in refusal(
        lambda: interop.to_torch(units.Astropy([1, 2], unit))
    )


@SUBCLASS
def test_to_numpy_of_a_subclass_keeps_object_and_unit(name: str) -> None:
    x = MAKES[name]()
    assert interop.to_numpy(x) is x
    copied = interop.to_numpy(x, copy=True)
    assert type(copied) is type(x)
    assert {getattr(copied, word, "m") for word in ("unit", "units")} == {"m"}
    assert interop.convert_tree([x], "numpy")[0] is x
    assert interop.unify(x, x) == (x, x)
    assert all(type(piece) is type(x) for piece in interop.batches(x, "numpy", size=1))


def test_to_numpy_of_an_object_with_units_is_refused() -> None:
    assert refusal(lambda: interop.to_numpy(units.Pint([1, 2]))).endswith(
        "Convert its numbers: x.magnitude."
    )


def test_unify_array_with_unit_beside_another_class_is_refused() -> None:
    x = ASTROPY()
    for other in (np.zeros(2), np.float64(1), units.Unyt([1, 2])):
        for arrays in ((x, other), (other, x)):
            message = refusal(partial(interop.unify, *arrays))
            assert "with arrays of another class: it has the unit m" in message


@pytest.mark.requires("torch")
def test_convert_subclass_without_a_real_unit_is_converted(tmp_path: Any) -> None:
    class Info(np.ndarray[Any, Any]):
        info = "where it comes from"
        mask = None
        units = None

        def unit(self) -> str:
            return "a method, and no unit"

    for x in (
        np.zeros(2).view(Info),
        np.zeros((1, 2)).view(np.matrix),
        np.memmap(tmp_path / "x", "f8", "w+", shape=2),
    ):
        assert interop.to_torch(x).tolist() == np.asarray(x).tolist()
        assert interop.unify(x, np.zeros(2))[0] is x


@pytest.mark.requires("torch")
def test_convert_object_with_units_in_its_metadata_is_read() -> None:
    """File variables may have any attribute. Only an attribute declared by the class is a unit."""

    class Variable:
        shape, dtype = (2,), np.dtype("float64")

        def __getattr__(self, name: str) -> Any:
            if name in ("units", "unit"):
                return "K"
            raise AttributeError(name)

        def __array__(self, dtype: object = None, copy: object = None) -> Any:
            return np.array([1.0, 2.0])

    assert interop.to_torch(Variable()).tolist() == [1, 2]


@pytest.mark.requires("torch")
def test_convert_object_that_reads_as_an_array_with_a_unit_is_refused() -> None:
    class File:
        shape, dtype = (2,), np.dtype("float64")

        def __array__(self, dtype: object = None, copy: object = None) -> Any:
            return ASTROPY()

    assert "it has the unit m" in refusal(lambda: interop.to_torch(File()))
    assert "it has the unit m" in refusal(lambda: interop.to_numpy(File()))


@pytest.mark.requires("torch", "dask")
def test_convert_dask_blocks_with_a_unit_are_refused() -> None:
    blocks = lazily.lazy(np.zeros(1), chunks=1)
    stated = blocks.map_blocks(lambda _: ASTROPY()[:1], meta=ASTROPY()[:0])
    assert "it has the unit m" in refusal(lambda: lazily.convert(stated, "torch"))
    hidden = blocks.map_blocks(lambda _: ASTROPY()[:1], meta=np.zeros(0))
    assert "it has the unit m" in refusal(lambda: lazily.convert(hidden, "torch").compute())
    for x in (stated, hidden):
        assert "it has the unit m" in refusal(partial(interop.to_torch, x))
