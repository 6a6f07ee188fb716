"""Observers of conversions.

`interop.watch` adds an observer, and each function that converts without a plan of the pipeline
(`stack`, `copyto`, an export) notifies the observers itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    from interop._model.plan import Plan

    Observer = Callable[[Plan, float], object]

observers: Final[list[Observer]] = []
"""Functions that are called with the plan and the duration in seconds after each conversion.

Callers test this list before they read the clock. So nobody pays for observers that are not there.
"""


def notify(plan: Plan, seconds: float) -> None:
    """Tell all observers that a plan was carried out."""
    for observer in tuple(observers):  # a copy, because another thread may change the list
        observer(plan, seconds)
