"""The default casting of copyto: numbers are rounded, and other changes are refused."""

from itertools import product
from typing import Any, Final

import numpy as np
import pytest

import interop
from interop import copyto
from interop._model import dtypes
from strategies import EXOTIC, PLAIN

pytestmark = pytest.mark.requires("torch", "ml_dtypes")

PAIRS: Final = list(product(PLAIN, PLAIN))


def may_be_cast(source: str, target: str) -> bool:
    """Return whether NumPy's rules allow a cast: safe to integers, same_kind to floats."""
    if np.dtype(source).kind in "iu" and np.dtype(target).kind in "iu":
        return np.can_cast(source, target, "safe")
    return np.can_cast(source, target, "same_kind")


@pytest.mark.parametrize(("start", "end"), list(product(["numpy", "torch"], repeat=2)))
def test_copyto_refuses_exactly_the_casts_that_would_change_numbers(start: str, end: str) -> None:
    for source, target in PAIRS:
        src = interop.convert(np.ones(2, source), start)
        dst = interop.convert(np.zeros(2, target), end)
        if may_be_cast(source, target):
            copyto(dst, src)
        else:
            with pytest.raises(
                interop.UnsupportedArrayError, match=r'Pass casting="unsafe" to accept that\.$'
            ):
                copyto(dst, src)
            assert not interop.to_numpy(dst).any()
            copyto(dst, src, casting="unsafe")
        assert (interop.to_numpy(dst) == 1).all()


@pytest.mark.parametrize(
    ("source", "target", "words"),
    [
        ("int64", "int8", "int8 holds -128 to 127, and other numbers of int64 would wrap round"),
        ("uint8", "int8", "int8 holds -128 to 127, and other numbers of uint8 would wrap round"),
        (
            "uint64",
            "uint16",
            "uint16 holds 0 to 65535, and other numbers of uint64 would wrap round",
        ),
        ("int32", "uint32", "negative numbers of int32 would wrap round in uint32"),
        ("float32", "int64", "int64 would cut off the fractions of float32"),
        ("int16", "bool", "bool would keep only whether a number of int16 is zero"),
    ],
)
@pytest.mark.parametrize("to", ["numpy", "torch"])
def test_copyto_refused_cast_names_the_loss(to: str, source: str, target: str, words: str) -> None:
    dst = interop.convert(np.zeros(3, target), to)
    with pytest.raises(interop.UnsupportedArrayError) as caught:
        copyto(dst, np.ones(3, source))
    assert str(caught.value) == (
        f"cannot copy numpy {source} (3,) on cpu into {to} {target} (3,) on cpu: {words}. "
        'Pass casting="unsafe" to accept that.'
    )


@pytest.mark.parametrize(
    "wrap", [list, iter, lambda parts: np.concatenate([interop.to_numpy(x) for x in parts])]
)
def test_copyto_refuses_narrower_integers_from_every_kind_of_source(wrap: Any) -> None:
    parts = [np.array([300, 1]), interop.to_torch(np.array([2, 3]))]
    dst = np.ones(4, "int8")
    with pytest.raises(interop.UnsupportedArrayError, match="would wrap round"):
        copyto(dst, wrap(parts))
    assert (dst == 1).all()


def test_copyto_from_lazy_source_with_false_dtype_is_refused() -> None:
    """A dataset may state one dtype and return another."""
    from foreign import Lazy

    dst = np.zeros(3, "int16")
    with pytest.raises(
        interop.UnsupportedArrayError, match="int16 would cut off the fractions of float64"
    ):
        copyto(dst, Lazy(np.array([0.25, 0.5, 2.9]), dtype=np.dtype("int16")))
    assert not dst.any()


@pytest.mark.requires("dask")
def test_copyto_refuses_narrower_integers_from_dask_without_computing() -> None:
    from lazily import counted

    x, seen = counted()
    with pytest.raises(
        interop.UnsupportedArrayError, match="int8 would cut off the fractions of float32"
    ):
        copyto(np.zeros(x.shape, "int8"), x)
    assert not seen


@pytest.mark.parametrize("to", ["numpy", "torch"])
def test_copyto_to_a_narrower_float_rounds_and_overflows_to_infinity(to: str) -> None:
    dst = interop.convert(np.zeros(3, "float32"), to)
    copyto(dst, np.array([1 / 3, 1e300, -1e300]))
    np.testing.assert_array_equal(
        interop.to_numpy(dst), np.array([1 / 3, np.inf, -np.inf], "float32")
    )


@pytest.mark.parametrize("target", EXOTIC)
@pytest.mark.parametrize("to", ["numpy", "torch"])
def test_copyto_to_a_small_float_is_refused_only_without_a_sign(to: str, target: str) -> None:
    values = np.array([1, 2, 4], "float32")
    dst = interop.convert(np.ones(3), to, dtype=target)
    if target == "float8_e8m0fnu":
        with pytest.raises(
            interop.UnsupportedArrayError, match="has neither zero nor negative numbers"
        ):
            copyto(dst, values)
        copyto(dst, values, casting="unsafe")
    else:
        copyto(dst, values)
    assert interop.to_numpy(dst, dtype="float32").tolist() == [1, 2, 4]


def test_lost_numbers_of_integers_is_none_exactly_if_the_range_fits() -> None:
    """Compare the ranges in the message with the ranges of NumPy."""
    for source, target in product(PLAIN[1:9], repeat=2):
        lost = dtypes.lost_numbers(source, target)
        low, high = np.iinfo(target).min, np.iinfo(target).max
        holds = low <= np.iinfo(source).min and np.iinfo(source).max <= high
        assert (lost is None) == holds
        if lost and np.iinfo(source).min >= low:
            assert (
                lost
                == f"{target} holds {low} to {high}, and other numbers of {source} would wrap round"
            )
