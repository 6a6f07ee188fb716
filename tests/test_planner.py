"""The planner is a pure function: what it decides about frameworks, devices and arrays that don't exist."""

from math import prod
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings

import interop
from interop import Plan
from interop._engine.options import Wish
from interop._engine.planner import Route, make_plan
from interop.adapter import CPU, Device
from stubs import BOTH, CLOSED, FREE, HOST, METAL, SIZES, devices, facts, plan, routes

thorough = settings(max_examples=100, suppress_health_check=[HealthCheck.filter_too_much])


def planned(route: Route) -> Plan:
    answer = plan(route)
    assume(isinstance(answer, Plan))
    assert isinstance(answer, Plan)
    return answer


def within(route: Route) -> bool:
    return route.source is route.target


# What every plan looks like


@thorough
@given(route=routes())
def test_planner_makes_at_most_one_step_per_side_and_one_share(route: Route) -> None:
    made = planned(route)
    sides = [("share" if step.verb == "share" else step.side) for step in made.steps]
    assert sides in (
        [["source"]]
        if within(route)
        else [["source", "share", "target"], ["source", "share"], ["share", "target"], ["share"]]
    )


@thorough
@given(route=routes())
def test_planner_result_has_the_requested_dtype_shape_and_device(route: Route) -> None:
    made, wish, array = planned(route), route.wish, route.facts
    assert made.dtype == (wish.dtype or array.dtype)
    assert made.shape == array.shape
    assert (made.device, made.dtype) == made.steps[-1][2:4]
    assert made.device in devices(route.target)
    assert made.device == (wish.device or made.device)
    if wish.device is None and array.device in devices(route.target):
        assert made.device == array.device


@thorough
@given(route=routes())
def test_planner_counts_bytes_only_for_steps_that_write(route: Route) -> None:
    made = planned(route)
    for step in made.steps:
        assert step.bytes == (0 if step.verb in FREE else prod(made.shape) * SIZES[step.dtype])
    assert made.bytes_copied == sum(step.bytes for step in made.steps)
    assert made.zero_copy == (made.bytes_copied == 0)


@thorough
@given(route=routes())
def test_planner_shares_memory_only_on_a_device_of_both_frameworks(route: Route) -> None:
    assume(not within(route))
    made = planned(route)
    (share,) = [step for step in made.steps if step.verb == "share"]
    lendable = route.source.holds | {route.facts.device.kind}
    assert share.device == CPU or share.device.kind in lendable & route.target.holds
    assert not route.target.lacks(share.dtype)


@thorough
@given(route=routes())
def test_planner_copies_an_unshareable_array_before_the_share(route: Route) -> None:
    assume(not within(route))
    made, array = planned(route), route.facts
    hindered = array.obstacle or array.materialises or route.target.refuses(array)
    writes = made.steps[0].verb not in FREE
    assert writes or not hindered
    assert not array.materialises or made.steps[0].verb == "read"


@thorough
@given(route=routes())
def test_planner_shares_no_protected_memory_with_a_framework_that_may_write(route: Route) -> None:
    assume(not within(route))
    made, array, wish = planned(route), route.facts, route.wish
    overlaps = 0 in array.strides
    if made.zero_copy and not route.target.honours_readonly:
        assert not overlaps
        assert not array.readonly or wish.readonly == "share"
    assert made.readonly == (made.zero_copy and route.target.honours_readonly and (overlaps or array.readonly))


@thorough
@given(route=routes())
def test_planner_called_twice_gives_the_same_answer(route: Route) -> None:
    first, second = plan(route), plan(route)
    assert (first if isinstance(first, Plan) else str(first)) == (second if isinstance(second, Plan) else str(second))


def test_planner_read_step_satisfies_copy_true() -> None:
    array = facts(CLOSED, materialises="it has to be read")
    made = make_plan(Route(array, CLOSED, BOTH, Wish(copy=True)))
    assert [step.verb for step in made.steps] == ["read", "share"]


# What copy= means, and which error comes first


@thorough
@given(route=routes(copy=None))
def test_planner_copy_false_gives_the_zero_copy_plan_or_an_error(route: Route) -> None:
    free = planned(route)
    strict = plan(route._replace(wish=route.wish._replace(copy=False)))
    assert strict == free if free.zero_copy else type(strict) is interop.CopyRequiredError


@thorough
@given(route=routes(copy=None))
def test_planner_copy_true_adds_no_step_to_a_plan_that_copies(route: Route) -> None:
    free = planned(route)
    own = plan(route._replace(wish=route.wish._replace(copy=True)))
    assert isinstance(own, Plan), own
    assert own.bytes_copied > 0
    assert free.zero_copy or own.steps == free.steps


FAULTS: list[tuple[type[interop.InteropError], dict[str, Any], dict[str, Any]]] = [
    (interop.InvalidOptionError, {}, {"device": METAL}),
    (interop.DeviceUnavailableError, {}, {"device": Device(2, 7)}),
    (interop.UnsupportedArrayError, {"unsupported": "it is sparse"}, {}),
    (interop.UnsupportedArrayError, {}, {"dtype": "bool", "casting": "same_kind"}),
    (interop.GradientError, {"gradient": True}, {}),
    (interop.CopyRequiredError, {"obstacle": "its bytes are swapped"}, {"copy": False}),
]


@pytest.mark.parametrize("fault", range(len(FAULTS)))
def test_planner_with_several_faults_reports_the_first_in_a_fixed_order(fault: int) -> None:
    """Device, unsupported, gradient, copy: the first of several faults is named."""
    array, wish = facts(HOST), Wish()
    for _, fact, option in reversed(FAULTS[fault:]):
        array, wish = array._replace(**fact), wish._replace(**option)
    with pytest.raises(interop.InteropError) as caught:
        make_plan(Route(array, HOST, BOTH, wish))
    assert type(caught.value) is FAULTS[fault][0]
