"""Large copies on the host: the side that copies, the memory, and otherwise ordinary results."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

import interop
from memory import bits, strides

pytestmark = pytest.mark.requires("torch")

SIDE = 1100  # float32: 4.8 MB, a size for which torch uses NumPy's memory
LAYOUTS: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "contiguous": lambda t: t,
    "transposed": lambda t: t.T,
    "sliced": lambda t: torch.cat([t, t], 1)[:, ::2],
    "expanded": lambda t: t[:1].expand(SIDE, SIDE),
    "3-d, permuted": lambda t: t.reshape(11, 100, SIDE).permute(2, 0, 1),
}


def numbers(dtype: str = "float32") -> torch.Tensor:
    return torch.arange(SIDE * SIDE).remainder(251).to(getattr(torch, dtype)).reshape(SIDE, SIDE)


@pytest.mark.parametrize("take", LAYOUTS.values(), ids=LAYOUTS)
@pytest.mark.parametrize("to", ["torch", "numpy"])
def test_convert_copy_true_of_large_tensor_equals_clone(take: Any, to: str) -> None:
    tensor = take(numbers())
    copied = interop.convert(tensor, to, copy=True)
    assert strides(copied) == strides(tensor.clone())
    assert bits(copied) == bits(tensor)
    assert not interop.shares_memory(copied, tensor)


@pytest.mark.parametrize("dtype", ["float64", "float16", "bfloat16", "int32", "bool", "complex64"])
def test_to_torch_large_cast_gives_the_numbers_of_torch(dtype: str) -> None:
    expected = numbers().to(getattr(torch, dtype))
    for source in (numbers(), numbers().numpy(), numbers().numpy()[::-1][::-1]):
        result = interop.to_torch(source, dtype=dtype, casting="unsafe")
        assert result.dtype == expected.dtype
        assert bits(result) == bits(expected)


@pytest.mark.parametrize("source", [numbers, lambda: numbers().numpy()], ids=["torch", "NumPy"])
def test_to_torch_of_large_reversed_swapped_or_readonly_array_copies(
    source: Callable[[], Any],
) -> None:
    array = np.asarray(source())
    frozen = array[:]
    frozen.flags.writeable = False
    for x in (array[::-1], array.astype(">f4"), frozen):
        tensor = interop.to_torch(x)
        assert tensor.tolist() == x.tolist()
        assert not interop.shares_memory(tensor, x)


def test_to_torch_copy_true_resolves_a_pending_conjugation() -> None:
    z = (numbers("complex64") * 1j).conj()
    copied = interop.to_torch(z, copy=True)
    assert not copied.is_conj()
    assert bits(copied) == bits(z)


def test_to_torch_copy_true_of_large_tensor_stays_in_the_graph() -> None:
    weight = numbers().requires_grad_()
    interop.to_torch(weight, copy=True).sum().backward()  # type: ignore[no-untyped-call]
    assert weight.grad is not None
    assert bool((weight.grad == 1).all())


def sides(x: Any, to: str, **keywords: Any) -> list[str]:
    return [step.side for step in interop.explain(x, to, **keywords).steps if step.writes]


@pytest.mark.parametrize(("n", "by"), [(16, "source"), (1 << 20, "target")])
def test_planner_lets_the_faster_side_copy(n: int, by: str) -> None:
    """NumPy has less overhead per call. torch copies large arrays faster, in any layout."""
    array = np.ones(n, "float32")
    assert sides(array, "torch", copy=True) == [by]
    assert sides(array, "torch", dtype="float16") == ["target"]
    assert sides(array[::-1], "torch", dtype="float16") == [
        "source"
    ]  # a layout that torch does not support
    assert sides(array.astype(">f4"), "torch", dtype="float16") == ["source"]
    for keywords in ({"copy": True}, {"dtype": "float16"}):
        assert sides(torch.ones(n), "numpy", **keywords) == ["source"]


@pytest.mark.parametrize("axis", [0, 1, 2, -1])
@pytest.mark.parametrize("take", [lambda t: t, lambda t: t.T], ids=["contiguous", "transposed"])
def test_stack_of_large_tensors_equals_torch_stack(
    axis: int, take: Callable[[torch.Tensor], torch.Tensor]
) -> None:
    tensors = [take(numbers()), take(-numbers())]
    result = interop.stack(tensors, "torch", axis=axis)
    assert torch.equal(result, torch.stack(tensors, dim=axis))
    assert result.is_contiguous()


def test_stack_of_large_tensors_stays_in_the_graph() -> None:
    weight = numbers().requires_grad_()
    interop.stack([weight, weight], "torch").sum().backward()  # type: ignore[no-untyped-call]
    assert weight.grad is not None
    assert bool((weight.grad == 2).all())
