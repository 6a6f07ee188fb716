"""The reasons for a copy, as plans and errors state them.

Each function returns a clause such as "the dtype changes from int8 to int16", or None if there is
no reason.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from interop import errors
from interop._model import layout

if TYPE_CHECKING:
    from interop._model.conversion import Conversion
    from interop._model.plan import Plan
    from interop.adapter import Device, Facts


def no_copy(reason: str, facts: Facts) -> errors.Reason:
    """Return why a copy is impossible, after the reason why a copy is needed."""
    return errors.Reason(
        f"{reason}, and {facts.framework} can't be asked for a copy",
        "Copy it with its own library first.",
    )


def join(*reasons: str | None) -> str | None:
    """Join the reasons that are not None, or return None if all are None.

    Hints are left out, because a plan with a copy needs no remedy.
    """
    clauses = [errors.Reason.of(reason).reason for reason in reasons if reason]
    return ", and ".join(clauses) or None


def moves(start: Device, end: Device) -> str | None:
    """Return the reason for a move, or None if the device stays."""
    if start == end:
        return None
    return f"it moves from {start} to {end}"


def casts(start: str, end: str) -> str | None:
    """Return the reason for a cast, or None if the dtype stays."""
    if start == end:
        return None
    return f"the dtype changes from {start} to {end}"


def misalignment(conversion: Conversion) -> str | None:
    """Return why the target cannot use memory at this address, or None if usable or unknown."""
    needed = conversion.target.alignment(conversion.facts.dtype)
    if not conversion.address or conversion.address % needed == 0:
        return None
    found = conversion.address & -conversion.address  # the largest power of two that divides it
    return (
        f"{conversion.target.name} needs {needed} bytes of alignment for {conversion.facts.dtype}, "
        f"and this memory is aligned to {found}"
    )


def asks_copy(conversion: Conversion) -> str | None:
    """Return the reason for a copy with ``copy=True``, or None for other values of ``copy``."""
    if conversion.request.copy:
        return "copy=True asks for an independent array"
    return None


def protects(conversion: Conversion) -> str | None:
    """Return why a copy protects the memory from writes by the target, or None.

    Memory needs protection if it is read-only, or if its elements overlap, and the target framework
    has no read-only arrays.

    Raises
    ------
    CopyRequiredError
        The memory is read-only, and the caller passes ``readonly="error"``.
    """
    facts = conversion.facts
    target = conversion.target
    if target.honours_readonly:
        return None
    # readonly="share" does not allow this, because one write would change several elements.
    if layout.overlaps(facts):
        return f"its elements overlap in memory, and {target.name} would write to them all the same"
    if not facts.readonly or conversion.request.readonly == "share":
        return None
    readonly_reason = facts.readonly_reason or "it is read-only"
    reason = f"{readonly_reason}, and {target.name} would write to it all the same"
    if conversion.request.readonly != "error":
        return reason
    hint = f'Pass readonly="copy", or {_share_if(facts)}'
    # With copy=False, readonly="copy" would only lead to the next error.
    if conversion.request.copy is False:
        hint = f"Pass {_share_if(facts)}"
    raise conversion.refusal(errors.CopyRequiredError, reason, hint)


def _share_if(facts: Facts) -> str:
    """Return the keyword that shares read-only memory, with the condition for safe use."""
    condition = "nobody writes to the result"
    # Such a reason means that nobody knows whether the memory is read-only (decision 0028).
    if facts.readonly_reason:
        condition = "the memory may be written to"
    return f'readonly="share" if {condition}.'


def copy_hint(conversion: Conversion, plan: Plan) -> str:
    """Return the hint for an error because of ``copy=False``."""
    # The keyword is tested first, because `protects` may raise for readonly="error".
    protected = conversion.request.readonly == "copy" and plan.reason == protects(conversion)
    if protected and not layout.overlaps(conversion.facts):
        return f"Leave copy=False out, or pass {_share_if(conversion.facts)}"
    return "Leave copy=False out to allow it."
