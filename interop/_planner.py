"""Facts in, plan out. Every choice and every reason is here; nothing is touched, and no framework is named.

A plan is at most one step in the source's framework (materialise, move, cast), one share, and one step in the
target's (move, cast). Memory changes hands where both frameworks can be: there the share happens.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from interop import _dtypes, _layout, errors
from interop._plan import Plan, Step, Verb
from interop.adapter import CPU

if TYPE_CHECKING:
    from interop._options import Wish
    from interop.adapter import Adapter, Device, Facts


class Route(NamedTuple):
    """What a plan is made of: who has what, and who wants what. The adapters are asked, never told."""

    facts: Facts
    source: Adapter
    target: Adapter
    wish: Wish

    def refusal(self, error: type[errors.InteropError], reason: str) -> errors.InteropError:
        """Return the error that names source, target, reason and cure."""
        return error(f"cannot convert {self.facts} to {self.target.name}: {reason}")


def make_plan(route: Route) -> Plan:
    """Decide. What can't be done is an error, in this order: device, numbers, dtype, gradient, copy.

    Raises
    ------
    DeviceUnavailableError, InvalidOptionError, UnsupportedArrayError, GradientError, CopyRequiredError
    """
    device = _place(route)
    within = route.facts.framework == route.target.name
    plan = _plan_within(route, device) if within else _plan_across(route, device)
    if route.wish.copy is False and not plan.zero_copy:
        raise route.refusal(errors.CopyRequiredError, f"it takes a copy, because {plan.reason}. {_way_out(route)}")
    return plan


def _place(route: Route) -> Device:
    """Find the result's device: the one asked for, else the array's own if the target can be there, else home."""
    asked, here, target = route.wish.device, route.facts.device, route.target
    placed = target.place(asked or (here if here.kind in target.holds else target.home))
    if isinstance(placed, str) and asked is None:
        placed = target.place(target.home)
    if isinstance(placed, str):
        known = asked is None or asked.kind in target.holds
        raise route.refusal(errors.DeviceUnavailableError if known else errors.InvalidOptionError, placed)
    return placed


def _plan_within(route: Route, device: Device) -> Plan:
    """Plan for an array that is native already: the same object, unless something has to change."""
    facts = route.facts
    dtype = _result_dtype(route) if route.wish.dtype else facts.dtype
    reason = facts.materialises or _moves(facts.device, device) or _casts(facts.dtype, dtype) or _asks_copy(route)
    verb: Verb = "read" if facts.materialises else "move" if device != facts.device else "copy" if reason else "keep"
    step = Step(verb, "source", device, dtype, _size(facts, dtype) if reason else 0)
    return _finish(route, [step], reason or f"it is {facts.framework}'s already")


def _plan_across(route: Route, device: Device) -> Plan:
    """Plan for an array that changes its framework."""
    facts, here = route.facts, route.facts.device
    if facts.unsupported:
        raise route.refusal(errors.UnsupportedArrayError, facts.unsupported)
    dtype = _result_dtype(route)
    if facts.gradient and not route.wish.detach:
        cost = f"it requires grad, and {route.target.name} would cut it off its graph. Pass detach=True to allow it."
        raise route.refusal(errors.GradientError, cost)
    meet = _meeting_point(route, device)
    crossing = _crossing_dtype(route, device, dtype)
    first = facts.materialises or facts.obstacle or _moves(here, meet) or _casts(facts.dtype, crossing)
    first = first or route.target.refuses(facts)
    last = _moves(meet, device) or _casts(crossing, dtype)
    if not first and not last:
        spare = _asks_copy(route) or _protects(route)
        first, last = (spare, None) if here.kind in route.source.holds else (None, spare)
    steps = [*_source_steps(route, first, meet, crossing), Step("share", "source", meet, crossing)]
    if last:
        steps.append(Step("move" if meet != device else "copy", "target", device, dtype, _size(facts, dtype)))
    if reason := first or last:
        return _finish(route, steps, reason)
    readonly = route.target.honours_readonly and (facts.readonly or _layout.overlaps(facts))
    return _finish(route, steps, f"both can use the same memory on {device}", readonly=readonly)


def _source_steps(route: Route, reason: str | None, meet: Device, dtype: str) -> list[Step]:
    facts, here = route.facts, route.facts.device
    if reason is None:
        return [Step("detach", "source", here, dtype)] if facts.gradient else []
    if here.kind not in route.source.holds:
        text = f"{reason}, and {facts.framework} cannot be asked for a copy. Convert it to a GPU framework first."
        raise route.refusal(errors.UnsupportedArrayError, text)
    verb: Verb = "read" if facts.materialises else "move" if meet != here else "copy"
    return [Step(verb, "source", meet, dtype, _size(facts, dtype))]


def _finish(route: Route, steps: list[Step], reason: str, *, readonly: bool = False) -> Plan:
    facts, last = route.facts, steps[-1]
    return Plan(
        facts.framework, route.target.name, facts.shape, last.device, last.dtype, tuple(steps), reason, readonly
    )


# -- choices -----------------------------------------------------------------------------------------------------


def _meeting_point(route: Route, device: Device) -> Device:
    """Choose where the memory changes hands: the source downloads, the target uploads, one peer copy stays one."""
    here = route.facts.device
    if here.kind != device.kind:
        return CPU
    return device if here.kind in route.source.holds else here


def _crossing_dtype(route: Route, device: Device, dtype: str) -> str:
    """Choose the dtype that travels: the one with fewer bytes, among those that both sides have."""
    facts = route.facts
    if dtype == facts.dtype or route.target.lacks(facts.dtype):
        return dtype
    if route.source.lacks(dtype):
        return facts.dtype
    smaller = _dtypes.itemsize(dtype) <= _dtypes.itemsize(facts.dtype)
    return dtype if device == facts.device or smaller else facts.dtype


def _result_dtype(route: Route) -> str:
    """Return the result's dtype. The target must have it, and the kind of number must not be lost unasked."""
    facts, wish = route.facts, route.wish
    dtype = wish.dtype or facts.dtype
    reason = route.target.lacks(dtype)
    if facts.unsupported and dtype != facts.dtype:
        reason = facts.unsupported
    elif not reason and wish.casting == "same_kind" and not _dtypes.can_cast(facts.dtype, dtype):
        reason = f'dtype="{dtype}" would lose the kind of number. Pass casting="unsafe" to accept that.'
    if reason:
        raise route.refusal(errors.UnsupportedArrayError, reason)
    return dtype


# -- reasons -----------------------------------------------------------------------------------------------------


def _moves(start: Device, end: Device) -> str | None:
    return f"it moves from {start} to {end}" if start != end else None


def _casts(start: str, end: str) -> str | None:
    return f"the dtype changes from {start} to {end}" if start != end else None


def _asks_copy(route: Route) -> str | None:
    return "copy=True asks for an independent array" if route.wish.copy else None


def _protects(route: Route) -> str | None:
    """Return why memory that must not be written to can't be handed to the target; an error if that was asked for."""
    facts, target = route.facts, route.target
    if target.honours_readonly:
        return None
    if _layout.overlaps(facts):
        return f"its elements overlap in memory, and {target.name} would write to them all the same"
    if not facts.readonly or route.wish.readonly == "share":
        return None
    reason = f"it is read-only, and {target.name} would write to it all the same"
    if route.wish.readonly == "error":
        raise route.refusal(errors.CopyRequiredError, f'{reason}. Pass readonly="copy" or readonly="share".')
    return reason


def _way_out(route: Route) -> str:
    """Say what to write instead of copy=False."""
    if route.facts.readonly and not route.target.honours_readonly:
        return 'Leave copy=False out, or pass readonly="share" if nobody writes to the result.'
    return "Leave copy=False out to allow it."


def _size(facts: Facts, dtype: str) -> int:
    if dtype == facts.dtype:
        return facts.nbytes
    return facts.nbytes // _dtypes.itemsize(facts.dtype) * _dtypes.itemsize(dtype)
