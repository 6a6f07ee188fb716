"""What every conversion shows, whatever the trap: memory, strides, identity, and no noise."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

import interop
from child import run_child

from .producers import address

CLASSES: dict[str, Any] = {"numpy": np.ndarray, "torch": torch.Tensor}
BOTH_WAYS = pytest.mark.parametrize(("source", "target"), [("numpy", "torch"), ("torch", "numpy")])
LAYOUTS: dict[str, Callable[[Any], Any]] = {
    "C": lambda x: x,
    "F": lambda x: np.asfortranarray(x) if isinstance(x, np.ndarray) else x.T.contiguous().T,
    "sliced": lambda x: x[1:, ::2],
    "transposed": lambda x: x.T,
    "3-d, axes swapped": lambda x: x.reshape(2, 2, 3).swapaxes(0, 2),
    "one row": lambda x: x[:1],
    "0-d": lambda x: x[2, 1, ...],
    "size 0": lambda x: x[:, :0],
}
EVERY_LAYOUT = pytest.mark.parametrize("layout", LAYOUTS)


def make(framework: str, layout: str) -> Any:
    """Float32 numbers from 0 to 11, in that layout."""
    array = np.arange(12, dtype="float32").reshape(4, 3)
    return LAYOUTS[layout](array if framework == "numpy" else torch.tensor(array.tolist()))


def strides(x: Any) -> tuple[int, ...]:
    """In elements."""
    return (
        tuple(x.stride())
        if isinstance(x, torch.Tensor)
        else tuple(s // x.itemsize for s in x.strides)
    )


def add(x: Any, number: int) -> None:
    x[...] = x + number


@BOTH_WAYS
@EVERY_LAYOUT
@pytest.mark.parametrize(
    "keywords", [{}, {"copy": False}, {"device": "cpu"}, {"dtype": "float32"}], ids=str
)
def test_convert_between_numpy_and_torch_shares_memory_and_keeps_strides(
    source: str, target: str, layout: str, keywords: Any
) -> None:
    x = make(source, layout)
    result: Any = interop.convert(x, target, **keywords)
    assert type(result) is CLASSES[target]
    assert (tuple(result.shape), result.tolist()) == (tuple(x.shape), x.tolist())
    assert str(result.dtype).removeprefix("torch.") == "float32"
    assert interop.explain(x, target, **keywords).zero_copy
    if layout != "size 0":
        assert (address(result), strides(result)) == (address(x), strides(x))
        add(result, 1)
        assert x.tolist() == result.tolist()
        add(x, 1)
        assert x.tolist() == result.tolist()
        assert interop.shares_memory(x, result)


@BOTH_WAYS
@EVERY_LAYOUT
def test_convert_copy_true_is_independent(source: str, target: str, layout: str) -> None:
    x = make(source, layout)
    before = x.tolist()
    result = interop.convert(x, target, copy=True)
    assert result.tolist() == before
    add(result, 100)
    assert x.tolist() == before
    add(x, 1000)
    assert not np.size(before) or result.tolist() != x.tolist()
    assert not interop.shares_memory(x, result)
    assert interop.explain(x, target, copy=True).bytes_copied == 4 * np.size(before)


@BOTH_WAYS
@pytest.mark.parametrize("keywords", [{"dtype": "float64"}, {"dtype": "float16"}], ids=str)
def test_convert_copy_false_with_another_dtype_is_refused(
    source: str, target: str, keywords: Any
) -> None:
    x = make(source, "C")
    with pytest.raises(interop.CopyRequiredError, match="the dtype changes"):
        interop.convert(x, target, copy=False, **keywords)
    assert interop.convert(x, target, **keywords).tolist() == x.tolist()


@BOTH_WAYS
@EVERY_LAYOUT
def test_convert_round_trip_returns_the_same_memory(source: str, target: str, layout: str) -> None:
    x = make(source, layout)
    back = interop.convert(interop.convert(x, target), source)
    assert back.tolist() == x.tolist()
    if layout != "size 0":
        assert (address(back), strides(back)) == (address(x), strides(x))


class Image(torch.Tensor):
    """A subclass of some other package."""


class Signal(np.ndarray[Any, Any]):
    """A subclass of some other package."""


NATIVES: dict[str, tuple[str, Callable[[], Any]]] = {
    "ndarray": ("numpy", lambda: np.arange(3.0)),
    "matrix-like subclass": ("numpy", lambda: np.arange(3.0).view(Signal)),
    "masked": ("numpy", lambda: np.ma.MaskedArray([1.0, 2.0], mask=[True, False])),
    "read-only": ("numpy", lambda: np.broadcast_to(np.float32(1), (3,))),
    "reversed": ("numpy", lambda: np.arange(3.0)[::-1]),
    "object": ("numpy", lambda: np.array([None])),
    "tensor": ("torch", lambda: torch.arange(3.0)),
    "subclass": ("torch", lambda: torch.arange(3.0).as_subclass(Image)),
    "with a gradient": ("torch", lambda: torch.ones(3, requires_grad=True) * 2),
    "parameter": ("torch", lambda: torch.nn.Parameter(torch.ones(3))),
    "conjugated": ("torch", lambda: torch.ones(3, dtype=torch.complex64).conj()),
    "expanded": ("torch", lambda: torch.ones(1).expand(3)),
    "bfloat16": ("torch", lambda: torch.ones(3, dtype=torch.bfloat16)),
    "meta": ("torch", lambda: torch.ones(3, device="meta")),
}


@pytest.mark.parametrize(("framework", "make_native"), NATIVES.values(), ids=NATIVES)
@pytest.mark.parametrize(
    "keywords", [{}, {"copy": False}, {"detach": True}, {"readonly": "error"}], ids=str
)
def test_convert_without_a_change_returns_the_object_itself(
    framework: str, make_native: Callable[[], Any], keywords: Any
) -> None:
    x = make_native()
    assert interop.convert(x, framework, **keywords) is x
    assert interop.convert_like(x, x, **keywords) is x
    assert [step.verb for step in interop.explain(x, framework, **keywords).steps] == ["keep"]


@pytest.mark.parametrize("target", ["numpy", "torch"])
def test_convert_subclass_to_another_framework_returns_the_base_class(target: str) -> None:
    x: Any = (
        torch.arange(3.0).as_subclass(Image) if target == "numpy" else np.arange(3.0).view(Signal)
    )
    result = interop.convert(x, target, copy=False)
    assert type(result) is CLASSES[target]
    assert address(result) == address(x)


def test_to_torch_copy_of_a_tensor_keeps_the_graph() -> None:
    tensor = torch.ones(3, requires_grad=True)
    interop.to_torch(tensor, copy=True, detach=True).sum().backward()  # type: ignore[no-untyped-call]
    assert tensor.grad is not None
    assert tensor.grad.tolist() == [1, 1, 1]


def test_convert_in_a_new_process_prints_no_warning() -> None:
    code = """
        import numpy as np, torch, interop
        read_only = np.broadcast_to(np.float32(1), (3,))
        for x in np.ones(3), np.ones(3)[::-1], read_only, np.ones(3, ">f4"), np.float64(3), b"abc":
            for keywords in {}, {"copy": True}, {"readonly": "share"}, {"dtype": "float64"}:
                interop.to_torch(x, **keywords), interop.explain(x, "torch", **keywords), interop.device_of(x)
        for x in torch.ones(3), torch.ones(1).expand(3), torch.ones(3, requires_grad=True), torch.ones(3).conj():
            for keywords in {}, {"copy": True}, {"dtype": "float16"}:
                interop.to_numpy(x, detach=True, **keywords)
        interop.frameworks()"""
    assert run_child(code) == ""


@pytest.mark.requires("cupy", "kernels")
@EVERY_LAYOUT
def test_to_cupy_copy_false_shares_and_copy_true_copies(layout: str) -> None:
    import cupy

    tensor = make("torch", layout).cuda()
    shared = interop.to_cupy(tensor, copy=False)
    assert isinstance(shared, cupy.ndarray)
    assert shared.tolist() == tensor.tolist()
    copied = interop.to_cupy(tensor, copy=True)
    add(copied, 1)
    assert shared.tolist() == tensor.tolist()
    if layout != "size 0":
        assert shared.data.ptr == tensor.data_ptr()
        assert copied.data.ptr != tensor.data_ptr()
    with pytest.raises(interop.CopyRequiredError):
        interop.to_numpy(tensor, copy=False)
