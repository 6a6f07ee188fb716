"""The cache of plans: arrays that are alike are converted by the calls of one plan.

`interop._engine.pipeline.convert_any` makes the key and looks into the cache. The key has
everything that a plan depends on:

- the target as it was named (a string, a module or a class);
- the exact class of the array;
- the fingerprint of the array, which stands for the result of `Adapter.describe`;
- the defaults of the context (`interop.options`);
- each keyword with its value, and the class of the value. The class is needed because 1 equals
  True, but ``copy=1`` is an error.

The key does not have the address of the array, the state of a device or the adapters. So a plan
that depends on an address or on a device is not cached, and the cache is cleared when an adapter is
registered.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from interop._engine import events
from interop._identify import registration, registry
from interop._identify.classes import is_plain_key
from interop._identify.locked import locked
from interop._model.reasons import misalignment
from interop.adapter import Device

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from interop._identify.registration import Tables
    from interop._model.conversion import Conversion
    from interop._model.plan import Plan

FINGERPRINTS: Final[dict[type, tuple[type, Callable[[Any], Hashable]]]] = {}
"""By exact class of the array: the class once more, and the method `Adapter.fingerprint`.

A metaclass may say that its class equals another one. So each look-up compares the class
by identity.
"""
CALLS: Final[dict[Hashable, tuple[Callable[[Any], Any], ...]]] = {}
"""The calls that execute a plan, by key. Each call takes the result of the call before."""

# A program whose arrays have ever new shapes would fill the memory. So a full cache is emptied. To
# empty the whole cache is rare and cheap. To track the age of each plan would slow down each call.
_MAX_PLANS: Final = 1024
_CONSTANTS: Final = (str, bool, int, float, complex, type(None), Device)
"""Classes of constant values, which are constant values as well: ``dtype=float``."""


def remember(key: Hashable, calls: tuple[Callable[[Any], Any], ...], tables: Tables) -> None:
    """Cache the calls of a plan, if the adapters of `tables` are still the registered ones."""
    # Reads take no lock. A look-up during a change misses at worst, and a plan is made.
    with locked():
        # A conversion that began before a watch or a registration must not fill the cache that was
        # emptied for it.
        if events.watches or registration.tables is not tables:
            return
        if len(CALLS) >= _MAX_PLANS:
            CALLS.clear()
        CALLS[key] = calls


def is_cacheable(key: tuple[Any, ...], plan: Plan, conversion: Conversion) -> bool:
    """Return whether a plan is valid for all arrays with a key."""
    to, _, fingerprint, _, *keywords = key
    # The fingerprint is None if the array alone does not determine the facts.
    if fingerprint is None or conversion.request.stream is not None:
        return False
    if not is_plain_key(to) or not all(_is_constant(value) for _, value in keywords[::2]):
        return False
    # On a device, the plan depends on the current device, and on whether a graph is captured.
    if not (conversion.facts.device.is_host and plan.device.is_host):
        return False
    # The plan has a copy because of the address alone. Another array may have a better address.
    depends_on_address = misalignment(conversion) is not None
    return not depends_on_address or bool(conversion.target.why_not_adoptable(conversion.facts))


def _is_constant(value: Any) -> bool:
    """Return whether the value of a keyword means the same in every later call.

    Those are numbers, names, and the dtypes and devices of frameworks. Another object may change,
    such as an object with an attribute ``dtype``, or be equal to one with another meaning.
    """
    cls = type(value)
    if cls is tuple:
        return all(map(_is_constant, value))
    if any(cls is constant or value is constant for constant in _CONSTANTS):
        return True
    # A dtype may be a class, such as those of ml_dtypes, which belong to NumPy by a base class.
    if issubclass(cls, type) and registry.adapter_of(value):
        return True
    return registry.adapter_of_spec(value) is not None


def clear() -> None:
    """Empty the cache."""
    FINGERPRINTS.clear()
    CALLS.clear()
