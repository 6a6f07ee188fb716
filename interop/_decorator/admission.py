"""Arguments of a decorated function that are refused: masked arrays, and objects to which no result could go back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from weakref import WeakKeyDictionary

from interop import errors
from interop._identify import registry

if TYPE_CHECKING:
    from interop.adapter import Adapter

_PROTOCOLS: Final = frozenset({
    "__dlpack__", "__cuda_array_interface__", "__array_interface__", "__array_struct__", "__array__",
})  # fmt: skip
"""The buffer protocol is not among them: `bytes` and `array.array` are Python's own data."""
_speakers: Final[WeakKeyDictionary[type, bool]] = WeakKeyDictionary()


def has_protocol(x: Any) -> bool:
    """Return whether an object offers an array protocol, by class or by instance attribute."""
    if isinstance(x, type):  # a class of arrays has the protocol, and no array
        return False
    cls = type(x)
    try:
        offers = _speakers[cls]
    except KeyError:
        offers = any(not _PROTOCOLS.isdisjoint(vars(base)) for base in cls.__mro__)
        _speakers[cls] = offers
    return offers or not _PROTOCOLS.isdisjoint(getattr(x, "__dict__", ()))


class Admission:
    """The rules for the arguments of one function.

    Parameters
    ----------
    name : str
        Of the function.
    to : str or None
        Framework of the body; None for a body that takes arrays of any.
    foreign : bool or None
        What is done with objects that speak a protocol of arrays and are of no framework: converted, passed through,
        or (None) refused.
    """

    def __init__(self, name: str, to: str | None, foreign: bool | None) -> None:
        self.name = name
        self.to = to
        self.foreign = foreign

    def check(self, x: Any, adapter: Adapter) -> None:
        """Refuse an array with values that the body would read wrongly or could not read.

        Raises
        ------
        UnsupportedArrayError
            A masked array, also if it is of the body's own framework; a lazy array, if the body is not written for
            such.
        """
        if adapter.lazy and self.to is not None and not registry.adapter_named(self.to).lazy:
            raise errors.UnsupportedArrayError(
                f"{self.name} would need all of a lazy array at once, as {self.to}'s",
                source=adapter.describe(x),
                target=self.name,
                hint=f"Compute it: interop.convert(x, {self.to!r}, compute=True). Or, only if each "
                f"block can be computed without the others, decorate {self.name} with "
                "per_block=True and pass the array as an argument of its own.",
            )
        if reason := adapter.why_misread(x):
            raise errors.UnsupportedArrayError(
                reason,
                attempt="cannot pass {source} to {target}",
                source=adapter.describe(x),
                target=self.name,
            )

    def check_foreign(self, x: Any) -> None:
        """Refuse a convertible object of no framework, unless such objects may pass unchanged.

        Raises
        ------
        UnsupportedArrayError
        """
        if self.foreign is None:
            raise self.refusal(x)

    def refusal(self, x: Any) -> errors.UnsupportedArrayError:
        """Return the error for an object that could be converted but is of no framework."""
        class_name = registry.class_name_of(x)
        if self.to is not None:
            return errors.UnsupportedArrayError(
                f"{class_name} can be converted, but no result of {self.name} could be converted "
                "back to it",
                source=class_name,
                target=self.name,
                hint=f"Convert it first: interop.convert(x, {self.to!r}). To have each call "
                f"convert it, decorate {self.name} with foreign=True; to pass it as it is, with "
                "foreign=False.",
            )
        reason = f"{class_name} can be converted, but it has no array-API namespace for {self.name}"
        hint = "Convert it first: interop.to_numpy(x)."
        if self.foreign is None:
            hint += (
                f" If another argument has one, decorate {self.name} with foreign=False to pass it "
                "as it is."
            )
        return errors.UnsupportedArrayError(reason, source=class_name, target=self.name, hint=hint)
