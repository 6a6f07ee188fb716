"""Leaks: mixed calls with errors, and the process stays as it was.

The first fifth of the time fills the caches. From then on, memory, objects, streams, events,
leases and buffers are compared with their numbers at the end of that time.
"""

import gc
import resource
import warnings
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path
from random import Random
from time import monotonic
from types import ModuleType
from typing import Any, Final

import dask.array
import numpy as np
import torch

import foreign
import interop
import simcuda
from interop._engine import plan_cache
from interop._transfer import pinned_buffers
from interop.adapter import lease

from .trial import Trial

SIZE: Final = 1024
MEASUREMENTS: Final = 20
"""How often the process is measured in one trial."""
ALLOWED: Final = {
    "KiB of memory": 32 * 1024,
    "objects": 1000,  # a leak of one object in ten calls shows within 10,000 calls
    "streams": 64,  # torch makes its 32 streams of a device one by one
    "events": 64,
    "leases": 0,
    "pinned buffers in use": 0,
    "cached plans": 2000,
}
ERRORS: Final = (interop.InteropError, TypeError, ValueError, ZeroDivisionError)

Call = Callable[[Random], object]


# -- calls -----------------------------------------------------------------------------------------


def array(random: Random) -> Any:
    return np.full((random.choice((1, 2, 8)), SIZE), random.random(), random.choice(("f4", "i8")))


def source(random: Random) -> Any:
    """Return an array of any kind on the host."""
    x = array(random)
    return random.choice(
        (
            lambda: x,
            lambda: x[::-1],
            lambda: torch.from_numpy(x),
            lambda: torch.from_numpy(x).T,
            lambda: torch.ones(SIZE, requires_grad=True),
            lambda: foreign.DLPack(x),
            lambda: memoryview(x),
            x.tolist,
            lambda: "no array",
            lambda: np.array([None]),
        )
    )()


def keywords(random: Random) -> dict[str, Any]:
    return random.choice(
        (
            {},
            {"copy": True},
            {"copy": False},
            {"dtype": "float16"},
            {"dtype": "int8", "casting": "unsafe"},
            {"dtype": random.random()},  # an error whose message differs in each call
            {"detach": True},
            {"device": "cpu"},
            {"order": "F"},
            {"copi": True},
        )
    )


def convert(random: Random) -> object:
    return interop.convert(source(random), random.choice(("numpy", "torch")), **keywords(random))


def fast(random: Random) -> object:
    x = array(random)
    return interop.to_numpy(interop.to_torch(x)), interop.to_torch(x, copy=True)


def to_jax(random: Random) -> object:
    return interop.to_numpy(interop.to_jax(array(random).astype("f4")))


def explain(random: Random) -> object:
    return str(interop.explain(source(random), "torch", **keywords(random)))


def tree(random: Random) -> object:
    leaves = {"a": [source(random), 3], "b": (array(random), None)}
    return interop.convert_tree(leaves, "torch", **keywords(random))


def together(random: Random) -> object:
    verb: Any = random.choice((interop.unify, lambda *xs: interop.stack(xs, "torch")))
    return verb(source(random), source(random))


def exported(random: Random) -> object:
    return np.from_dlpack(interop.export(source(random)))


def copied(random: Random) -> object:
    def parts() -> Iterator[Any]:
        yield x[:4]
        if random.random() < 0.5:
            raise ZeroDivisionError
        yield x[4:]

    x: Any = np.ones((8, SIZE))
    dst = random.choice((np.zeros((8, SIZE)), torch.zeros(8, SIZE, dtype=torch.float64)))
    interop.copyto(dst, random.choice((x, parts(), x.tolist())), batch_bytes=4096)
    return dst


def batched(random: Random) -> object:
    taken = iter(interop.batches(source(random), "torch", size=3))
    return next(taken), random.random() < 0.5 and list(taken)


def lazily(random: Random) -> object:
    x: Any = dask.array.ones((8, SIZE), chunks=(4, SIZE))
    return interop.convert(x, "torch", compute=random.random() < 0.5)


def watched(random: Random) -> object:
    with interop.watch() as log, interop.options(detach=random.random() < 0.5):
        convert(random)
    return str(log)


def in_stream(random: Random) -> object:
    with interop.stream(0):
        return convert(random)


@interop.implemented_in("numpy")
def doubled(x: Any) -> Any:
    return x * 2


def decorated(random: Random) -> object:
    if random.random() < 0.1:  # a function that nobody keeps
        return interop.implemented_in("torch")(lambda x: x + 1)(source(random))
    return doubled(source(random))


def temporary(random: Random) -> object:
    """Convert an array of a class, or to a module, that nobody keeps."""
    if random.random() < 0.5:
        base: Any = random.choice((torch.Tensor, np.ndarray))
        cls = type("Temporary", (base,), {})
        x: Any = torch.ones(3).as_subclass(cls) if base is torch.Tensor else np.ones(3).view(cls)
        return interop.convert(x, random.choice(("numpy", "torch")))
    return interop.convert(np.ones(3), ModuleType("temporary"))


def asked(random: Random) -> object:
    x = source(random)
    return interop.framework_of(x), interop.device_of(x), interop.shares_memory(x, array(random))


HOST: Final[tuple[Call, ...]] = (
    convert, convert, fast, to_jax, explain, tree, together, exported, copied, batched, lazily,
    watched, in_stream, decorated, temporary, asked,
)  # fmt: skip


def on_device(random: Random, name: str) -> Any:
    return interop.convert(np.ones((8, 64), "f4"), name, device=f"cuda:{random.randrange(2)}")


def handed_over(random: Random) -> object:
    import cupy

    names = ["torch", "cupy"]
    random.shuffle(names)
    x = on_device(random, names[0])
    with cupy.cuda.Stream(non_blocking=True) if random.random() < 0.5 else nullcontext():
        y = interop.convert(x, names[1], **random.choice(({}, {"copy": False}, {"stream": -1})))
        return interop.to_numpy(y)


def transferred(random: Random) -> object:
    dst, src = on_device(random, random.choice(("torch", "cupy"))), np.full((8, 64), 3, "f4")
    interop.copyto(dst, random.choice((src, src[:4], iter([src[:4]]))), batch_bytes=512)
    interop.copyto(src, dst, batch_bytes=512)
    return src


DEVICE: Final[tuple[Call, ...]] = (handed_over, handed_over, transferred)


# -- measurements ----------------------------------------------------------------------------------


def measure() -> dict[str, int]:
    """Return all that may grow, after the garbage is collected and all transfers are done."""
    counts = {}
    if simcuda.loaded():
        simcuda.drain()
        lease.release_pending()
    gc.collect()
    if simcuda.loaded():
        assert not simcuda.races(), simcuda.races()[0]
        simcuda.reset()
        live = simcuda.live()
        counts = {"streams": live.streams, "events": live.events}
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return counts | {
        "KiB of memory": pages * resource.getpagesize() // 1024,
        "objects": len(gc.get_objects()),
        "leases": len(lease._lent),
        "pinned buffers in use": len(pinned_buffers._in_use),
        "cached plans": len(plan_cache.CALLS),
    }


def check(before: dict[str, int], trial: Trial) -> None:
    now = measure()
    trial.counts["measurements"] += 1
    for name, count in now.items():
        trial.notes[f"growth of {name}"] = str(count - before[name])
        if count - before[name] > ALLOWED[name]:
            reason = f"{name}: {before[name]} after the warm-up, {count} after {trial.counts}"
            raise AssertionError(reason)


def attempt(call: Call, trial: Trial) -> None:
    trial.counts["calls"] += 1
    try:
        call(trial.random)
    except ERRORS:
        trial.counts["errors"] += 1


def run(trial: Trial) -> None:
    """Make mixed calls, and compare what the process holds at intervals."""
    calls = [*HOST, *(DEVICE if simcuda.loaded() else ())]
    with warnings.catch_warnings(action="ignore"):
        # All that is imported or cached by a first call exists before the first measurement.
        for call in calls * 5:
            attempt(call, trial)
        following = monotonic() + trial.seconds / 5
        while monotonic() < following:
            attempt(trial.random.choice(calls), trial)
        before = measure()
        # At least one comparison, also if the warm-up has taken all the time.
        while not trial.counts["measurements"] or trial.running():
            following = monotonic() + trial.seconds / MEASUREMENTS
            while monotonic() < following:
                attempt(trial.random.choice(calls), trial)
            check(before, trial)
