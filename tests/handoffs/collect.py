"""The list of scenarios, and the decorator that adds a function once per parameter combination."""

import functools
import itertools
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, NamedTuple

import pytest

from .sides import CUPY, TORCH, Side

Convert = Callable[..., Any]
WAYS: Final = ((TORCH, CUPY), (CUPY, TORCH))
FROM_TORCH: Final = WAYS[:1]
FROM_CUPY: Final = WAYS[1:]


class Scenario(NamedTuple):
    """A program that hands arrays over with `convert` and raises AssertionError on wrong values."""

    name: str
    run: Callable[[Convert], None]
    group: str
    raw: bool  # whether raw `from_dlpack` can run the scenario

    def __str__(self) -> str:
        return self.name

    @property
    def requires(self) -> list[str]:
        """The requirements beyond torch and CuPy: see tests/conftest.py."""
        return ["cupy-bfloat16"] if "bfloat16" in self.name else []


def parameters(scenarios: Iterable[Scenario]) -> list[Any]:
    """Return scenarios as parameters of a test, with the marks of their requirements."""
    return [
        pytest.param(scenario, id=scenario.name, marks=pytest.mark.requires(*scenario.requires))
        for scenario in scenarios
    ]


SCENARIOS: Final[list[Scenario]] = []


def scenario(
    ways: Sequence[tuple[Side, Side]] = WAYS, raw: bool = True, **grid: Sequence[Any]
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Add a function (convert, source, target, **parameters) to the list of scenarios.

    The function is added once for each pair of sides in `ways` and each combination of the values
    in `grid`.
    """

    def enter(program: Callable[..., None]) -> Callable[..., None]:
        group = program.__module__.rpartition(".")[2]
        for (source, target), values in itertools.product(ways, itertools.product(*grid.values())):
            varied = dict(zip(grid, values, strict=True))
            words = [f"{source.name} to {target.name}", program.__name__.replace("_", " ")]
            words += [", ".join(f"{key} {value}" for key, value in varied.items())] * bool(varied)
            run = functools.partial(program, source=source, target=target, **varied)
            SCENARIOS.append(Scenario(": ".join(words), run, group, raw))
        return program

    return enter
