"""Arguments that a decorated function refuses: masked, lazy and foreign arrays."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from interop import errors
from interop._identify import registry
from interop._identify.classes import ClassTable
from interop._model import text

if TYPE_CHECKING:
    from collections.abc import Iterable

    from interop.adapter import Adapter

# The buffer protocol is not included: `bytes` and `array.array` are Python's own data.
_PROTOCOLS: Final = frozenset({
    "__array__",
    "__array_interface__",
    "__array_struct__",
    "__cuda_array_interface__",
    "__dlpack__",
})  # fmt: skip
_has_protocol: Final[ClassTable[bool]] = ClassTable()
"""Whether a class offers an array protocol."""


def has_protocol(x: Any) -> bool:
    """Return whether an object offers an array protocol, by class or by instance attribute."""
    cls = type(x)
    if issubclass(cls, type):  # a class of arrays has the attribute, but is not an array
        return False
    offers: bool | None = _has_protocol.get(cls)
    if offers is None:
        # Only classes are searched, because `getattr` on the object may run a property.
        offers = any(text.declared(cls, name) is not None for name in _PROTOCOLS)
        _has_protocol.set(cls, offers)
    return offers or not _PROTOCOLS.isdisjoint(_own_names(x))


def _own_names(x: Any) -> Iterable[str]:
    """Return the names of the attributes of an object itself."""
    try:
        # `list` copies a dict in one step, also without the GIL.
        return list(getattr(x, "__dict__", ()))
    except MemoryError:
        raise
    except Exception:  # noqa: BLE001 - a property may raise anything
        return ()


class Admission:
    """The rules for the arguments of one function.

    Parameters
    ----------
    name : str
        Name of the function.
    to : str or None
        Framework of the function; None for a function that takes arrays of any framework.
    foreign : bool or None
        Treatment of objects that have an array protocol and are of no framework: True converts
        them, False passes them through, None refuses them.
    """

    def __init__(self, name: str, to: str | None, foreign: bool | None) -> None:
        self.name = name
        self.to = to
        self.foreign = foreign

    def check(self, x: Any, adapter: Adapter) -> None:
        """Refuse an array with values that the function cannot read, or would misread.

        Raises
        ------
        UnsupportedArrayError
            The array is masked, even if it is of the function's own framework. Or the array is
            lazy, and the function is not written for lazy arrays.
        """
        if adapter.lazy and self.to is not None and not registry.adapter_named(self.to).lazy:
            raise errors.UnsupportedArrayError(
                f"{self.name} is written for {self.to}, so it needs all of a lazy array in memory",
                source=adapter.describe(x),
                target=self.name,
                hint=f"Compute the array: interop.convert(x, {self.to!r}, compute=True). Or, only "
                f"if {self.name} can compute each block without the others, decorate it with "
                "per_block=True and pass the array as an argument of its own.",
            )
        # A function would compute with the values under a mask, for example (decision 0030).
        if reason := adapter.why_misread(x):
            raise errors.UnsupportedArrayError(
                reason,
                attempt="cannot pass {source} to {target}",
                source=adapter.describe(x),
                target=self.name,
            )

    def check_foreign(self, x: Any) -> None:
        """Refuse an object of no framework, if `foreign` does not decide about such objects.

        Raises
        ------
        UnsupportedArrayError
            `foreign` is None.
        """
        if self.foreign is None:
            raise self.refusal(x)

    def refusal(self, x: Any) -> errors.UnsupportedArrayError:
        """Return the error for an object that can be converted but is of no framework."""
        class_name = registry.class_name_of(x)
        if self.to is not None:
            reason = (
                f"{class_name} can be converted, but no result of {self.name} can be converted "
                "back to it"
            )
            hint = (
                f"Convert it first: interop.convert(x, {self.to!r}). Or decorate {self.name} with "
                "foreign=True to convert it in each call, or with foreign=False to pass it "
                "unchanged."
            )
        else:
            reason = f"{class_name} has no array-API namespace for {self.name}"
            hint = "Convert it first: interop.to_numpy(x)."
            if self.foreign is None:
                hint += (
                    f" Or, if another argument has a namespace, decorate {self.name} with "
                    "foreign=False to pass this object unchanged."
                )
        return errors.UnsupportedArrayError(reason, source=class_name, target=self.name, hint=hint)
