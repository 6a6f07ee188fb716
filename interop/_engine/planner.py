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
from interop._model.reasons import (
    asks_copy,
    casts,
    copy_hint,
    join,
    misalignment,
    moves,
    no_copy,
    protects,
)
from interop.adapter import CPU, LIBRARY, Device
from interop.adapter.streams import UNORDERED

if TYPE_CHECKING:
    from interop._model.request import Request
    from interop.adapter import Adapter, Facts


_LARGE: Final = 4 * 1024 * 1024
"""Bytes from which on the speed of a copy matters more than what its call costs. Casts are slow at any size."""


class Conversion(NamedTuple):
    """What a plan is made of: who has what, and who wants what. The adapters are asked, never told."""

    facts: Facts
    source: Adapter
    target: Adapter
    request: Request
    refused: str | None = None
    """What the target has said when it was to share the memory."""
    address: int | None = None
    """Where the first element is on the host, if that matters to the target: see `Adapter.alignment`."""

    def refusal(
        self, error: type[errors.InteropError], reason: str, hint: str | None = None
    ) -> errors.InteropError:
        """Return the error that names source, target, reason and hint."""
        return error(
            reason,
            attempt="cannot convert {source} to {target}",
            source=self.facts,
            target=self.target.name,
            hint=hint,
        )


def make_plan(conversion: Conversion) -> Plan:
    """Decide. What can't be done is an error, in this order: device, numbers, dtype, gradient, copy, policy.

    Raises
    ------
    DeviceUnavailableError, InvalidOptionError, UnsupportedArrayError, GradientError, CopyRequiredError, HostCopyError
    """
    device = _resolve_device(conversion)
    within = conversion.facts.framework == conversion.target.name
    plan = _plan_within(conversion, device) if within else _plan_across(conversion, device)
    _check_device(conversion, plan)
    if conversion.request.copy is False and not plan.zero_copy:
        reason = f"it takes a copy, because {plan.reason}"
        raise conversion.refusal(errors.CopyRequiredError, reason, copy_hint(conversion, plan))
    policy.check(plan, conversion.request)
    return plan


def _resolve_device(conversion: Conversion) -> Device:
    """Find the result's device: the one asked for, else the array's own if the target can be there, else home."""
    asked, here, target = conversion.request.device, conversion.facts.device, conversion.target
    if asked in (None, here) and conversion.facts.framework == target.name:
        return here  # even a device that the adapter has no number for
    placed = target.resolve_device(
        asked or (here if here.kind in target.device_kinds else target.default_device)
    )
    if isinstance(placed, str) and asked is None:
        placed = target.resolve_device(target.default_device)
    if isinstance(placed, str):
        known = asked is None or asked.kind in target.device_kinds
        raise conversion.refusal(
            errors.DeviceUnavailableError if known else errors.InvalidOptionError, placed
        )
    return placed


def _plan_within(conversion: Conversion, device: Device) -> Plan:
    """Plan for an array that is native already: the same object, unless something has to change."""
    facts = conversion.facts
    dtype = _result_dtype(conversion) if conversion.request.dtype else facts.dtype
    reason = (
        facts.needs_read
        or moves(facts.device, device)
        or casts(facts.dtype, dtype)
        or asks_copy(conversion)
    )
    reason = reason or (
        facts.not_shareable if conversion.request.dtype else None
    )  # a dtype that is asked for is a native one
    verb: Verb = _writing_verb(facts, device) if reason else "keep"
    step = Step(verb, "source", device, dtype, _size(facts, dtype) if reason else 0)
    return _finish(conversion, [step], reason)


def _plan_across(conversion: Conversion, device: Device) -> Plan:
    """Plan for an array that changes its framework."""
    facts = conversion.facts
    dtype = _check(conversion)
    meet = _meeting_point(conversion, device, dtype)
    before = facts.needs_read, facts.not_shareable, moves(facts.device, meet)
    refused = (
        conversion.refused or conversion.target.why_not_adoptable(facts) or misalignment(conversion)
    )
    unwilling, unable = (None, refused) if conversion.target.copies_ndarrays else (refused, None)
    writes_first = any((*before, unwilling))
    shared_dtype = (
        facts.dtype
        if unable
        else _dtype_to_share(conversion, meet, device, dtype, writes_first=writes_first)
    )
    first = join(*before, casts(facts.dtype, shared_dtype), unwilling)
    last = join(moves(meet, device), casts(shared_dtype, dtype), unable)
    if not first and not last:
        first, last = _at_either_side(conversion, asks_copy(conversion) or protects(conversion))
    share = Step("share", "source", meet, shared_dtype)
    steps = [
        *_source_steps(conversion, first, meet, shared_dtype),
        share,
        *_target_steps(conversion, last, meet, device, dtype),
    ]
    return _finish(conversion, steps, join(first, last))


def _check_device(conversion: Conversion, plan: Plan) -> None:
    """Insist on a device that has the dtype, and on a copy that `stream=` can order."""
    reason = conversion.target.why_no_dtype_on(plan.device, plan.dtype)
    here, stream = conversion.facts.device, conversion.request.stream
    by_library = plan.steps[0].writes and here.kind not in conversion.source.device_kinds
    if (
        stream
        and stream.handle != UNORDERED
        and (by_library or LIBRARY in (here.kind, plan.device.kind))
    ):
        reason = errors.Reason(
            "stream= cannot order a copy that only the library of the array can make",
            "Leave stream= out.",
        )
    if reason:
        raise conversion.refusal(errors.UnsupportedArrayError, reason)


def _check(conversion: Conversion) -> str:
    """Return the result's dtype, of an array that may leave its framework."""
    check_numbers(conversion)
    dtype = _result_dtype(conversion)
    check_gradient(conversion)
    return dtype


def check_numbers(conversion: Conversion) -> None:
    """Insist on an array that has plain numbers to give."""
    if conversion.facts.unsupported:
        raise conversion.refusal(errors.UnsupportedArrayError, conversion.facts.unsupported)


def check_gradient(conversion: Conversion) -> None:
    """Insist on a gradient that is not lost unasked."""
    if conversion.facts.gradient and not conversion.request.detach:
        reason = f"it requires grad, and {conversion.target.name} would cut it off its graph"
        raise conversion.refusal(errors.GradientError, reason, "Pass detach=True to allow it.")


def _at_either_side(conversion: Conversion, reason: str | None) -> tuple[str | None, str | None]:
    """Let one side do what either could: the faster one, unless it is an object that nobody can ask for a copy."""
    able = conversion.facts.device.kind in conversion.source.device_kinds
    here = conversion.facts.nbytes < _LARGE and not _must_be_at_target(conversion)
    return (
        (reason, None)
        if able and (here or not _is_better_at_target(conversion))
        else (None, reason)
    )


def _is_better_at_target(conversion: Conversion) -> bool:
    """Whether the target should make a copy on the host: it is faster, or only its copies are what is wanted."""
    faster = conversion.target.copies_fast and not conversion.source.copies_fast
    return conversion.facts.device.is_host and (faster or _must_be_at_target(conversion))


def _must_be_at_target(conversion: Conversion) -> bool:
    return conversion.target.copies_ndarrays or conversion.source.immutable


def _source_steps(
    conversion: Conversion, reason: str | None, meet: Device, dtype: str
) -> list[Step]:
    facts, here = conversion.facts, conversion.facts.device
    if reason is None:
        return [Step("detach", "source", here, dtype)] if facts.gradient else []
    if not _can_write(conversion, meet):
        raise conversion.refusal(errors.UnsupportedArrayError, no_copy(reason, facts))
    return [Step(_writing_verb(facts, meet), "source", meet, dtype, _size(facts, dtype))]


def _writing_verb(facts: Facts, device: Device) -> Verb:
    if facts.device != device:
        return "move"
    return "read" if facts.needs_read else "copy"


def _target_steps(
    conversion: Conversion, reason: str | None, meet: Device, device: Device, dtype: str
) -> list[Step]:
    if reason is None:
        return []
    return [
        Step(
            "move" if meet != device else "copy",
            "target",
            device,
            dtype,
            _size(conversion.facts, dtype),
        )
    ]


def _finish(conversion: Conversion, steps: list[Step], reason: str | None) -> Plan:
    """Put the plan together; with no reason to copy, the result is the source's memory and as read-only as it."""
    facts, target, end = conversion.facts, conversion.target, steps[-1]
    free = (
        f"it is {target.name}'s already"
        if end.verb == "keep"
        else f"both can use the same memory on {end.device}"
    )
    protected = end.verb == "share" and reason is None and target.honours_readonly
    readonly = protected and (facts.readonly or layout.overlaps(facts))
    return Plan(
        facts.framework, target.name, facts.shape, facts.device, end.device, end.dtype, tuple(steps), reason or free,
        readonly,
    )  # fmt: skip


# -- choices -----------------------------------------------------------------------------------------------------


def _meeting_point(conversion: Conversion, device: Device, dtype: str) -> Device:
    """Choose where the memory changes hands: the source downloads, the target uploads, one peer copy stays one."""
    facts, here, target = conversion.facts, conversion.facts.device, conversion.target
    if here.kind not in conversion.source.device_kinds:
        return CPU if facts.needs_read else _reachable(conversion, here)
    if here.kind != device.kind or here.kind == LIBRARY:
        return CPU  # what only one library can address, another one can't take over
    # From one device to another the target may move and cast in one step: where fewer bytes travel so, or it must.
    grows = dtypes.itemsize(dtype) > dtypes.itemsize(facts.dtype)
    later = device != here and (grows or conversion.source.why_no_dtype(dtype) is not None)
    return here if later and not target.why_no_dtype(facts.dtype) else device


def _reachable(conversion: Conversion, here: Device) -> Device:
    """Insist that the target can be where an object is that nobody else can move."""
    target = conversion.target
    if here.is_host:
        return here
    placed = target.resolve_device(here) if here.kind in target.device_kinds else None
    if not isinstance(placed, Device) and conversion.facts.downloads:
        return CPU
    if placed is None:
        reason = f"{target.name} reads no memory on {here}"
        hint = "Convert it to a framework of that device first."
        raise conversion.refusal(errors.UnsupportedArrayError, reason, hint)
    if isinstance(placed, str):
        raise conversion.refusal(errors.DeviceUnavailableError, placed)
    return placed


def _can_write(conversion: Conversion, device: Device) -> bool:
    """Whether the source's side can write an array to a device: the adapter there, the object's library to the host."""
    facts = conversion.facts
    by_library = facts.downloads or facts.needs_read is not None
    return facts.device.kind in conversion.source.device_kinds or (by_library and device.is_host)


def _dtype_to_share(
    conversion: Conversion, meet: Device, device: Device, dtype: str, *, writes_first: bool
) -> str:
    """Choose the dtype that travels: the one with fewer bytes, among those that both sides have.

    Where it is all the same, the side casts that writes anyway, and on the host the faster one.
    """
    facts, here, source = conversion.facts, conversion.facts.device, conversion.source
    if dtype == facts.dtype:
        return dtype
    able = _can_write(conversion, meet) and not source.why_no_dtype(dtype)
    strange = conversion.target.why_no_dtype(facts.dtype)
    if strange and not able:
        raise conversion.refusal(errors.UnsupportedArrayError, strange)
    if strange or not able:
        return dtype if strange else facts.dtype
    growth = dtypes.itemsize(dtype) - dtypes.itemsize(facts.dtype)
    at_source = growth < 0 or (growth == 0 and meet != here)
    if device == here:  # nothing travels
        at_source = writes_first or not _is_better_at_target(conversion)
    return dtype if at_source else facts.dtype


def _result_dtype(conversion: Conversion) -> str:
    """Return the result's dtype. The target must have it, and the kind of number must not be lost unasked."""
    facts, request = conversion.facts, conversion.request
    dtype = request.dtype or facts.dtype
    reason = conversion.target.why_no_dtype(dtype)
    if facts.unsupported and dtype != facts.dtype:
        reason = facts.unsupported
    elif (
        not reason
        and request.casting == "same_kind"
        and (lost := dtypes.lost_kind(facts.dtype, dtype))
    ):
        reason = errors.Reason(lost, 'Pass casting="unsafe" to accept that.')
    if reason:
        raise conversion.refusal(errors.UnsupportedArrayError, reason)
    return dtype


def _size(facts: Facts, dtype: str) -> int:
    if dtype == facts.dtype:
        return facts.nbytes
    return facts.nbytes // dtypes.itemsize(facts.dtype) * dtypes.itemsize(dtype)
