"""The planner: from facts to a plan, as a pure function.

Every choice and every reason for a copy is made here and in `interop._engine.choices`. The planner
touches no array and names no framework.

A plan has at most one step in the source framework (read, move, copy or cast), one share, and one
step in the target framework (move, copy or cast). The share happens on a device where both
frameworks can be.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from interop import errors
from interop._engine import choices
from interop._model import dtypes, layout, policy
from interop._model.plan import Plan, Step
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
from interop._model.verb import Verb
from interop.adapter import NOWHERE, Device
from interop.adapter.streams import UNORDERED

if TYPE_CHECKING:
    from interop._model.conversion import Conversion
    from interop.adapter import Adapter


def make_plan(conversion: Conversion) -> Plan:
    """Return the plan for a conversion, or raise the error that says why there is none.

    The errors come in a fixed order: device, plain numbers, dtype, gradient, copy, policy.

    Raises
    ------
    DeviceUnavailableError, InvalidOptionError, UnsupportedArrayError, GradientError,
    CopyRequiredError, HostCopyError
    """
    device = _resolve_device(conversion)
    # The names are compared, because a foreign object may have the adapter of NumPy, but is not an
    # array of NumPy.
    if conversion.facts.framework == conversion.target.name:
        plan = _plan_within(conversion, device)
    else:
        plan = _plan_across(conversion, device)
    _check_stream(conversion, plan)
    _check_dtype_on_device(conversion, plan)
    if conversion.request.copy is False and not plan.zero_copy:
        reason = f"it takes a copy, because {plan.reason}"
        raise conversion.refusal(errors.CopyRequiredError, reason, copy_hint(conversion, plan))
    # The policy comes last, because the message of the error shows the complete plan.
    policy.check(plan, conversion.request)
    return plan


def _resolve_device(conversion: Conversion) -> Device:
    """Return the device of the result.

    That is the device that the caller asks for. Without one, it is the device of the array if the
    target can be there, else the default device of the target.
    """
    here = conversion.facts.device
    target = conversion.target
    asked = conversion.asked_device
    if asked in (None, here) and conversion.facts.framework == target.name:
        return here  # the array stays, even on a device to which the adapter gives no number
    if asked is None:
        device = _default_device(target, here)
    else:
        device = target.resolve_device(asked)
    if isinstance(device, Device):
        return device
    # The target can use this kind of device, but this process does not have the device.
    if asked is None or asked.kind in target.device_kinds:
        raise conversion.refusal(errors.DeviceUnavailableError, device)
    raise conversion.refusal(errors.InvalidOptionError, device)


def _default_device(target: Adapter, here: Device) -> Device | str:
    """Return the device of the result if the caller asks for none, or the reason why not."""
    if here.kind in target.device_kinds:
        # This may fail although the array exists. For example, torch may be built without CUDA.
        device = target.resolve_device(here)
        if isinstance(device, Device):
            return device
    return target.resolve_device(target.default_device)


# -- plans -------------------------------------------------------------------------------------


def _plan_within(conversion: Conversion, device: Device) -> Plan:
    """Plan for an array of the target framework. The array is kept unless it has to change."""
    facts = conversion.facts
    # An array that stays is not checked for plain numbers and gradients (decision 0009). So any
    # dtype may stay, and only a requested dtype is checked.
    dtype = facts.dtype
    if conversion.request.dtype:
        dtype = _result_dtype(conversion)
    if device != facts.device == NOWHERE:
        check_numbers(conversion)
    reason = (
        facts.needs_read
        or moves(facts.device, device)
        or casts(facts.dtype, dtype)
        or asks_copy(conversion)
    )
    if not reason and conversion.request.dtype:
        # A requested dtype is a native one, so swapped bytes are put in order.
        reason = facts.not_shareable
    if reason:
        step = _writing_step(conversion, device, dtype)
    else:
        step = Step(Verb.KEEP, "source", device, dtype)
    return _finish(conversion, [step], reason)


def _plan_across(conversion: Conversion, device: Device) -> Plan:
    """Plan for an array that changes its framework."""
    check_numbers(conversion)
    dtype = _result_dtype(conversion)
    check_gradient(conversion)
    meet = choices.meeting_device(conversion, device, dtype)
    shared, first, last = _find_copies(conversion, meet, device, dtype)
    steps = _source_steps(conversion, first, meet, shared)
    steps.append(Step(Verb.SHARE, "source", meet, shared))
    if last is not None:
        verb = Verb.COPY if meet == device else Verb.MOVE
        size = choices.size(conversion.facts, dtype)
        travel = choices.host_bytes(conversion, "target", (meet, shared), (device, dtype))
        steps.append(Step(verb, "target", device, dtype, size, travel))
    return _finish(conversion, steps, join(first, last))


def _find_copies(
    conversion: Conversion, meet: Device, device: Device, dtype: str
) -> tuple[str, str | None, str | None]:
    """Return the dtype that is shared, and the reasons for a copy before and after the share.

    A reason is None if that side makes no copy.
    """
    facts = conversion.facts
    before = facts.needs_read, facts.not_shareable, moves(facts.device, meet)
    refused = (
        conversion.refused or conversion.target.why_not_adoptable(facts) or misalignment(conversion)
    )
    if refused and conversion.target.copies_ndarrays:
        # The target cannot use this memory, but it reads ndarrays. So the target copies, casts
        # in the same step, and the source does nothing.
        shared = facts.dtype
        first = join(*before)
        last = join(moves(meet, device), casts(shared, dtype), refused)
        return shared, first, last
    writes_first = any((*before, refused))
    shared = choices.shared_dtype(conversion, meet, device, dtype, writes_first=writes_first)
    first = join(*before, casts(facts.dtype, shared), refused)
    last = join(moves(meet, device), casts(shared, dtype))
    if first is None and last is None:
        # Nothing has to change. A copy may still be wanted, and either side could make it.
        # A requested copy already protects read-only memory, so `protects` must not raise then.
        reason = asks_copy(conversion) or protects(conversion)
        if reason is None or choices.copies_at_source(conversion):
            return shared, reason, None
        return shared, None, reason
    return shared, first, last


def _source_steps(
    conversion: Conversion, reason: str | None, meet: Device, dtype: str
) -> list[Step]:
    facts = conversion.facts
    if reason is None:
        if facts.gradient:
            return [Step(Verb.DETACH, "source", facts.device, dtype)]
        return []
    if not choices.can_write(conversion, meet):
        raise conversion.refusal(errors.UnsupportedArrayError, no_copy(reason, facts))
    return [_writing_step(conversion, meet, dtype)]


def _writing_step(conversion: Conversion, device: Device, dtype: str) -> Step:
    """Return the step of the source framework that writes the array to a device."""
    facts = conversion.facts
    if facts.device != device:
        verb = Verb.MOVE
    elif facts.needs_read:
        verb = Verb.READ
    else:
        verb = Verb.COPY
    size = choices.size(facts, dtype)
    here = facts.device, facts.dtype
    travel = choices.host_bytes(conversion, "source", here, (device, dtype))
    return Step(verb, "source", device, dtype, size, travel)


def _finish(conversion: Conversion, steps: list[Step], reason: str | None) -> Plan:
    """Put the plan together.

    Without a reason for a copy, the result uses the memory of the source, and is read-only if the
    source is.
    """
    facts = conversion.facts
    target = conversion.target
    last = steps[-1]
    readonly = False
    if reason is None and last.verb is Verb.KEEP:
        reason = f"it is {target.name}'s already"
    elif reason is None:
        reason = f"both can use the same memory on {last.device}"
        # Any other target gets read-only memory only with readonly="share", as a writable array.
        if target.honours_readonly:
            readonly = facts.readonly or layout.overlaps(facts)
    return Plan(
        facts.framework,
        target.name,
        facts.shape,
        facts.device,
        last.device,
        last.dtype,
        tuple(steps),
        reason,
        readonly,
    )


# -- checks ------------------------------------------------------------------------------------


def check_numbers(conversion: Conversion) -> None:
    """Raise an error if the elements of the array are not plain numbers."""
    if conversion.facts.unsupported:
        raise conversion.refusal(errors.UnsupportedArrayError, conversion.facts.unsupported)


def check_gradient(conversion: Conversion) -> None:
    """Raise an error if the conversion would lose a gradient without ``detach=True``."""
    if conversion.facts.gradient and not conversion.request.detach:
        target = conversion.target.name
        reason = f"it requires grad, and {target} would cut it off its graph"
        raise conversion.refusal(errors.GradientError, reason, "Pass detach=True to allow it.")


def _result_dtype(conversion: Conversion) -> str:
    """Return the dtype of the result.

    Raises
    ------
    UnsupportedArrayError
        The target does not have the dtype, or the cast would lose the kind of number (see
        `dtypes.lost_kind`) without ``casting="unsafe"``.
    """
    facts = conversion.facts
    dtype = conversion.request.dtype or facts.dtype
    reason = conversion.target.why_no_dtype(dtype)
    # Only the class of the array knows whether a mask or a unit survives a cast (decision 0026).
    if facts.unsupported and dtype != facts.dtype:
        reason = facts.unsupported
    elif reason is None and conversion.request.casting == "same_kind":
        lost = dtypes.lost_kind(facts.dtype, dtype)
        if lost:
            reason = errors.Reason(lost, 'Pass casting="unsafe" to accept that.')
    if reason:
        raise conversion.refusal(errors.UnsupportedArrayError, reason)
    return dtype


def _check_dtype_on_device(conversion: Conversion, plan: Plan) -> None:
    """Raise an error if the device of the result does not have the dtype of the result."""
    reason = conversion.target.why_no_dtype_on(plan.device, plan.dtype)
    if reason:
        raise conversion.refusal(errors.UnsupportedArrayError, reason)


def _check_stream(conversion: Conversion, plan: Plan) -> None:
    """Raise an error if ``stream=`` cannot order the work on a device."""
    stream = conversion.request.stream
    if stream is None or stream.handle == UNORDERED:
        return
    if reason := choices.why_no_stream(conversion, plan):
        raise conversion.refusal(errors.UnsupportedArrayError, reason, "Leave stream= out.")
