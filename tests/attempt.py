"""Compare `convert` with the plan that `explain` gives, for any array that a strategy generates."""

from typing import Any

import pytest
from hypothesis import HealthCheck, assume, settings

import interop
from strategies import Case

thorough = settings(max_examples=150, suppress_health_check=[HealthCheck.filter_too_much])
"""Refusals are checked, and end an example early: many are thrown away."""


def explain(case: Case, to: str, kwargs: dict[str, Any]) -> interop.Plan | interop.InteropError:
    try:
        return interop.explain(case.x, to, **kwargs)
    except interop.InteropError as refusal:
        return refusal


def convert(case: Case, to: str, kwargs: dict[str, Any]) -> tuple[interop.Plan, Any]:
    """Convert what can be converted, and hold the conversion to the plan; an error has to be the plan's.

    It is done three times, and the last by heart, if it is remembered at all.
    """
    plan = explain(case, to, kwargs)
    if isinstance(plan, interop.Plan):
        return plan, [interop.convert(case.x, to, **kwargs) for _ in range(3)][-1]
    with pytest.raises(type(plan)) as caught:
        interop.convert(case.x, to, **kwargs)
    assert str(caught.value) == str(plan)
    return assume(False), None
