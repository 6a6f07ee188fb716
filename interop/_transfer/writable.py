"""The reasons why `copyto` cannot write to an array."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from interop._model import layout
from interop.adapter import LIBRARY
from interop.errors import Reason

if TYPE_CHECKING:
    from interop._transfer.operand import DescribedOperand
    from interop.adapter import Facts

_WRITABLE_HINT: Final = "Pass an array that can be written to."


def why_not_writable(target: DescribedOperand) -> Reason | None:
    """Return the reason why an array cannot be written to, or None."""
    facts = target.facts
    if facts.unsupported:
        return Reason.of(facts.unsupported).with_prefix("dst has no plain numbers: ")
    if reason := _why_not_reachable(target):
        return reason
    if reason := _why_readonly(facts):
        return reason
    if layout.overlaps(facts):
        return Reason(
            "elements of dst overlap in memory, so not every element can have its own value",
            "Pass an array without overlapping elements.",
        )
    # NumPy can write to its own arrays, also in a foreign byte order.
    if facts.not_shareable and not target.adapter.ndarray_native:
        return Reason(f"in dst, {facts.not_shareable}", "Pass the array that dst is a view of.")
    return None


def _why_readonly(facts: Facts) -> Reason | None:
    if facts.readonly_reason:
        return Reason(f"dst may be read-only: {facts.readonly_reason}", _WRITABLE_HINT)
    if facts.readonly:
        return Reason("dst is read-only", _WRITABLE_HINT)
    return None


def _why_not_reachable(target: DescribedOperand) -> Reason | None:
    """Return the reason why interop has no access to the memory of an array, or None."""
    facts = target.facts
    if facts.device.kind == LIBRARY:
        reason = f"only its library can write to memory on {facts.device}"
        return Reason(reason, "Make a new array: interop.convert_like(src, dst).")
    if facts.needs_read:
        reason = f"{facts.needs_read}, so dst has no memory to write to"
        return Reason(reason, "Pass an array in memory.")
    if facts.device.kind not in target.adapter.device_kinds:
        reason = f"interop cannot write through {facts.framework} to memory on {facts.device}"
        return Reason(reason, f"Convert dst to a framework of {facts.device} first.")
    return None
