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
from interop.adapter.lazy import ReadAdapter

if TYPE_CHECKING:
    from interop._engine.options import Wish
    from interop._engine.planner import Route
    from interop._identify.operand import Found
    from interop._model.plan import Plan, Verb
    from interop.adapter import Adapter, Facts


def is_read_first(source: Adapter, facts: Facts) -> bool:
    """Return whether an array exists only after a read, so that the known facts are only stated."""
    if facts.materialises is None or not isinstance(source, ReadAdapter):
        return False
    return source.lazy or facts.device.is_host  # memory on a device that only a library can read is moved, not read


def read(source: Adapter, x: Any, label: str, target: Adapter | None = None) -> Found:
    """Read or compute an object once, and identify the array that comes.

    An array of a foreign object keeps the name of its class in messages, `label`.
    """
    array = cast("ReadAdapter", source).read(x)
    found = registry.identify(array, target)
    return found if source.lazy else found._replace(label=label)


def make_plan(route: Route, *, strict: bool = True) -> Plan:
    """Plan a conversion, from the stated facts if the object is read first.

    A cast of the stated dtype is refused only if `strict`: a conversion that goes on asks again about what was read.

    Raises
    ------
    InteropError
        As `_planner.make_plan`.
    """
    if not is_read_first(route.source, route.facts):
        return planner.make_plan(route)
    wish = wish_when_read(route.wish)
    if not strict:
        wish = wish._replace(casting="unsafe")
    expected = route._replace(facts=route.facts._replace(materialises=None), wish=wish)
    plan = join(route.facts, planner.make_plan(expected), route.facts)
    check_copy(route)
    return plan


def check_copy(route: Route) -> None:
    """Refuse `copy=False` of an object that is read first."""
    if route.wish.copy is False:
        reason = f"it takes a copy, because {route.facts.materialises}. Leave copy=False out to allow it."
        raise route.refusal(errors.CopyRequiredError, reason)


def wish_when_read(wish: Wish) -> Wish:
    """Return the wish that remains after a read, without `copy`.

    The array that was read is already independent.
    """
    return wish._replace(copy=None)


def join(stated: Facts, rest: Plan, facts: Facts, verb: Verb = "read") -> Plan:
    """Put the reading of an object in front of the plan for the array that comes, which `facts` describe."""
    step = Step(verb, "source", facts.device, facts.dtype, facts.nbytes)
    steps = (step, *(s for s in rest.steps if s.verb != "keep"))
    reason = str(stated.materialises)
    if not rest.zero_copy:
        reason = f"{reason}, and {rest.reason}"
    return rest._replace(source=stated.framework, source_device=facts.device, steps=steps, reason=reason)
