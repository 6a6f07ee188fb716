"""Arrays at any address, and every conversion to torch. `check` must run in a child process."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch.utils.dlpack import from_dlpack

import foreign
import interop
from interop.adapter import EXTENDED_DTYPES
from strategies import DTYPES, PLAIN, numpy_dtype, torch_dtype

AGAIN = 3  # conversions: first, planned, and from the cached plan
HUGE = 4 * 1024 * 1024


def place(shape: Any, dtype: str, *, shift: int) -> NDArray[Any]:
    """Return an ndarray of small numbers whose address is `shift` modulo 64."""
    found = numpy_dtype(dtype)
    size = int(np.prod(shape)) * found.itemsize
    memory = np.zeros(size + 128, np.uint8)
    start = -memory.ctypes.data % 64 + shift
    x = memory[start : start + size].view(found).reshape(shape)
    x[...] = np.arange(x.size).reshape(shape) % 2 + 1
    if found.kind == "c":
        x += 2j
    return x


def hold(x: NDArray[Any], dtype: str) -> torch.Tensor:
    """Return a tensor over an array's memory, created by torch without an alignment check."""
    return torch.frombuffer(x.reshape(-1).view(np.uint8).data, dtype=torch_dtype(dtype)).view(
        x.shape
    )


def needed(dtype: str) -> int:
    """Return the alignment in bytes that torch's kernels need beyond NumPy's for this dtype."""
    return {"complex64": 8, "complex128": 16}.get(dtype, 1)


def used(x: Any) -> NDArray[Any]:
    """Return the values of a result, read by kernels of the result's framework."""
    if isinstance(x, torch.Tensor):
        x = x.clone().to(torch.complex128).numpy()
    return np.asarray(x).astype(complex)


# -- conversions to torch, from an array at any address --------------------------------------------


@interop.implemented_in("torch")
def cloned(x: Any) -> Any:
    return x.clone()


def copied_into(x: Any) -> torch.Tensor:
    out = torch.empty(x.shape, dtype=torch.complex128)
    interop.copyto(out, x)
    return out


def from_blocks(x: Any) -> Any:
    lazy = interop.convert(x, "dask", chunks=2)
    return interop.convert(interop.convert(lazy, "torch"), "torch", compute=True)


CALLS: dict[str, Callable[[Any], Any]] = {
    "convert": lambda x: interop.convert(x, "torch"),
    "to_torch": interop.to_torch,
    "readonly": lambda x: interop.to_torch(x, readonly="share"),
    "detach": lambda x: interop.to_torch(x, detach=True),
    "copy": lambda x: interop.to_torch(x, copy=True),
    "wider": lambda x: interop.to_torch(x, dtype="complex128"),
    "narrower": lambda x: interop.to_torch(x, dtype="complex64"),
    "stack": lambda x: interop.stack([x, x], "torch")[1],
    "batches": lambda x: torch.cat(list(interop.batches(x, "torch", size=1))),
    "tree": lambda x: interop.convert_tree({"x": [x]}, "torch")["x"][0],
    "unify": lambda x: interop.unify(torch.ones(1), x)[1],
    "copyto": copied_into,
    "decorator": lambda x: interop.to_torch(cloned(x)),
    "export": lambda x: from_dlpack(interop.export(x)),
    "dask": from_blocks,
    "memoryview": lambda x: interop.to_torch(memoryview(x)),
    "dlpack": lambda x: interop.to_torch(foreign.DLPack(x)),
    "interface": lambda x: interop.to_torch(foreign.ArrayInterface(x)),
    "read": lambda x: interop.to_torch(foreign.Array(x)),
}
HELD: dict[str, Callable[[torch.Tensor], Any]] = {
    "copy": lambda t: interop.to_torch(t, copy=True),
    "narrower": lambda t: interop.to_torch(t, dtype="complex64"),
    "stack": lambda t: interop.stack([t, t], "torch")[1],
    "tree": lambda t: interop.convert_tree([t], "torch", copy=True)[0],
    "numpy": interop.to_numpy,
    "numpy copy": lambda t: interop.to_numpy(t, copy=True),
    "copyto": copied_into,
    "conj": lambda t: interop.to_torch(t.conj(), copy=True).conj(),
    "neg": lambda t: interop.to_numpy(-interop.to_numpy(torch._neg_view(t))),  # pyright: ignore[reportPrivateImportUsage]
    "batches": lambda t: torch.cat(list(interop.batches(t, "torch", size=1, copy=True))),
    "export": lambda t: from_dlpack(interop.export(t)),
}


def has_dtype(call: str, dtype: str) -> bool:
    """Return whether a dtype is possible on this path. No protocol has the ml_dtypes dtypes."""
    return dtype not in EXTENDED_DTYPES or call not in {
        "memoryview",
        "dlpack",
        "interface",
        "read",
        "export",
        "neg",
    }


@settings(max_examples=200, deadline=None)
@given(
    dtype=st.sampled_from([*DTYPES, "complex128", "complex64"]), shift=st.integers(0, 63), call=st.sampled_from([*CALLS]),
    shape=st.tuples(st.integers(1, 9)) | st.tuples(st.integers(1, 4), st.integers(1, 3)), reverse=st.booleans(),
)  # fmt: skip
def arrays(dtype: str, shift: int, call: str, shape: tuple[int, ...], *, reverse: bool) -> None:
    """Convert an ndarray at any address, and use the result."""
    x = place(shape, dtype, shift=shift)
    x = x[::-1] if reverse and call != "export" else x
    if has_dtype(call, dtype) and (call != "dlpack" or x.flags.aligned):
        for _ in range(AGAIN):
            result = CALLS[call](x)
            assert (
                not isinstance(result, torch.Tensor)
                or result.data_ptr() % needed(str(result.dtype)[6:]) == 0
            )
            assert np.array_equal(used(result), x.astype(complex)), (dtype, shift, call)


@settings(max_examples=100, deadline=None)
@given(
    dtype=st.sampled_from([*PLAIN, "complex128", "complex64"]), shift=st.integers(0, 63), call=st.sampled_from([*HELD]),
    n=st.integers(1, 9),
)  # fmt: skip
def tensors(dtype: str, shift: int, call: str, n: int) -> None:
    """Copy a tensor at any address that torch itself created."""
    x = place(n, dtype, shift=shift)
    t = hold(x, dtype)
    if call == "neg" and not t.dtype.is_complex:
        return
    for _ in range(AGAIN):
        assert np.array_equal(used(HELD[call](t)), x.astype(complex)), (dtype, shift, call)


@settings(max_examples=100, deadline=None)
@given(dtype=st.sampled_from(PLAIN), shift=st.integers(0, 63), n=st.integers(1, 9))
def plans(dtype: str, shift: int, n: int) -> None:
    """Check that plan and record agree with the conversion, which copies only misaligned memory."""
    x = place(n, dtype, shift=shift)
    plan = interop.explain(x, "torch")
    assert plan.zero_copy == (shift % max(needed(dtype), x.dtype.alignment) == 0)
    for _ in range(AGAIN):
        assert interop.shares_memory(x, interop.to_torch(x)) == plan.zero_copy
    with interop.watch() as seen:
        interop.to_torch(x)
    assert [record.reason for record in seen.records] == [plan.reason]
    if not plan.zero_copy:
        with pytest.raises(interop.CopyRequiredError, match=plan.reason):
            interop.to_torch(x, copy=False)


def huge() -> None:
    """Copy arrays from 4 MiB up, for which NumPy's allocator is used instead of torch's."""
    x = place(HUGE // 16 + 3, "complex128", shift=8)  # a remainder that does not fill a SIMD vector
    t = hold(x, "complex128")
    asked: list[dict[str, Any]] = [
        {"copy": True},
        {"dtype": "complex64"},
        {"dtype": "float32", "casting": "unsafe"},
    ]
    for source, expected in ((x, x), (t, x), (t.conj(), x.conj())):
        for keywords in asked:
            result = interop.to_torch(source, **keywords)
            kept = np.real(expected) if result.dtype is torch.float32 else expected
            assert np.array_equal(used(result), kept.astype(complex))
        stacked = interop.stack([source, source], "torch")
        assert np.array_equal(used(stacked[1]), expected)
        out = hold(place(x.shape, "complex128", shift=8), "complex128")
        interop.copyto(out, source)
        assert np.array_equal(out.numpy(), expected)
