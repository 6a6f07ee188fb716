"""Run a scenario under a stream schedule, with `interop.convert` or with raw `from_dlpack`."""

import gc
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

import cupy
import torch
from torch.utils.dlpack import from_dlpack

import interop
import simcuda

from .places import current
from .scenarios import Convert, Scenario
from .sides import CUPY, TORCH, handle_of

FIXED: Final = ("eager", "lazy", "greedy", "adversary")
Schedule = tuple[str, int | None]


def schedules(seeds: int) -> Iterator[Schedule]:
    """Yield the fixed schedules, then random ones. A real GPU has only its own schedule."""
    if not simcuda.loaded():
        yield "of the GPU", None
        return
    yield from ((name, None) for name in FIXED)
    yield from (("random", seed) for seed in range(seeds))


def considerate(x: Any, to: Any, /, **keywords: Any) -> Any:
    """Convert, and check that the current device and the current streams are unchanged."""
    before = current()
    try:
        return interop.convert(x, to, **keywords)
    finally:
        assert current() == before, "the current device or a current stream has changed"


def raw(x: Any, to: str, /, *, stream: Any = None, **keywords: Any) -> Any:
    """Call the framework's own `from_dlpack` under the stream on which the result is used."""
    side: Any
    side, function = (TORCH, from_dlpack) if to == "torch" else (CUPY, cupy.from_dlpack)
    if stream is None or stream == -1:
        return function(x, **keywords)
    handle = handle_of(stream)
    device = x.device.index if isinstance(x, torch.Tensor) else x.device.id
    with side.on(side.external(handle, device), device):
        return function(x, **keywords)


class Outcome(NamedTuple):
    """The faults of a run by kind. All fields are empty for a correct run."""

    wrong: str = ""  # a wrong value, a changed current stream or device, or an unwanted copy
    refused: str = ""  # another exception
    races: tuple[str, ...] = ()
    errors: tuple[str, ...] = ()

    @property
    def right(self) -> bool:
        return self == Outcome()


def clean() -> None:
    """Free all pooled memory, and reset the simulator's records."""
    if simcuda.loaded():
        simcuda.schedule("eager")
        simcuda.drain()
    gc.collect(0)
    torch.cuda.synchronize()
    torch.cuda.empty_cache()
    cupy.get_default_memory_pool().free_all_blocks()
    if simcuda.loaded():
        simcuda.reset()


def run(scenario: Scenario, convert: Convert, schedule: str, seed: int | None = None) -> Outcome:
    """Run a scenario from a clean state."""
    clean()
    if simcuda.loaded():
        simcuda.schedule(schedule, seed)
    wrong = refused = ""
    try:
        scenario.run(convert)
    except AssertionError as error:
        wrong = str(error) or "wrong"
    except Exception as error:  # noqa: BLE001 - reported in the outcome
        refused = f"{type(error).__name__}: {error}"
    if not simcuda.loaded():
        torch.cuda.synchronize()
        return Outcome(wrong, refused)
    simcuda.drain()
    return Outcome(
        wrong, refused, tuple(map(str, simcuda.races())), tuple(map(str, simcuda.errors()))
    )
