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
def test_at_most_one_step_a_side_and_one_share_between(route: Route) -> None:
    made = planned(route)
    sides = [("share" if step.verb == "share" else step.side) for step in made.steps]
    assert sides in (
        [["source"]]
        if within(route)
        else [["source", "share", "target"], ["source", "share"], ["share", "target"], ["share"]]
    )


@thorough
@given(route=routes())
def test_the_result_is_what_was_asked_for(route: Route) -> None:
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
def test_bytes_are_counted_where_they_are_written(route: Route) -> None:
    made = planned(route)
    for step in made.steps:
        assert step.bytes == (0 if step.verb in FREE else prod(made.shape) * SIZES[step.dtype])
    assert made.bytes_copied == sum(step.bytes for step in made.steps)
    assert made.zero_copy == (made.bytes_copied == 0)


@thorough
@given(route=routes())
def test_memory_changes_hands_where_both_can_be(route: Route) -> None:
    assume(not within(route))
    made = planned(route)
    (share,) = [step for step in made.steps if step.verb == "share"]
    lendable = route.source.holds | {route.facts.device.kind}
    assert share.device == CPU or share.device.kind in lendable & route.target.holds
    assert not route.target.lacks(share.dtype)


@thorough
@given(route=routes())
def test_what_nobody_may_see_as_it_lies_is_written_anew_first(route: Route) -> None:
    assume(not within(route))
    made, array = planned(route), route.facts
    hindered = array.obstacle or array.materialises or route.target.refuses(array)
    writes = made.steps[0].verb not in FREE
    assert writes or not hindered
    assert not array.materialises or made.steps[0].verb == "read"


@thorough
@given(route=routes())
def test_no_framework_gets_memory_that_it_might_spoil(route: Route) -> None:
    assume(not within(route))
    made, array, wish = planned(route), route.facts, route.wish
    overlaps = 0 in array.strides
    if made.zero_copy and not route.target.honours_readonly:
        assert not overlaps
        assert not array.readonly or wish.readonly == "share"
    assert made.readonly == (made.zero_copy and route.target.honours_readonly and (overlaps or array.readonly))


@thorough
@given(route=routes())
def test_planning_twice_gives_the_same(route: Route) -> None:
    first, second = plan(route), plan(route)
    assert (first if isinstance(first, Plan) else str(first)) == (second if isinstance(second, Plan) else str(second))


def test_reading_is_the_copy_that_was_asked_for() -> None:
    array = facts(CLOSED, materialises="it has to be read")
    made = make_plan(Route(array, CLOSED, BOTH, Wish(copy=True)))
    assert [step.verb for step in made.steps] == ["read", "share"]


# What copy= means, and which error comes first


@thorough
@given(route=routes(copy=None))
def test_copy_false_is_the_free_plan_or_an_error(route: Route) -> None:
    free = planned(route)
    strict = plan(route._replace(wish=route.wish._replace(copy=False)))
    assert strict == free if free.zero_copy else type(strict) is interop.CopyRequiredError


@thorough
@given(route=routes(copy=None))
def test_copy_true_costs_nothing_where_a_copy_is_made_anyway(route: Route) -> None:
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
def test_errors_come_in_order(fault: int) -> None:
    """Device, unsupported, gradient, copy: the first of several faults is named."""
    array, wish = facts(HOST), Wish()
    for _, fact, option in reversed(FAULTS[fault:]):
        array, wish = array._replace(**fact), wish._replace(**option)
    with pytest.raises(interop.InteropError) as caught:
        make_plan(Route(array, HOST, BOTH, wish))
    assert type(caught.value) is FAULTS[fault][0]
