"""Compare `convert` with the plan that `explain` gives, for any array that a strategy generates."""

from typing import Any

import pytest
from hypothesis import HealthCheck, assume, settings

import interop
from strategies import Case

thorough = settings(max_examples=150, suppress_health_check=[HealthCheck.filter_too_much])
"""Many examples end early at a refusal, so the filter is not limited."""


def explain(case: Case, to: str, kwargs: dict[str, Any]) -> interop.Plan | interop.InteropError:
    try:
        return interop.explain(case.x, to, **kwargs)
    except interop.InteropError as refusal:
        return refusal


def convert(case: Case, to: str, kwargs: dict[str, Any]) -> tuple[interop.Plan, Any]:
    """Convert three times, and return the plan and the last result.

    The third conversion uses the remembered plan, if plans of this array are remembered. If the
    plan is an error, the conversion must raise an equal error, and the example ends.
    """
    plan = explain(case, to, kwargs)
    if isinstance(plan, interop.Plan):
        return plan, [interop.convert(case.x, to, **kwargs) for _ in range(3)][-1]
    with pytest.raises(type(plan)) as caught:
        interop.convert(case.x, to, **kwargs)
    assert str(caught.value) == str(plan)
    return assume(False), None
