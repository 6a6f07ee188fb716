"""Plans for objects that must be read or computed before an array exists.

Such an object states a shape and a dtype, but the read may give an array with other facts. So the
plan that `explain` shows starts with the read, and its other steps are an expectation. A conversion
reads the object, describes the resulting array, and plans again from these facts.
"""

from __future__ import annotations

import math
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
    """Whether the facts are only stated, because the array exists only after a read."""
    if facts.needs_read is None or not isinstance(source, ReadAdapter):
        return False
    # Memory on a device that only a library can read is moved to the host instead.
    return source.lazy or facts.device.is_host


def read(source: Adapter, x: Any, foreign_class: str, target: Adapter | None = None) -> Operand:
    """Read or compute an object once, and identify the resulting array.

    In messages, the array of a foreign object keeps the name of the object's class,
    `foreign_class`.
    """
    array = cast("ReadAdapter", source).read(x)
    operand = registry.identify(array, target)
    # A computed array is named after the framework of the blocks.
    if source.lazy:
        return operand
    return operand._replace(foreign_class=foreign_class)


def plan_with_read(conversion: Conversion, *, strict: bool = True) -> Plan:
    """Plan a conversion. If the object is read first, plan from the stated facts.

    Only a `strict` plan refuses a cast of the stated dtype. `convert` plans without `strict`,
    because it checks the cast again for the dtype that was read.

    Raises
    ------
    InteropError
        As `planner.make_plan`.
    """
    if not is_read_first(conversion.source, conversion.facts):
        return planner.make_plan(conversion)
    request = request_after_reading(conversion.request)
    if conversion.request.copy is False:
        # Nothing will be read, so both plans are made of the stated dtype, and no policy applies.
        request = request._replace(host_copy="allow", max_host_bytes=math.inf)
    elif not strict:
        request = request._replace(casting="unsafe")
    expected = conversion._replace(
        facts=conversion.facts._replace(needs_read=None), request=request
    )
    plan = join(conversion.facts, planner.make_plan(expected), conversion.facts)
    # This comes last, so that a wrong device or dtype is reported first.
    check_copy(conversion)
    return plan


def check_copy(conversion: Conversion) -> None:
    """Raise an error for ``copy=False`` with an object that is read first."""
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
    """Return the plan for an object: the read, then the plan for the array that was read.

    `stated` describes the object, and `facts` and `rest` are of the array.
    """
    # A lazy array travels to this process from wherever it is computed.
    travel = facts.nbytes if verb is Verb.COMPUTE else 0
    step = Step(verb, "source", facts.device, facts.dtype, facts.nbytes, travel)
    # The array that was read may stay as it is. The plan then ends with the read.
    following = [s for s in rest.steps if s.verb is not Verb.KEEP]
    reason = str(stated.needs_read)
    if not rest.zero_copy:
        reason = f"{reason}, and {rest.reason}"
    return rest._replace(
        source=stated.framework,
        source_device=facts.device,
        steps=(step, *following),
        reason=reason,
    )
