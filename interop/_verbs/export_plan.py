"""The plan of an export to a DLPack consumer: the same memory, or one copy.

The framework of the array makes a copy if the consumer asks for one, or if DLPack cannot describe
the memory.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from interop import errors
from interop._model import dtypes, layout
from interop._model.plan import Plan, Step
from interop._model.reasons import moves, no_copy
from interop._model.verb import Verb
from interop._verbs.consumer import why_misaligned
from interop.adapter import CPU

if TYPE_CHECKING:
    from interop._model.request import Request
    from interop.adapter import Adapter, Device, Facts

_ATTEMPT: Final = "cannot export {source}"
_TARGET: Final = "DLPack"


class ExportSource(NamedTuple):
    """The array to export, with the adapter and the facts."""

    adapter: Adapter
    array: Any
    facts: Facts

    @property
    def device(self) -> Device:
        """The device for consumers: the host if no consumer can share memory on the array's own."""
        if self.facts.device.can_share:
            return self.facts.device
        return CPU

    def refusal(
        self, error: type[errors.InteropError], reason: str, hint: str | None = None
    ) -> errors.InteropError:
        """Return the error for an export that is impossible or forbidden."""
        return error(reason, attempt=_ATTEMPT, source=self.facts, target=_TARGET, hint=hint)


def plan_export(
    source: ExportSource, device: Device, request: Request, unflagged: str | None
) -> Plan:
    """Decide whether an export takes a copy, and give the reason.

    Parameters
    ----------
    source : ExportSource
        The array to export.
    device : Device
        Where the consumer wants the memory.
    request : Request
        Of which `copy` counts.
    unflagged : str, optional
        Why the capsule cannot flag read-only memory; None if the capsule can.

    Raises
    ------
    CopyRequiredError
        The export takes a copy, and ``copy=False`` forbids it.
    UnsupportedArrayError
        The export takes a copy, and the adapter cannot copy the array.
    """
    facts = source.facts
    # A write to one of several overlapping elements would change the others, too.
    readonly = facts.readonly or layout.overlaps(facts)
    reason = _why_not_shareable(source, device)
    if not reason and readonly and unflagged:
        reason = f"{facts.readonly_reason or 'it is read-only'}, and {unflagged}"
    if not reason and request.copy:
        reason = "copy=True asks for an independent array"
    if reason:
        _check_copy(source, device, request, reason)
    nbytes = facts.nbytes if reason else 0
    travel = nbytes if facts.device.is_host != device.is_host else 0
    step = Step(_verb(facts, device, reason), "source", device, facts.dtype, nbytes, travel)
    return Plan(
        source=facts.framework,
        target=_TARGET,
        shape=facts.shape,
        source_device=facts.device,
        device=device,
        dtype=facts.dtype,
        steps=(step,),
        reason=reason or f"the consumer can use the same memory on {device}",
        # A copy can always be written to.
        readonly=readonly and not reason,
    )


def plan_cast(facts: Facts, dtype: str) -> Plan:
    """Return the plan of a cast by `numpy.asarray`, for the record of `interop.watch`."""
    nbytes = facts.nbytes
    if dtype in dtypes.NAMES:
        nbytes = layout.count(facts) * dtypes.itemsize(dtype)
    return Plan(
        source="numpy",
        target="numpy",
        shape=facts.shape,
        source_device=CPU,
        device=CPU,
        dtype=dtype,
        steps=(Step(Verb.COPY, "source", CPU, dtype, nbytes),),
        reason=f"numpy.asarray asks for {dtype}",
    )


def _why_not_shareable(source: ExportSource, device: Device) -> str | None:
    """Return why no consumer can use the memory as it is, or None."""
    facts = source.facts
    # The first reason is shown. The address comes last, because reading it takes longest
    # (decision 0003).
    return (
        facts.needs_read
        or facts.not_shareable
        or moves(facts.device, device)
        or layout.why_unusual(facts)
        or why_misaligned(source.adapter, source.array, facts)
    )


def _check_copy(source: ExportSource, device: Device, request: Request, reason: str) -> None:
    """Raise an error if the copy that is necessary for a reason is impossible or forbidden."""
    facts = source.facts
    # A library that is asked for its array can download or read it, and so makes the copy.
    is_read = device.is_host and (facts.downloads or facts.needs_read is not None)
    if not is_read and facts.device.kind not in source.adapter.device_kinds:
        raise source.refusal(errors.UnsupportedArrayError, no_copy(reason, facts))
    if request.copy is False:
        hint = "Leave copy=False out to allow it."
        reason = f"it takes a copy, because {reason}"
        raise source.refusal(errors.CopyRequiredError, reason, hint)


def _verb(facts: Facts, device: Device, reason: str | None) -> Verb:
    if not reason:
        return Verb.SHARE
    if facts.device != device:
        return Verb.MOVE
    if facts.needs_read:
        return Verb.READ
    return Verb.COPY
