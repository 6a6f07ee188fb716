"""Calls with wrong keywords, targets, policies or arguments."""

from collections.abc import Callable
from typing import Any, Final

import numpy as np
import torch

import interop
import ledger
from hidden import hidden_ml_dtypes
from registering import registered

from .dtypes import to
from .rows import Row, nothing, row

ALLOW: Final = {"copy=False": "copy=None"}


def readonly() -> Any:
    x = np.ones(3, "float32")
    x.flags.writeable = False
    return x


def without_ml_dtypes(verb: Callable[..., Any]) -> Callable[..., Any]:
    def call(x: Any, **keywords: Any) -> Any:
        with hidden_ml_dtypes():
            return verb(x, **keywords)

    return call


def to_cuda(x: Any, device: str = "cuda:99") -> Any:
    return interop.to_torch(x, device=device)


def to_torch_on_gpu(x: Any) -> Any:
    return interop.to_numpy(x, device="cuda")


def no_copy(x: Any, copy: bool | None = False, **keywords: Any) -> Any:
    return interop.to_torch(x, copy=copy, **keywords)


def guarded(x: Any, readonly: Any = "error") -> Any:
    return interop.to_torch(x, readonly=readonly)


def cast(x: Any, **keywords: Any) -> Any:
    return interop.to_torch(x, dtype="int32", **keywords)


def into(dst: Any) -> Callable[..., Any]:
    return lambda x, **keywords: interop.copyto(dst(), x, **keywords)


def overlapping(x: Any) -> Any:
    return interop.copyto(x[1:], x[:-1][::-1])


def stack_without_copy(x: Any, copy: bool | None = False) -> Any:
    return interop.stack(x, "torch", copy=copy)


def decorated(x: Any) -> Any:
    return interop.implemented_in(x)


def exported(x: Any) -> Any:
    return np.from_dlpack(interop.export(x))


def exported_without_copy(x: Any, copy: bool | None = False) -> Any:
    return interop.export(x).__dlpack__(copy=copy)


def batched(x: Any, **keywords: Any) -> Any:
    return list(interop.batches(x, "torch", **keywords))


def ledgers() -> Any:
    return [ledger.Ledger(np.ones(2)), ledger.Ledger(np.ones(2))]


def in_ledgers(x: Any, target: str = "ledger") -> Any:
    """Stack arrays of a framework that array-api-compat does not know."""
    with registered(ledger.adapter):
        return interop.stack(x, target)


def policy_as_keyword(x: Any) -> Any:
    keywords: dict[str, Any] = {"host_copy": "allow"}
    return interop.to_torch(x, **keywords)


class Spoken(ledger.Ledger):
    """A ledger that speaks a protocol, so it can be converted without an adapter."""

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        return np.ones(2)


def known_when_registered(x: Any) -> Any:
    with registered(ledger.adapter):
        assert interop.framework_of(x) == "ledger"
    return np.ones(1)


def taken(x: Any, **keywords: Any) -> Any:
    return interop.implemented_in("numpy", **keywords)(lambda y: y)(x)


def taken_with_namespace(x: Any, **keywords: Any) -> Any:
    return interop.implemented_in("array_api", **keywords)(lambda y, z, *, xp=None: (y, z, xp))(
        np.ones(2), x
    )


def leaf() -> Any:
    return torch.ones(3, requires_grad=True)


def allowed(x: Any) -> Any:
    with interop.options(host_copy="allow"):
        return interop.to_numpy(x)


def host_error(x: Any) -> Any:
    with interop.options(host_copy="error"):
        return interop.to_numpy(x)


ROWS: Final[list[Row]] = [
    row("a gradient", leaf, "detach=True", call=to("numpy")),
    row("a gradient to export", leaf, "interop.options(detach=True)", call=exported),
    row("a gradient to copy", leaf, "detach=True", call=into(lambda: np.zeros(3, "float32"))),
    row("no copy", lambda: np.ones(3)[::-1], call=no_copy, runs=ALLOW),
    row("no copy of read-only memory", readonly, 'readonly="share"', call=no_copy, runs=ALLOW),
    row("no copy of an export", readonly, call=exported_without_copy, runs=ALLOW),
    row("no copy in a stack", lambda: [np.ones(2)] * 2, call=stack_without_copy, runs=ALLOW),
    row("read-only memory", readonly, 'readonly="copy"', 'readonly="share"', call=guarded),
    row("the kind of number", lambda: np.ones(3), 'casting="unsafe"', call=cast),
    row("memory of dst", lambda: np.arange(6.0), call=overlapping,
        runs={'interop.convert(src, "numpy", copy=True)': 'interop.convert(x[:-1][::-1], "numpy", copy=True)'}),
    row("too few rows", lambda: [np.ones((1, 2))], call=into(lambda: np.zeros((3, 2))), words=("interop.copyto",),
        runs={"dst[:1]": "interop.copyto(dst[:1], x)"}, more=lambda: {"dst": np.zeros((3, 2))}),
    row("an array without dimensions", lambda: np.ones(()), call=lambda x, **_: interop.batches(x, "torch", size=1),
        runs={"interop.convert": 'interop.convert(x, "torch")'}),
    row("batches without a size", lambda: np.ones(3), "size=1000", call=batched, words=("size=",)),
    row("one array to stack", lambda: np.ones((2, 2)), 'interop.convert(x, "torch")',
        call=lambda x: interop.stack(x, "torch")),
    row("several dtypes to stack", lambda: [np.ones(2), np.ones(2, int)], words=("dtype=",),
        runs={"Pass dtype=": 'interop.stack(x, "torch", dtype="float32")'}, call=lambda x: interop.stack(x, "torch")),
    row("a framework without a namespace", ledgers, call=in_ledgers,
        runs={'interop.stack(arrays, "numpy")': lambda x: in_ledgers(x, "numpy")}),
    row("no framework to unify", lambda: (b"abc", bytearray(3)), call=lambda x: interop.unify(*x),
        runs={'interop.unify(*arrays, to="numpy")': 'interop.unify(*x, to="numpy")'}),
    row("no parentheses", lambda: lambda x: x, '@interop.implemented_in("numpy")', call=decorated),
    row("swapped arguments", lambda: np.ones(3), 'interop.convert(x, "numpy")',
        call=lambda x: interop.convert("torch", x)),
    row("a subclass as the target", lambda: np.ones(3), 'interop.convert(x, "numpy")', call=to(np.float32)),
    row("a dtype as the target", lambda: np.ones(3), call=to("float32"),
        runs={"dtype='float32'": "interop.to_torch(x, dtype='float32')"}),
    row("a device as the target", lambda: np.ones(3), call=to("cpu"),
        runs={"device='cpu'": "interop.to_torch(x, device='cpu')"}),
    row("a policy as a keyword", lambda: np.ones(3), runs={"interop.options(host_copy='allow')": allowed},
        call=policy_as_keyword),
    row("no GPU in NumPy", lambda: np.ones(3), "interop.to_cupy", "interop.to_torch", call=to_torch_on_gpu,
        requires=("torch", "cupy", "gpu")),
    row("no such GPU", lambda: np.ones(3), 'device="cpu"', call=to_cuda),
    row("bfloat16 without ml_dtypes", lambda: torch.ones(2, dtype=torch.bfloat16), 'dtype="float32"',
        "pip install ml-dtypes", call=without_ml_dtypes(to("numpy")), requires=("torch", "ml_dtypes")),
    row("the policy about the host", lambda: interop.to_torch(np.ones(3), device="cuda"), call=host_error,
        words=('host_copy="error"',),
        runs={'interop.options(host_copy="allow")': allowed},
        requires=("torch", "gpu")),
    row("an argument of no framework", lambda: Spoken(np.ones(2)), "interop.convert(x, 'numpy')", "foreign=True",
        "foreign=False", call=taken),
    row("an argument without a namespace", lambda: Spoken(np.ones(2)), "interop.to_numpy(x)", "foreign=False",
        call=taken_with_namespace),
    row("an array of no framework", lambda: Spoken(np.ones(2)), call=interop.framework_of,
        runs={"interop.register": known_when_registered}),
    row("a progress bar", nothing, "pip install 'array-interop[progress]'", call=lambda _: without_tqdm()),
]  # fmt: skip


def without_tqdm() -> Any:
    """Request a progress bar while tqdm is hidden."""
    import sys
    from unittest.mock import patch

    with patch.dict(sys.modules, {"tqdm": None, "tqdm.auto": None}):
        return interop.batches(np.ones(3), "torch", size=1, progress=True)
