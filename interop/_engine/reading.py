"""Plans for objects that are read or computed first: from stated facts, and again after the read.

An object states a shape and a dtype, and may give another array when it is read. So the plan that `explain` shows
starts with the reading, and the rest of it is an expectation. A conversion reads, describes the array that came, and
plans the rest from that. Above the planner, below lazy arrays and the flow, which both do so.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from interop import errors
from interop._engine import planner
from interop._identify import registry
from interop._model.plan import Step
from interop._model.verb import Verb
from interop.adapter.lazy import ReadAdapter

if TYPE_CHECKING:
    from interop._identify.operand import Operand
    from interop._model.conversion import Conversion
    from interop._model.plan import Plan
    from interop._model.request import Request
    from interop.adapter import Adapter, Facts


def is_read_first(source: Adapter, facts: Facts) -> bool:
    """Return whether an array exists only after a read, so that the known facts are only stated."""
    if facts.needs_read is None or not isinstance(source, ReadAdapter):
        return False
    return (
        source.lazy or facts.device.is_host
    )  # memory on a device that only a library can read is moved, not read


def read(source: Adapter, x: Any, foreign_class: str, target: Adapter | None = None) -> Operand:
    """Read or compute an object once, and identify the array that comes.

    An array of a foreign object keeps the name of its class in messages, `foreign_class`.
    """
    array = cast("ReadAdapter", source).read(x)
    operand = registry.identify(array, target)
    return operand if source.lazy else operand._replace(foreign_class=foreign_class)


def plan_with_read(conversion: Conversion, *, strict: bool = True) -> Plan:
    """Plan a conversion, from the stated facts if the object is read first.

    A cast of the stated dtype is refused only if `strict`: a conversion that goes on asks again about what was read.

    Raises
    ------
    InteropError
        As `_planner.make_plan`.
    """
    if not is_read_first(conversion.source, conversion.facts):
        return planner.make_plan(conversion)
    request = request_after_reading(conversion.request)
    if not strict:
        request = request._replace(casting="unsafe")
    expected = conversion._replace(
        facts=conversion.facts._replace(needs_read=None), request=request
    )
    plan = join(conversion.facts, planner.make_plan(expected), conversion.facts)
    check_copy(conversion)
    return plan


def check_copy(conversion: Conversion) -> None:
    """Refuse `copy=False` of an object that is read first."""
    if conversion.request.copy is False:
        reason = f"it takes a copy, because {conversion.facts.needs_read}"
        hint = "Leave copy=False out to allow it."
        raise conversion.refusal(errors.CopyRequiredError, reason, hint)


def request_after_reading(request: Request) -> Request:
    """Return the request that remains after a read, without `copy`.

    The array that was read is already independent.
    """
    return request._replace(copy=None)


def join(stated: Facts, rest: Plan, facts: Facts, verb: Verb = Verb.READ) -> Plan:
    """Put the reading of an object in front of the plan for the array that comes, which `facts` describe."""
    step = Step(verb, "source", facts.device, facts.dtype, facts.nbytes)
    steps = (step, *(s for s in rest.steps if s.verb is not Verb.KEEP))
    reason = str(stated.needs_read)
    if not rest.zero_copy:
        reason = f"{reason}, and {rest.reason}"
    return rest._replace(
        source=stated.framework, source_device=facts.device, steps=steps, reason=reason
    )
