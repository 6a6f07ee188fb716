"""The rows of the tables: two calls that do the same work, and the goal for the ratio."""

import builtins
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from math import isqrt
from typing import Any, NamedTuple

import numpy as np
import torch

import interop

MIB_64 = 1 << 24  # float32s


class Row(NamedTuple):
    """The work, the two calls, and the goals without and with the compiled path."""

    work: str
    ours: str
    theirs: str
    pure: float | None = None
    compiled: float | None = None
    why: str = ""  # why the goal may be missed; shown only if it is missed
    within: Callable[[], AbstractContextManager[Any]] = nullcontext

    def goal(self, *, compiled: bool) -> float | None:
        """Return the goal with or without the compiled path, or None."""
        if compiled:
            return self.compiled
        return self.pure


THE_CALL = (
    "almost all of the time is the call itself. Compare with a call that does nothing, below."
)
FRESH = (
    "the system clears fresh memory before it is used, and every byte has to be read and written. "
    "Compare with a copy into existing memory, and with NumPy's copy, below."
)

GOALS = (
    Row("torch to NumPy", "interop.to_numpy(t)", "t.numpy()", 1.30, 0.47),
    Row("torch to NumPy", "interop.to_numpy(t)", "t.detach().cpu().numpy()", 0.75, 0.25),
    Row("with gradient", "interop.to_numpy(g, detach=True)", "g.detach().numpy()", 1.30, 0.50),
    Row("NumPy to torch", "interop.to_torch(a)", "torch.from_numpy(a)", 1.30, 0.68),
    Row("NumPy to torch", "interop.to_torch(a)", "torch.as_tensor(a)", 0.50, 0.25),
    Row("same framework", "interop.to_torch(t)", "torch.as_tensor(t)", 0.35, 0.06, THE_CALL),
    Row("same framework", "interop.to_numpy(a)", "np.asarray(a)", 2.70, 0.50, THE_CALL),
    Row("copy, 64 MiB", "interop.to_torch(t64, copy=True)", "t64.clone()", 0.25, 0.25, FRESH),
    Row(
        "copy, 64 MiB",
        "interop.to_torch(a64, copy=True)",
        "torch.from_numpy(a64).clone()",
        0.25,
        0.25,
        FRESH,
    ),
    Row(
        "transposed copy, 64 MiB",
        "interop.to_numpy(m.T, copy=True)",
        "m.T.contiguous()",
        0.50,
        0.50,
    ),
    Row(
        "transposed copy in C order, 64 MiB",
        'interop.stack([m.T], "torch")',
        "m.T.contiguous()[None]",
    ),
    Row(
        "dict of 100 tensors",
        'interop.convert_tree(tensors, "numpy")',
        "{k: v.numpy() for k, v in tensors.items()}",
        1.35,
        0.60,
    ),
    Row("list of 500 arrays", 'interop.stack(arrays, "torch")', "torch.tensor(arrays)", 0.06, 0.06),
    Row("slow path: copy", "interop.to_torch(a, copy=True)", "torch.from_numpy(a.copy())", 3, 2),
    Row("slow path: copy", "interop.to_numpy(t, copy=True)", "t.numpy().copy()", 3, 2),
    Row("slow path: sliced", "interop.to_numpy(s)", "s.numpy()", 3, 2),
    Row("slow path: sliced", "interop.to_torch(sa)", "torch.from_numpy(sa)", 3, 2),
    Row("slow path: reversed", "interop.to_torch(r)", "torch.from_numpy(r.copy())", 3, 2),
)

WITHOUT_A_GOAL = (
    Row("a fresh tensor", "interop.to_numpy(torch.empty(16))", "torch.empty(16).numpy()"),
    Row("a fresh transposed view", "interop.to_numpy(w.T)", "w.T.numpy()"),
    Row(
        "float32 to float16, 64 MiB",
        'interop.to_torch(a64, dtype="float16")',
        "torch.from_numpy(a64).half()",
    ),
    Row(
        'within `torch.device("cpu")`',
        "interop.to_numpy(t)",
        "t.numpy()",
        within=partial(torch.device, "cpu"),
    ),
    Row("a call that does nothing", "builtins.callable(t)", "torch.as_tensor(t)"),
    Row("a call that does nothing", "builtins.callable(a)", "np.asarray(a)"),
    Row("copy into existing memory, 64 MiB", "out64.copy_(t64)", "t64.clone()"),
    Row("NumPy's copy, 64 MiB", "t64.numpy().copy()", "t64.clone()"),
)


def names(big: int = MIB_64) -> dict[str, Any]:
    """Return the variables of the calls. Large arrays have `big` elements."""
    side = isqrt(big)
    t = torch.arange(16.0)
    a = np.arange(16, dtype="f4")
    a64 = np.arange(big, dtype="f4")
    # Every page is written, because untouched memory is read faster.
    t64 = torch.arange(big, dtype=torch.float32)
    return {
        "builtins": builtins, "interop": interop, "np": np, "torch": torch,
        "a": a, "sa": np.arange(32, dtype="f4")[::2], "r": a[::-1], "a64": a64,
        "t": t, "s": torch.arange(32.0)[::2], "g": torch.arange(16.0, requires_grad=True),
        "w": t.reshape(4, 4), "t64": t64, "out64": t64.clone(),
        "m": t64[: side * side].reshape(side, side),
        "tensors": {f"layer {i}": torch.full((16,), float(i)) for i in range(100)},
        "arrays": [np.full((64, 64), i, "f4") for i in range(500)],
    }  # fmt: skip


def is_compiled() -> bool:
    """Return whether the compiled path is in use, which is known after the first conversion."""
    interop.to_numpy(torch.arange(1))
    return bool({info.name: info.compiled for info in interop.frameworks()}["torch"])
