"""An identified array, with the adapter and the origin of the array."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from interop.adapter import Adapter, Facts

_READ: Final = "Read it before that: x = numpy.asanyarray(x)."
_UNWRAP: Final = "Unwrap it before that: x = x.data."


class Operand(NamedTuple):
    """Whose array it is, the array itself (a foreign one: opened), and what a foreign one is called."""

    adapter: Adapter
    array: Any
    foreign_class: str | None = None

    def describe(self) -> Facts:
        """Return the facts of the array, under the name of the foreign object, if there is one.

        The array was opened or read from that object.
        """
        facts = self.adapter.describe(self.array)
        if self.foreign_class is None:
            return facts
        if (
            facts.unsupported and self.adapter.ndarray_native
        ):  # the hint is for the ndarray, and not for the object
            facts = facts._replace(unsupported=f"{facts.unsupported} {_READ}")
        return facts._replace(framework=self.foreign_class)


class UnwrappedOperand(Operand):
    """An array that was taken out of a wrapper object.

    `wrapper` names the class of that object.
    """

    wrapper: str

    def describe(self) -> Facts:
        """Return the facts of the array, under the name of the wrapper if unsupported.

        So an array without numbers is refused under that name.
        """
        facts = super().describe()
        if not facts.unsupported:
            return facts
        return facts._replace(framework=self.wrapper, unsupported=f"{facts.unsupported} {_UNWRAP}")
