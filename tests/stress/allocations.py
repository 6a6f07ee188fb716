"""Failed allocations: a conversion gives the right result or a MemoryError, and no state is left."""

import gc
import sys
from collections import Counter
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from typing import Any, Final, NamedTuple

import numpy as np
import torch

import interop
from interop._engine import events, fastpath
from interop._model import context

from .trial import Trial

AVAILABLE: Final = find_spec("_testcapi") is not None
"""Whether this Python has the module of its own tests that lets allocations fail."""
MOST: Final = 200
"""More allocations than any route here makes."""


ENOUGH: Final = 20
"""So many successes in a row show that a route makes no more allocations."""
SUCCEEDED: Final = "succeeded"


class Route(NamedTuple):
    """One kind of conversion: how to make the array and how to convert it."""

    name: str
    make: Callable[[], Any]
    convert: Callable[[Any], Any]


def frozen() -> Any:
    """Return a read-only ndarray."""
    array = np.arange(3.0)
    array.flags.writeable = False
    return array


def complexes() -> Any:
    """Return a tensor of complex numbers."""
    return torch.arange(3.0).to(torch.complex64)


ROUTES: Final = (
    Route("torch to NumPy", lambda: torch.arange(3.0), interop.to_numpy),
    Route(
        "torch to NumPy, detached",
        lambda: torch.arange(3.0).requires_grad_(),
        lambda x: interop.to_numpy(x, detach=True),
    ),
    Route(
        "torch to NumPy, copied",
        lambda: torch.arange(3.0),
        lambda x: interop.to_numpy(x, copy=True),
    ),
    Route("torch to NumPy, complex", complexes, interop.to_numpy),
    Route("torch to NumPy, conjugated", lambda: complexes().conj(), interop.to_numpy),
    Route(
        "torch to NumPy, bfloat16",
        lambda: torch.arange(3.0).bfloat16(),
        lambda x: interop.to_numpy(x, dtype="float32"),
    ),
    Route(
        "torch to NumPy, cast",
        lambda: torch.arange(3.0),
        lambda x: interop.to_numpy(x, dtype="float64"),
    ),
    Route("torch to NumPy, overlapping", lambda: torch.ones(1).expand(3), interop.to_numpy),
    Route("NumPy to torch", lambda: np.arange(3.0), interop.to_torch),
    Route(
        "NumPy to torch, copied", lambda: np.arange(3.0), lambda x: interop.to_torch(x, copy=True)
    ),
    Route("NumPy to torch, reversed", lambda: np.arange(3.0)[::-1], interop.to_torch),
    Route(
        "NumPy to torch, cast",
        lambda: np.arange(3.0),
        lambda x: interop.to_torch(x, dtype="float32"),
    ),
    Route("NumPy to torch, read-only", frozen, interop.to_torch),
    Route(
        "NumPy to torch, shared read-only",
        frozen,
        lambda x: interop.to_torch(x, readonly="share"),
    ),
    Route("convert", lambda: np.arange(3.0), lambda x: interop.convert(x, "torch")),
    Route("explain NumPy", lambda: np.arange(3.0), lambda x: interop.explain(x, "torch")),
    Route("explain torch", lambda: torch.arange(3.0), lambda x: interop.explain(x, "numpy")),
    Route(
        "tree of tensors",
        lambda: {"a": [torch.arange(3.0)]},
        lambda x: interop.convert_tree(x, "numpy"),
    ),
    Route(
        "tree of ndarrays",
        lambda: {"a": [np.arange(3.0)]},
        lambda x: interop.convert_tree(x, "torch"),
    ),
)

FOREIGN: Final = {
    ("OutOfMemoryError", "Failed to allocate"): "torch raises this in the place of a MemoryError",
    ("SystemError", "torch._C.TensorBase' objects> returned a result with an exception set"): (
        "Tensor.to forgets that it had no memory: set_nomemory(0, 1) and x.to(torch.float64) alone"
    ),
    ("SystemError", "error return without exception set"): (
        "CPython 3.11 loses the MemoryError if there is no memory for the traceback either"
    ),
    ("SystemError", "returned NULL without setting an exception"): "CPython 3.11, as above",
}
"""Errors of torch and of CPython that a call without interop shows as well, with the reason."""


def run(trial: Trial) -> None:
    """Let 1 to 5 allocations in a row fail, at a random point of a random conversion."""
    if not AVAILABLE:
        trial.notes["not run"] = "this Python has no module _testcapi"
        return
    while trial.running():
        start = trial.random.randrange(MOST)
        end = start + trial.random.randint(1, 5)
        fresh = trial.random.random() < 0.5
        outcome = attempt(trial.random.choice(ROUTES), start, end, fresh=fresh)
        trial.counts["conversions"] += 1
        trial.counts[outcome] += 1


def attempt_each(route: Route, *, fresh: bool) -> Counter[str]:
    """Let each allocation of a conversion fail alone, one after the other. Return the outcomes."""
    outcomes: Counter[str] = Counter()
    in_a_row = 0
    for start in range(MOST):
        outcome = attempt(route, start, start + 1, fresh=fresh)
        outcomes[outcome] += 1
        in_a_row = in_a_row + 1 if outcome == SUCCEEDED else 0
        if in_a_row == ENOUGH:
            break
    return outcomes


def attempt(route: Route, start: int, end: int, *, fresh: bool) -> str:
    """Convert while the allocations with the numbers from `start` to `end` - 1 fail.

    A fresh conversion makes a plan. Another one takes the fast path or a cached plan. Return the
    outcome in plain words.
    """
    x = route.make()
    expected = describe(route.convert(x))
    if fresh:
        fastpath.clear()
    before = sys.getrefcount(x), context.defaults(), len(events.observers)
    try:
        outcome, result = convert_without_memory(route, x, start, end)
        assert outcome != SUCCEEDED or describe(result) == expected, "a wrong result"
        del result
        if sys.getrefcount(x) != before[0]:
            outcome = check_kept(x, outcome)
        assert (context.defaults(), len(events.observers)) == before[1:]
        assert describe(route.convert(x)) == expected, "the next conversion is wrong"
    except Exception as error:
        error.add_note(f"{route.name}: allocations {start} to {end - 1} failed, fresh={fresh}")
        raise
    return outcome


def convert_without_memory(route: Route, x: Any, start: int, end: int) -> tuple[str, Any]:
    """Return the outcome of one conversion in plain words, and the result."""
    memory: Any = import_module("_testcapi")
    sys.unraisablehook = lambda _: None  # a generator cannot be closed without memory
    result = None
    try:
        memory.set_nomemory(start, end)
        try:
            result = route.convert(x)
        finally:
            memory.remove_mem_hooks()
    except MemoryError:
        return "failed with MemoryError", None
    except Exception as error:
        if not is_foreign(error):
            raise
        return "failed with another error of torch or CPython", None
    finally:
        sys.unraisablehook = sys.__unraisablehook__
    return SUCCEEDED, result


def is_foreign(error: Exception) -> bool:
    """Return whether an error is one of `FOREIGN`."""
    return any(type(error).__name__ == name and text in str(error) for name, text in FOREIGN)


def check_kept(x: Any, outcome: str) -> str:
    """Check that nobody holds an array whose count of references has grown.

    CPython forgets an argument of a Python function if there is no memory for a cell of the
    function: `set_nomemory(0, 1)` and ``def f(x, n=1): return lambda: n`` show that.
    """
    assert outcome != SUCCEEDED, "a reference is kept"
    gc.collect()
    holders = [one for one in gc.get_referrers(x) if isinstance(one, dict | list | tuple | set)]
    assert not holders, f"a reference is kept by {holders}"
    return "failed, and CPython kept a reference"


def describe(result: Any) -> Any:
    """Return what must be equal for two results."""
    if isinstance(result, dict):
        (result,) = result["a"]
    if isinstance(result, torch.Tensor | np.ndarray):
        return type(result), str(result.dtype), result.tolist()
    return str(result)
