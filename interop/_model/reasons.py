"""Reasons for a copy, in the words of plans and errors."""

from __future__ import annotations

from typing import TYPE_CHECKING

from interop import errors
from interop._model import layout

if TYPE_CHECKING:
    from interop._model.conversion import Conversion
    from interop._model.plan import Plan
    from interop.adapter import Device, Facts


def no_copy(reason: str, facts: Facts) -> errors.Reason:
    """Return why a copy that is needed for a reason cannot be made."""
    return errors.Reason(
        f"{reason}, and {facts.framework} can't be asked for a copy",
        "Copy it with its own library first.",
    )


def join(*reasons: str | None) -> str | None:
    """Join the reasons that there are; None if there is none."""
    return ", and ".join(filter(None, reasons)) or None


def moves(start: Device, end: Device) -> str | None:
    """Return what is said of an array that goes to another device; None if it stays."""
    return f"it moves from {start} to {end}" if start != end else None


def casts(start: str, end: str) -> str | None:
    """Return the reason for a cast, or None if the dtype stays."""
    return f"the dtype changes from {start} to {end}" if start != end else None


def misalignment(conversion: Conversion) -> str | None:
    """Return why the target cannot use memory at this address, or None if usable or unknown."""
    needed = conversion.target.alignment(conversion.facts.dtype)
    if not conversion.address or conversion.address % needed == 0:
        return None
    found = conversion.address & -conversion.address
    return (
        f"{conversion.target.name} needs {needed} bytes of alignment for {conversion.facts.dtype}, "
        f"and this memory is aligned to {found}"
    )


def asks_copy(conversion: Conversion) -> str | None:
    """Return that the caller asks for a copy; None if nobody does."""
    return "copy=True asks for an independent array" if conversion.request.copy else None


def protects(conversion: Conversion) -> str | None:
    """Return why memory that must not be written to can't be handed to the target; an error if that was asked for."""
    facts, target = conversion.facts, conversion.target
    if target.honours_readonly:
        return None
    if layout.overlaps(facts):
        return f"its elements overlap in memory, and {target.name} would write to them all the same"
    if not facts.readonly or conversion.request.readonly == "share":
        return None
    reason = f"{facts.readonly_reason or 'it is read-only'}, and {target.name} would write to it all the same"
    if conversion.request.readonly == "error":
        copy = "" if conversion.request.copy is False else 'readonly="copy", or '
        hint = f"Pass {copy}{_share_if(facts)}"
        raise conversion.refusal(errors.CopyRequiredError, reason, hint)
    return reason


def _share_if(facts: Facts) -> str:
    """Return the keyword that shares read-only memory, with the condition for safe use."""
    condition = (
        "the memory may be written to" if facts.readonly_reason else "nobody writes to the result"
    )
    return f'readonly="share" if {condition}.'


def copy_hint(conversion: Conversion, plan: Plan) -> str:
    """Say what to write instead of copy=False."""
    protected = conversion.request.readonly == "copy" and plan.reason == protects(conversion)
    if protected and not layout.overlaps(conversion.facts):
        return f"Leave copy=False out, or pass {_share_if(conversion.facts)}"
    return "Leave copy=False out to allow it."
