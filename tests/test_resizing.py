"""Resizing a tensor does not free the memory that a consumer still reads."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

import interop
from child import run_child

pytestmark = pytest.mark.requires("torch")

TENSORS: dict[str, Any] = {
    "plain": lambda: torch.arange(1000.0),
    "a view": lambda: torch.arange(1000.0)[::2],
    "complex": lambda: torch.ones(1000, dtype=torch.complex64),
    "bool": lambda: torch.ones(1000, dtype=torch.bool),
    "uint16": lambda: torch.ones(1000, dtype=torch.uint16),
    "bfloat16": lambda: torch.ones(1000, dtype=torch.bfloat16),
    "float8": lambda: torch.ones(1000).to(torch.float8_e4m3fn),
    "subclass": lambda: torch.arange(1000.0).as_subclass(type("Sub", (torch.Tensor,), {})),
    "expanded": lambda: torch.ones(1).expand(1000),
}
CHANGES: dict[str, Any] = {
    "resize_": lambda t: t.resize_(1_000_000),
    "storage": lambda t: t.untyped_storage().resize_(0),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
@pytest.mark.parametrize(
    "make",
    [
        pytest.param(make, marks=pytest.mark.requires("torch-dlpack") if "8" in name else ())
        for name, make in TENSORS.items()
    ],
    ids=TENSORS,
)
def test_export_capsule_of_host_memory_forbids_resizing(make: Any, change: Any) -> None:
    tensor = make()
    capsule = interop.export(tensor).__dlpack__(max_version=(1, 0))
    with pytest.raises(RuntimeError, match="not resizable"):
        change(tensor)
    del capsule


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_export_detached_forbids_resizing(change: Any) -> None:
    tensor = torch.arange(1000.0).requires_grad_()
    with interop.options(detach=True):
        array = np.from_dlpack(interop.export(tensor))
    with pytest.raises(RuntimeError, match="not resizable"), torch.no_grad():
        change(tensor.detach())
    assert (array == np.arange(1000)).all()


def test_export_source_resize_leaves_the_consumer_values_unchanged() -> None:
    code = """
        import numpy as np, torch, interop
        t = torch.arange(1e6)
        view = np.from_dlpack(interop.export(t))
        try: t.untyped_storage().resize_(0)
        except RuntimeError: print("refused", flush=True)
        keep = [torch.full((10**6,), -1.0) for _ in range(20)]
        print((view == np.arange(1e6)).all())"""
    assert run_child(code).split() == ["refused", "True"]


@pytest.mark.parametrize(
    "make", [TENSORS["plain"], lambda: torch.ones(3, dtype=torch.complex64).conj()]
)
@pytest.mark.requires("numpy-dlpack")
def test_export_copy_leaves_the_source_resizable(make: Any) -> None:
    tensor = make()
    np.from_dlpack(interop.export(tensor), copy=True)
    tensor.resize_(1_000_000)


@pytest.mark.requires("gpu", "cupy")
def test_to_cupy_device_memory_leaves_the_torch_tensor_resizable() -> None:
    """torch allows a resize on a GPU: see docs/handoffs.md. A lease requires torch's memory."""
    tensor = torch.empty(1000, device="cuda")
    arrays = [interop.to_cupy(tensor) for _ in range(2)]
    assert tensor.untyped_storage().resizable()
    assert {array.data.ptr for array in arrays} == {tensor.data_ptr()}
