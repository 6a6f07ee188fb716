"""An identified array, with the adapter and the origin of the array."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from interop.errors import Reason

if TYPE_CHECKING:
    from interop.adapter import Adapter, Facts

_READ: Final = "Read it before that: x = numpy.asanyarray(x)."
_UNWRAP: Final = "Unwrap it before that: x = x.data."


class Operand(NamedTuple):
    """An array with the adapter of its framework."""

    adapter: Adapter
    array: Any
    """The array. For a foreign object, the array that was opened."""
    foreign_class: str | None = None
    """The class of the foreign object, or None for an array of a known framework."""

    def describe(self) -> Facts:
        """Return the facts of the array. A foreign object is named by the class of the object."""
        facts = self.adapter.describe(self.array)
        if self.foreign_class is None:
            return facts
        if facts.unsupported and self.adapter.ndarray_native:
            # The hint is code for an ndarray, and the user has only the foreign object.
            facts = _with_hint(facts, _READ)
        return facts._replace(framework=self.foreign_class)


class UnwrappedOperand(Operand):
    """An array that was taken out of a wrapper object."""

    # A subclass of a NamedTuple cannot add a field, so this is set after the construction.
    wrapper: str
    """The class of the wrapper object."""

    def describe(self) -> Facts:
        """Return the facts. An unsupported array is named by the class of the wrapper."""
        facts = super().describe()
        if not facts.unsupported:
            return facts
        return _with_hint(facts, _UNWRAP)._replace(framework=self.wrapper)


def _with_hint(facts: Facts, hint: str) -> Facts:
    """Return facts with one more hint behind the reason why the array is unsupported."""
    reason = Reason.of(facts.unsupported or "").with_hint(hint)
    return facts._replace(unsupported=reason)
