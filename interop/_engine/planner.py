"""Facts in, plan out. Every choice and every reason is here; nothing is touched, and no framework is named.

A plan is at most one step in the source's framework (materialise, move, cast), one share, and one step in the
target's (move, cast). Memory changes hands where both frameworks can be: there the share happens.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from interop import errors
from interop._engine import policy
from interop._model import dtypes, layout
from interop._model.plan import Plan, Step, Verb
from interop._model.reasons import NO_COPY, asks_copy, casts, join, misalignment, moves, protects, way_out
from interop.adapter import CPU, LIBRARY, Device
from interop.adapter.streams import UNORDERED

if TYPE_CHECKING:
    from interop._engine.options import Wish
    from interop.adapter import Adapter, Facts


_LARGE: Final = 4 * 1024 * 1024
"""Bytes from which on the speed of a copy matters more than what its call costs. Casts are slow at any size."""


class Route(NamedTuple):
    """What a plan is made of: who has what, and who wants what. The adapters are asked, never told."""

    facts: Facts
    source: Adapter
    target: Adapter
    wish: Wish
    refused: str | None = None
    """What the target has said when it was to share the memory."""
    address: int | None = None
    """Where the first element is on the host, if that matters to the target: see `Adapter.alignment`."""

    def refusal(self, error: type[errors.InteropError], reason: str) -> errors.InteropError:
        """Return the error that names source, target, reason and cure."""
        return error(f"cannot convert {self.facts} to {self.target.name}: {reason}")


def make_plan(route: Route) -> Plan:
    """Decide. What can't be done is an error, in this order: device, numbers, dtype, gradient, copy, policy.

    Raises
    ------
    DeviceUnavailableError, InvalidOptionError, UnsupportedArrayError, GradientError, CopyRequiredError, HostCopyError
    """
    device = _place(route)
    within = route.facts.framework == route.target.name
    plan = _plan_within(route, device) if within else _plan_across(route, device)
    _check_device(route, plan)
    if route.wish.copy is False and not plan.zero_copy:
        reason = f"it takes a copy, because {plan.reason}. {way_out(route, plan)}"
        raise route.refusal(errors.CopyRequiredError, reason)
    policy.forbid(plan, route.wish)
    return plan


def _place(route: Route) -> Device:
    """Find the result's device: the one asked for, else the array's own if the target can be there, else home."""
    asked, here, target = route.wish.device, route.facts.device, route.target
    if asked in (None, here) and route.facts.framework == target.name:
        return here  # even a device that the adapter has no number for
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
    reason = facts.materialises or moves(facts.device, device) or casts(facts.dtype, dtype) or asks_copy(route)
    reason = reason or (facts.obstacle if route.wish.dtype else None)  # a dtype that is asked for is a native one
    verb: Verb = _writing_verb(facts, device) if reason else "keep"
    step = Step(verb, "source", device, dtype, _size(facts, dtype) if reason else 0)
    return _finish(route, [step], reason)


def _plan_across(route: Route, device: Device) -> Plan:
    """Plan for an array that changes its framework."""
    facts = route.facts
    dtype = _check(route)
    meet = _meeting_point(route, device, dtype)
    before = facts.materialises, facts.obstacle, moves(facts.device, meet)
    refused = route.refused or route.target.refuses(facts) or misalignment(route)
    unwilling, unable = (None, refused) if route.target.copies_ndarrays else (refused, None)
    writes_first = any((*before, unwilling))
    crossing = facts.dtype if unable else _crossing_dtype(route, meet, device, dtype, writes_first=writes_first)
    first = join(*before, casts(facts.dtype, crossing), unwilling)
    last = join(moves(meet, device), casts(crossing, dtype), unable)
    if not first and not last:
        first, last = _at_either_side(route, asks_copy(route) or protects(route))
    share = Step("share", "source", meet, crossing)
    steps = [*_source_steps(route, first, meet, crossing), share, *_target_steps(route, last, meet, device, dtype)]
    return _finish(route, steps, join(first, last))


def _check_device(route: Route, plan: Plan) -> None:
    """Insist on a device that has the dtype, and on a copy that `stream=` can order."""
    reason = route.target.why_no_dtype_on(plan.device, plan.dtype)
    here, stream = route.facts.device, route.wish.stream
    by_library = plan.steps[0].writes and here.kind not in route.source.holds
    if stream and stream.handle != UNORDERED and (by_library or LIBRARY in (here.kind, plan.device.kind)):
        reason = "stream= cannot order a copy that only the library of the array can make. Leave stream= out."
    if reason:
        raise route.refusal(errors.UnsupportedArrayError, reason)


def _check(route: Route) -> str:
    """Return the result's dtype, of an array that may leave its framework."""
    check_numbers(route)
    dtype = _result_dtype(route)
    check_gradient(route)
    return dtype


def check_numbers(route: Route) -> None:
    """Insist on an array that has plain numbers to give."""
    if route.facts.unsupported:
        raise route.refusal(errors.UnsupportedArrayError, route.facts.unsupported)


def check_gradient(route: Route) -> None:
    """Insist on a gradient that is not lost unasked."""
    if route.facts.gradient and not route.wish.detach:
        reason = f"it requires grad, and {route.target.name} would cut it off its graph. Pass detach=True to allow it."
        raise route.refusal(errors.GradientError, reason)


def _at_either_side(route: Route, reason: str | None) -> tuple[str | None, str | None]:
    """Let one side do what either could: the faster one, unless it is an object that nobody can ask for a copy."""
    able = route.facts.device.kind in route.source.holds
    here = route.facts.nbytes < _LARGE and not _must_be_at_target(route)
    return (reason, None) if able and (here or not _is_better_at_target(route)) else (None, reason)


def _is_better_at_target(route: Route) -> bool:
    """Whether the target should make a copy on the host: it is faster, or only its copies are what is wanted."""
    faster = route.target.copies_fast and not route.source.copies_fast
    return route.facts.device.is_host and (faster or _must_be_at_target(route))


def _must_be_at_target(route: Route) -> bool:
    return route.target.copies_ndarrays or route.source.immutable


def _source_steps(route: Route, reason: str | None, meet: Device, dtype: str) -> list[Step]:
    facts, here = route.facts, route.facts.device
    if reason is None:
        return [Step("detach", "source", here, dtype)] if facts.gradient else []
    if not _can_write(route, meet):
        raise route.refusal(errors.UnsupportedArrayError, f"{reason}, and {facts.framework} {NO_COPY}")
    return [Step(_writing_verb(facts, meet), "source", meet, dtype, _size(facts, dtype))]


def _writing_verb(facts: Facts, device: Device) -> Verb:
    if facts.device != device:
        return "move"
    return "read" if facts.materialises else "copy"


def _target_steps(route: Route, reason: str | None, meet: Device, device: Device, dtype: str) -> list[Step]:
    if reason is None:
        return []
    return [Step("move" if meet != device else "copy", "target", device, dtype, _size(route.facts, dtype))]


def _finish(route: Route, steps: list[Step], reason: str | None) -> Plan:
    """Put the plan together; with no reason to copy, the result is the source's memory and as read-only as it."""
    facts, target, end = route.facts, route.target, steps[-1]
    free = f"it is {target.name}'s already" if end.verb == "keep" else f"both can use the same memory on {end.device}"
    protected = end.verb == "share" and reason is None and target.honours_readonly
    readonly = protected and (facts.readonly or layout.overlaps(facts))
    return Plan(
        facts.framework, target.name, facts.shape, facts.device, end.device, end.dtype, tuple(steps), reason or free,
        readonly,
    )  # fmt: skip


# -- choices -----------------------------------------------------------------------------------------------------


def _meeting_point(route: Route, device: Device, dtype: str) -> Device:
    """Choose where the memory changes hands: the source downloads, the target uploads, one peer copy stays one."""
    facts, here, target = route.facts, route.facts.device, route.target
    if here.kind not in route.source.holds:
        return CPU if facts.materialises else _reachable(route, here)
    if here.kind != device.kind or here.kind == LIBRARY:
        return CPU  # what only one library can address, another one can't take over
    # From one device to another the target may move and cast in one step: where fewer bytes travel so, or it must.
    grows = dtypes.itemsize(dtype) > dtypes.itemsize(facts.dtype)
    later = device != here and (grows or route.source.lacks(dtype) is not None)
    return here if later and not target.lacks(facts.dtype) else device


def _reachable(route: Route, here: Device) -> Device:
    """Insist that the target can be where an object is that nobody else can move."""
    target = route.target
    if here.is_host:
        return here
    placed = target.place(here) if here.kind in target.holds else None
    if not isinstance(placed, Device) and route.facts.downloads:
        return CPU
    if placed is None:
        reason = f"{target.name} reads no memory on {here}. Convert it to a framework of that device first."
        raise route.refusal(errors.UnsupportedArrayError, reason)
    if isinstance(placed, str):
        raise route.refusal(errors.DeviceUnavailableError, placed)
    return placed


def _can_write(route: Route, device: Device) -> bool:
    """Whether the source's side can write an array to a device: the adapter there, the object's library to the host."""
    facts = route.facts
    by_library = facts.downloads or facts.materialises is not None
    return facts.device.kind in route.source.holds or (by_library and device.is_host)


def _crossing_dtype(route: Route, meet: Device, device: Device, dtype: str, *, writes_first: bool) -> str:
    """Choose the dtype that travels: the one with fewer bytes, among those that both sides have.

    Where it is all the same, the side casts that writes anyway, and on the host the faster one.
    """
    facts, here, source = route.facts, route.facts.device, route.source
    if dtype == facts.dtype:
        return dtype
    able = _can_write(route, meet) and not source.lacks(dtype)
    strange = route.target.lacks(facts.dtype)
    if strange and not able:
        raise route.refusal(errors.UnsupportedArrayError, strange)
    if strange or not able:
        return dtype if strange else facts.dtype
    growth = dtypes.itemsize(dtype) - dtypes.itemsize(facts.dtype)
    at_source = growth < 0 or (growth == 0 and meet != here)
    if device == here:  # nothing travels
        at_source = writes_first or not _is_better_at_target(route)
    return dtype if at_source else facts.dtype


def _result_dtype(route: Route) -> str:
    """Return the result's dtype. The target must have it, and the kind of number must not be lost unasked."""
    facts, wish = route.facts, route.wish
    dtype = wish.dtype or facts.dtype
    reason = route.target.lacks(dtype)
    if facts.unsupported and dtype != facts.dtype:
        reason = facts.unsupported
    elif not reason and wish.casting == "same_kind" and (lost := dtypes.lost_kind(facts.dtype, dtype)):
        reason = f'{lost}. Pass casting="unsafe" to accept that.'
    if reason:
        raise route.refusal(errors.UnsupportedArrayError, reason)
    return dtype


def _size(facts: Facts, dtype: str) -> int:
    if dtype == facts.dtype:
        return facts.nbytes
    return facts.nbytes // dtypes.itemsize(facts.dtype) * dtypes.itemsize(dtype)
