"""The table in front of the flow: for a target and an exact class, a question and a native call.

A plain array without keywords then costs one look-up and one question more than the framework's own call. The halves
are the adapters'; a native call either does what the plan would do with a plain array, or raises.
"""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

    from interop.adapter import Adapter

TABLE: Final[dict[object, dict[type, Any]]] = {"numpy": {}, "torch": {}}
"""By target (a name, a module, a class), then by exact class of the array. A pair of None means: nothing to do."""
REFUSED: Final = (KeyError, TypeError, ValueError, RuntimeError)
"""Not in the table, or a native call refused: the flow decides, and says why."""


def learn(source: Adapter, target: Adapter, to: Any) -> None:
    """Remember how plain arrays of exactly the source's class get to `to`."""
    if source is target:
        pair: Any = (None, None)
    elif target.ndarray_native:
        pair = source.quick_export_host()
    else:
        pair = target.quick_adopt_host() if source.ndarray_native else None
    if pair:
        TABLE.setdefault(to, {})[source.array_type] = pair


def learn_all(adapters: Iterable[Adapter]) -> None:
    """Learn every pair: `torch.compile` can trace a native call, but not the learning, so it should come before."""
    for source, target in product(list(adapters), repeat=2):
        learn(source, target, target.name)


def forget() -> None:
    """Forget everything: another adapter has come."""
    for remembered in TABLE.values():
        remembered.clear()
