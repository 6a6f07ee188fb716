"""The planner is a pure function, tested with frameworks and arrays that do not exist."""

from math import prod
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings

import interop
from interop import Plan
from interop._engine.planner import make_plan
from interop._model.conversion import Conversion
from interop._model.request import Request
from interop.adapter import CPU, Device
from stubs import BOTH, CLOSED, FREE, HOST, METAL, SIZES, conversions, devices, facts, plan

thorough = settings(max_examples=100, suppress_health_check=[HealthCheck.filter_too_much])


def planned(conversion: Conversion) -> Plan:
    answer = plan(conversion)
    assume(isinstance(answer, Plan))
    assert isinstance(answer, Plan)
    return answer


def within(conversion: Conversion) -> bool:
    return conversion.source is conversion.target


# Properties of every plan


@thorough
@given(conversion=conversions())
def test_planner_makes_at_most_one_step_per_side_and_one_share(conversion: Conversion) -> None:
    made = planned(conversion)
    sides = [("share" if step.verb == "share" else step.side) for step in made.steps]
    assert sides in (
        [["source"]]
        if within(conversion)
        else [["source", "share", "target"], ["source", "share"], ["share", "target"], ["share"]]
    )


@thorough
@given(conversion=conversions())
def test_planner_result_has_the_requested_dtype_shape_and_device(conversion: Conversion) -> None:
    made, request, array = planned(conversion), conversion.request, conversion.facts
    assert made.dtype == (request.dtype or array.dtype)
    assert made.shape == array.shape
    assert (made.device, made.dtype) == made.steps[-1][2:4]
    assert made.device in devices(conversion.target)
    assert made.device == (request.device or made.device)
    if request.device is None and array.device in devices(conversion.target):
        assert made.device == array.device


@thorough
@given(conversion=conversions())
def test_planner_counts_bytes_only_for_steps_that_write(conversion: Conversion) -> None:
    made = planned(conversion)
    for step in made.steps:
        assert step.bytes == (0 if step.verb in FREE else prod(made.shape) * SIZES[step.dtype])
    assert made.bytes_copied == sum(step.bytes for step in made.steps)
    assert made.zero_copy == (made.bytes_copied == 0)


@thorough
@given(conversion=conversions())
def test_planner_shares_memory_only_on_a_device_of_both_frameworks(conversion: Conversion) -> None:
    assume(not within(conversion))
    made = planned(conversion)
    (share,) = [step for step in made.steps if step.verb == "share"]
    lendable = conversion.source.device_kinds | {conversion.facts.device.kind}
    assert share.device == CPU or share.device.kind in lendable & conversion.target.device_kinds
    assert not conversion.target.why_no_dtype(share.dtype)


@thorough
@given(conversion=conversions())
def test_planner_copies_an_unshareable_array_before_the_share(conversion: Conversion) -> None:
    assume(not within(conversion))
    made, array = planned(conversion), conversion.facts
    unshareable = (
        array.not_shareable or array.needs_read or conversion.target.why_not_adoptable(array)
    )
    writes = made.steps[0].verb not in FREE
    assert writes or not unshareable
    assert not array.needs_read or made.steps[0].verb == "read"


@thorough
@given(conversion=conversions())
def test_planner_shares_no_protected_memory_with_a_framework_that_may_write(
    conversion: Conversion,
) -> None:
    assume(not within(conversion))
    made, array, request = planned(conversion), conversion.facts, conversion.request
    overlaps = 0 in array.strides
    if made.zero_copy and not conversion.target.honours_readonly:
        assert not overlaps
        assert not array.readonly or request.readonly == "share"
    assert made.readonly == (
        made.zero_copy and conversion.target.honours_readonly and (overlaps or array.readonly)
    )


@thorough
@given(conversion=conversions())
def test_planner_called_twice_gives_the_same_answer(conversion: Conversion) -> None:
    first, second = plan(conversion), plan(conversion)
    assert (first if isinstance(first, Plan) else str(first)) == (
        second if isinstance(second, Plan) else str(second)
    )


def test_planner_read_step_satisfies_copy_true() -> None:
    array = facts(CLOSED, needs_read="it has to be read")
    made = make_plan(Conversion(array, CLOSED, BOTH, Request(copy=True)))
    assert [step.verb for step in made.steps] == ["read", "share"]


# The keyword copy=, and the order of errors


@thorough
@given(conversion=conversions(copy=None))
def test_planner_copy_false_gives_the_zero_copy_plan_or_an_error(conversion: Conversion) -> None:
    free = planned(conversion)
    strict = plan(conversion._replace(request=conversion.request._replace(copy=False)))
    assert strict == free if free.zero_copy else type(strict) is interop.CopyRequiredError


@thorough
@given(conversion=conversions(copy=None))
def test_planner_copy_true_adds_no_step_to_a_plan_that_copies(conversion: Conversion) -> None:
    free = planned(conversion)
    own = plan(conversion._replace(request=conversion.request._replace(copy=True)))
    assert isinstance(own, Plan), own
    assert own.bytes_copied > 0
    assert free.zero_copy or own.steps == free.steps


FAULTS: list[tuple[type[interop.InteropError], dict[str, Any], dict[str, Any]]] = [
    (interop.InvalidOptionError, {}, {"device": METAL}),
    (interop.DeviceUnavailableError, {}, {"device": Device(2, 7)}),
    (interop.UnsupportedArrayError, {"unsupported": "it is sparse"}, {}),
    (interop.UnsupportedArrayError, {}, {"dtype": "bool", "casting": "same_kind"}),
    (interop.GradientError, {"gradient": True}, {}),
    (interop.CopyRequiredError, {"not_shareable": "its bytes are swapped"}, {"copy": False}),
]


@pytest.mark.parametrize("fault", range(len(FAULTS)))
def test_planner_with_several_faults_reports_the_first_in_a_fixed_order(fault: int) -> None:
    """The order is device, unsupported, gradient, copy."""
    array, request = facts(HOST), Request()
    for _, fact, option in reversed(FAULTS[fault:]):
        array, request = array._replace(**fact), request._replace(**option)
    with pytest.raises(interop.InteropError) as caught:
        make_plan(Conversion(array, HOST, BOTH, request))
    assert type(caught.value) is FAULTS[fault][0]
