"""The keyword `dtype=`: one copy, equal numbers, and no implicit loss of precision."""

import itertools
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st

import interop
from attempt import convert, explain, thorough
from strategies import DTYPES, EXOTIC, Case, cases, keywords, numpy_dtype, torch_dtype

pytestmark = pytest.mark.requires("torch", "ml_dtypes")
to_each = pytest.mark.parametrize("to", ["numpy", "torch"])
everywhere = pytest.mark.parametrize(
    ("x", "to"), list(itertools.product(["numpy", "torch"], repeat=2))
)


def numbers(x: Any) -> list[complex]:
    """Return the elements as Python numbers, read through the framework."""
    plain = (
        x.detach().to(torch.complex128).resolve_conj()
        if isinstance(x, torch.Tensor)
        else x.astype("complex128")
    )
    flat: list[complex] = plain.reshape(-1).tolist()
    return flat


def keeps_kind(source: str, target: str) -> bool:
    """Return numpy.can_cast with "same_kind", with the dtypes of ml_dtypes as floats."""
    plain = {dtype: "float16" if dtype in EXOTIC else dtype for dtype in (source, target)}
    return np.can_cast(plain[source], plain[target], "same_kind")


@to_each
@thorough
@given(case=cases(of="numbers"), kwargs=keywords(), dtype=st.sampled_from(DTYPES))
def test_convert_with_dtype_makes_one_copy_with_equal_numbers(
    case: Case, to: str, kwargs: dict[str, Any], dtype: str
) -> None:
    """The numbers are representable in every dtype. Other numbers depend on the framework."""
    assume(keeps_kind(case.dtype, dtype) and dtype != case.dtype)
    assume(not (case.read and dtype in EXOTIC))  # NumPy reads, ml_dtypes or torch casts
    before = numbers(case.array)
    plan, result = convert(case, to, kwargs | {"dtype": dtype})
    assert result.dtype == (torch_dtype(dtype) if to == "torch" else numpy_dtype(dtype))
    assert plan.dtype == dtype
    assert numbers(result) == before
    casts = [
        step for step in plan.steps if step.verb != "read"
    ]  # an object is read before the cast
    assert sum(step.bytes > 0 for step in casts) == (result.nbytes > 0)
    assert not plan.zero_copy
    assert not interop.shares_memory(result, case.array)


@to_each
@thorough
@given(case=cases(of="bytes"), dtype=st.sampled_from(DTYPES))
def test_explain_cast_that_loses_the_kind_of_number_is_refused(
    case: Case, to: str, dtype: str
) -> None:
    assume(not keeps_kind(case.dtype, dtype))
    assert isinstance(explain(case, to, {"dtype": dtype}), interop.UnsupportedArrayError)
    plan = explain(case, to, {"dtype": dtype, "casting": "unsafe", "detach": True})
    assert isinstance(plan, interop.Plan)
    assert plan.dtype == dtype


LOSSES = {
    ("complex64", "float32"): "float32 would drop the imaginary parts of complex64",
    ("complex128", "int8"): "int8 would drop the imaginary parts of complex128",
    ("float64", "int64"): "int64 would cut off the fractions of float64",
    ("float16", "uint8"): "uint8 would cut off the fractions of float16",
    ("int8", "uint8"): "negative numbers of int8 would wrap round in uint8",
    ("int32", "bool"): "bool would keep only whether a number of int32 is zero",
    ("float32", "bool"): "bool would keep only whether a number of float32 is zero",
}


@pytest.mark.parametrize(("source", "target"), LOSSES)
@everywhere
def test_convert_lossy_cast_needs_casting_unsafe(x: str, to: str, source: str, target: str) -> None:
    array = interop.convert(np.array([1, 2], source), x)
    reason = f'{LOSSES[source, target]}. Pass casting="unsafe" to accept that.'
    with pytest.raises(interop.UnsupportedArrayError) as caught:
        interop.convert(array, to, dtype=target)
    assert str(caught.value) == f"cannot convert {x} {source} (2,) on cpu to {to}: {reason}"
    result = interop.convert(array, to, dtype=target, casting="unsafe")
    np.testing.assert_array_equal(
        interop.to_numpy(result), np.array([1, 2]).astype(target), strict=True
    )


@everywhere
def test_convert_with_casting_unsafe_gives_no_warning(x: str, to: str) -> None:
    """With casting="unsafe", NaN to integer and a dropped imaginary part give no warning."""
    nan = interop.convert(np.array([np.nan, 1e300]), x)
    assert interop.convert(nan, to, dtype="int32", casting="unsafe").shape == (2,)
    whole = interop.convert(np.array([1 + 2j]), x)
    assert interop.convert(whole, to, dtype="float32", casting="unsafe").tolist() == [1.0]


@everywhere
def test_convert_too_large_float_gives_infinity(x: str, to: str) -> None:
    large = interop.convert(np.array([1e300, -1e300]), x)
    assert interop.convert(large, to, dtype="float32").tolist() == [np.inf, -np.inf]
