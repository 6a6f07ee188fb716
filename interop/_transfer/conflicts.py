"""Detect copies that would overwrite values before they are read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from interop._verbs.inspection import shares_memory

if TYPE_CHECKING:
    from interop._transfer.operand import DescribedOperand


def share_memory_in_different_layouts(source: DescribedOperand, target: DescribedOperand) -> bool:
    """Return whether two arrays share memory, but not element by element.

    If each element of the source is at the address of the same element of the target, the copy is
    safe in any order.
    """
    if source.facts.device != target.facts.device:
        return False
    if not shares_memory(source.array, target.array):
        return False
    return _layout_key(source) != _layout_key(target)


def _layout_key(operand: DescribedOperand) -> tuple[Any, ...]:
    """Return the values that decide which element is at which address, and how bytes are read."""
    facts = operand.facts
    # The stride of an axis of length 1 moves to no element.
    strides = [s for s, n in zip(facts.strides, facts.shape, strict=True) if n > 1]
    return operand.adapter.address(operand.array), facts.dtype, strides, facts.not_shareable
