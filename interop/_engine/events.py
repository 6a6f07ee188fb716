"""Open watches, and the observers that they need.

Each function that converts without a plan of the pipeline (`stack`, `copyto`, an export) notifies
the observers itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    from interop._model.plan import Plan

    Observer = Callable[[Plan, float], object]

watches: Final[list[Any]] = []
"""One item for each open `interop.watch`: the only state that tells whether somebody watches.

While there are any, each conversion is planned, and nothing is added to a cache. Callers test this
list before they read the clock, so that nobody pays for a watch that is not open.
"""
observers: Final[list[Observer]] = []
"""Functions that are called with the plan and the duration in seconds while a watch is open."""


def notify(plan: Plan, seconds: float) -> None:
    """Tell all observers that a plan was carried out."""
    for observer in observers:
        observer(plan, seconds)
