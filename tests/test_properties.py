"""Properties of every conversion of any array: values, memory, and agreement with `explain`."""

import re
from typing import Any

import pytest
from hypothesis import assume, given

import interop
from attempt import convert, explain, thorough
from memory import bits, change, is_writable, overwrite, state, strides
from strategies import Case, cases, keywords, numpy_cases, numpy_dtype, torch_cases, torch_dtype

CASES = cases(of="bytes")
pytestmark = [
    pytest.mark.requires("torch", "ml_dtypes"),
    pytest.mark.parametrize("to", ["numpy", "torch"]),
]


def must_copy(case: Case, to: str) -> bool:
    """Return whether the target cannot use the memory unchanged."""
    unwilling = to == "torch" and (case.layout.is_reversed or case.layout.overlaps)
    return case.framework != to and (case.read or case.not_shareable or unwilling)


def expected(case: Case, to: str, kwargs: dict[str, Any]) -> type[interop.InteropError] | bool:
    """Return the error that the documentation promises, or else whether memory is shared."""
    if case.gradient and to != "torch" and not kwargs.get("detach"):
        return interop.GradientError
    copies = must_copy(case, to) or kwargs.get("copy") is True
    if not copies and case.readonly and to == "torch" and kwargs.get("readonly") != "share":
        if kwargs.get("readonly") == "error":
            return interop.CopyRequiredError
        copies = True
    return interop.CopyRequiredError if copies and kwargs.get("copy") is False else not copies


@thorough
@given(case=CASES, kwargs=keywords())
def test_convert_keeps_values_shape_and_dtype(case: Case, to: str, kwargs: dict[str, Any]) -> None:
    plan, result = convert(case, to, kwargs)
    assert interop.framework_of(result) == to
    assert bits(result) == bits(case.array)
    assert tuple(result.shape) == plan.shape == case.layout.shape
    dtype = torch_dtype(case.dtype) if to == "torch" else numpy_dtype(case.dtype)
    assert result.dtype == dtype or result is case.x
    assert plan.dtype == case.dtype


@thorough
@given(case=CASES, kwargs=keywords())
def test_convert_and_explain_leave_the_source_unchanged(
    case: Case, to: str, kwargs: dict[str, Any]
) -> None:
    before = state(case.array)
    explain(case, to, kwargs)
    assert state(case.array) == before
    convert(case, to, kwargs)
    assert state(case.array) == before


@thorough
@given(case=CASES, kwargs=keywords())
def test_convert_shares_memory_exactly_when_explain_says_zero_copy(
    case: Case, to: str, kwargs: dict[str, Any]
) -> None:
    plan, result = convert(case, to, kwargs)
    assert interop.shares_memory(result, case.array) == (plan.zero_copy and case.array.nbytes > 0)
    assert plan.bytes_copied == (0 if plan.zero_copy else case.array.nbytes)
    before = bits(result)
    change(case.root, dtype=case.dtype)
    assert bits(result) == (bits(case.array) if plan.zero_copy else before)


@thorough
@given(case=CASES, kwargs=keywords())
def test_convert_write_to_the_result_reaches_the_source_only_if_shared(
    case: Case, to: str, kwargs: dict[str, Any]
) -> None:
    plan, result = convert(case, to, kwargs)
    assume(is_writable(result) and not case.layout.overlaps)
    before = bits(case.array)
    overwrite(result)
    assert bits(case.array) == (bits(result) if plan.zero_copy else before)


@thorough
@given(case=CASES, kwargs=keywords())
def test_convert_shared_read_only_or_overlapping_memory_is_not_writable(
    case: Case, to: str, kwargs: dict[str, Any]
) -> None:
    plan, result = convert(case, to, kwargs)
    assume(plan.zero_copy and result is not case.x and result.nbytes)
    accepted = to == "torch" and kwargs.get("readonly") == "share"
    assert is_writable(result) == (not plan.readonly)
    if case.layout.overlaps or (case.readonly and not accepted):
        assert not is_writable(result)


@thorough
@given(case=CASES, kwargs=keywords())
def test_convert_shared_memory_keeps_the_strides(
    case: Case, to: str, kwargs: dict[str, Any]
) -> None:
    plan, result = convert(case, to, kwargs)
    assert not plan.zero_copy or strides(result) == strides(case.array)


@thorough
@given(case=CASES, kwargs=keywords())
def test_explain_plans_a_copy_only_when_documented(
    case: Case, to: str, kwargs: dict[str, Any]
) -> None:
    """Only interleaved layouts may be copied without need, because overlap is hard to decide."""
    assume(case.layout.overlaps or not case.layout.interleaves)
    assume(case.array.nbytes)
    plan = explain(case, to, kwargs)
    answer = plan.zero_copy if isinstance(plan, interop.Plan) else type(plan)
    assert answer == expected(case, to, kwargs)


@thorough
@given(case=CASES, kwargs=keywords())
def test_explain_copy_false_is_refused_exactly_when_a_copy_is_planned(
    case: Case, to: str, kwargs: dict[str, Any]
) -> None:
    free = explain(case, to, kwargs | {"copy": None})
    strict = explain(case, to, kwargs | {"copy": False})
    assert not isinstance(strict, interop.Plan) or strict == free
    if isinstance(free, interop.Plan):
        assert isinstance(strict, interop.Plan if free.zero_copy else interop.CopyRequiredError)
    else:
        assert type(strict) is type(free)


@thorough
@given(case=CASES, kwargs=keywords())
def test_convert_copy_true_makes_one_writable_copy(
    case: Case, to: str, kwargs: dict[str, Any]
) -> None:
    plan, result = convert(case, to, kwargs | {"copy": True})
    assert not plan.zero_copy
    assert plan.bytes_copied == case.array.nbytes
    assert result is not case.x
    assert is_writable(result)
    assert not interop.shares_memory(result, case.array)


@thorough
@given(case=numpy_cases() | torch_cases())
def test_convert_to_own_framework_returns_the_array_itself(case: Case, to: str) -> None:
    assume(case.framework == to)
    assert interop.convert(case.x, to) is case.x
    assert interop.convert(case.x, to, copy=False, readonly="error", dtype=None) is case.x


@thorough
@given(case=CASES, kwargs=keywords())
def test_explain_error_hint_leads_to_a_later_error_or_a_plan(
    case: Case, to: str, kwargs: dict[str, Any]
) -> None:
    """Following the hint in a message gives an array, or an error of a later kind."""
    kinds = [interop.GradientError, interop.CopyRequiredError, interop.Plan]
    advice = {
        "detach=True": True,
        'readonly="share"': "share",
        'readonly="copy"': "copy",
        "copy=False out": None,
    }
    answer = explain(case, to, kwargs)
    for words, value in advice.items():
        if isinstance(answer, interop.InteropError) and words in str(answer):
            followed = explain(case, to, kwargs | {re.findall(r"\w+", words)[0]: value})
            assert kinds.index(type(followed)) > kinds.index(type(answer)), followed
