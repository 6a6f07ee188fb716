"""All scenarios."""

from . import chains, moves, order, places, release
from .collect import SCENARIOS, Convert, Scenario, parameters

__all__ = [
    "SCENARIOS",
    "Convert",
    "Scenario",
    "chains",
    "moves",
    "order",
    "parameters",
    "places",
    "release",
]
