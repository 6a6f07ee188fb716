"""Facts about torch's tensors, and reasons why some tensors have no plain numbers."""

from __future__ import annotations

from typing import Any, Final

import torch
from torch import Tensor
from torch.nn.parameter import is_lazy

from interop import errors
from interop.adapter import Facts

from . import subclass
from .alignment import is_misaligned
from .devices import device_of
from .dtypes import NAMES
from .modes import FAKE, dispatch_mode, is_transformed

_WRAPPERS: Final = {
    "DTensor": "Use x.full_tensor() to gather it from all processes, "
    "or x.to_local() for the part in this one.",
    "AsyncCollectiveTensor": "Use x.wait() for the result of the collective.",
    "MaskedTensor": "Use x.to_tensor(value) to fill what is masked.",
}
"""Names of classes in torch whose objects stand for another tensor, and how to get that tensor."""


def read_facts(x: Tensor) -> Facts:
    """Return the facts about a plain tensor, or about an object with `_no_numbers`."""
    if problem := _no_numbers(x):
        return _without_numbers(x, problem)
    size = x.element_size()
    strides = tuple(map(size.__mul__, x.stride()))
    not_shareable = None
    if x.is_conj() or x.is_neg():
        not_shareable = "a conjugation or negation is pending"
    # On the host, NumPy reads from any address, so the memory is still shared (decision 0023).
    if x.is_cuda and is_misaligned(x):
        not_shareable = f"its address is not a multiple of its elements' {size} bytes"
    return Facts(
        "torch", tuple(x.shape), NAMES[x.dtype], device_of(x), strides, x.numel() * size,
        gradient=x.requires_grad, not_shareable=not_shareable,
    )  # fmt: skip


def fingerprint(x: Any, /) -> Any:
    """Return what `read_facts` reads. Tensors without a cached plan are left out."""
    # `torch._C._dispatch_keys` tells most of this in one call, which takes as long. But it
    # crashes the process if there is no memory for its result.
    if not x.is_cpu or is_transformed(x) or x._is_zerotensor():
        return None
    if dispatch_mode(FAKE) is not None:  # `is_faked` without a frame
        return None
    try:
        strides = x.stride()
        return x.dtype, x.shape, strides, x.requires_grad, x.layout, x.is_conj(), x.is_neg()
    except RuntimeError:  # nested tensors have no shape, sparse ones no strides
        return None


def _without_numbers(x: Tensor, problem: str) -> Facts:
    """Return the facts about a tensor without plain numbers. Some have no shape either."""
    shapeless = x.is_nested or (type(x) is not Tensor and is_lazy(x))
    shape = () if shapeless else tuple(x.shape)
    dtype = str(x.dtype).removeprefix("torch.")
    return Facts(
        "torch", shape, dtype, device_of(x), nbytes=_stored_bytes(x),
        gradient=x.requires_grad, unsupported=problem,
    )  # fmt: skip


def _stored_bytes(x: Any) -> int:
    """Return the bytes that travel if torch moves a tensor without plain numbers to a device."""
    if x.layout is torch.sparse_coo:
        return x._indices().nbytes + x._values().nbytes
    if x.layout in (torch.sparse_csr, torch.sparse_bsr):
        return x.crow_indices().nbytes + x.col_indices().nbytes + x.values().nbytes
    if x.layout in (torch.sparse_csc, torch.sparse_bsc):
        return x.ccol_indices().nbytes + x.row_indices().nbytes + x.values().nbytes
    if x.layout is torch.jagged:
        return x.offsets().nbytes + x.values().nbytes
    try:
        return x.untyped_storage().nbytes()
    # A lazy parameter and a tensor of zeros without memory have no storage.
    except RuntimeError:
        return 0


def _no_numbers(x: Tensor) -> str | None:
    """Return why a tensor has no memory of plain numbers, or None."""
    return _no_memory(x) or _no_plain_elements(x)


def _no_memory(x: Tensor) -> str | None:
    if type(x) is not Tensor and is_lazy(x):
        hint = "Call the module once: module(x) gives it one."
        return errors.Reason("it is a parameter without a shape yet", hint)
    if x.is_nested:
        return errors.Reason("it is nested", "Use x.to_padded_tensor(0.0) or x.unbind().")
    if not subclass.has_own_memory(type(x)):
        reason = f"a {type(x).__name__} has no memory of its own"
        return errors.Reason(reason, _hint_for_wrapper(type(x)))
    if is_transformed(x):
        reason = "inside torch.func (vmap, grad) there are no values yet"
        return errors.Reason(reason, "Convert outside of it.")
    if x.device.type == "meta":
        reason = f"a tensor on the device {x.device.type!r} has no values to read"
        return errors.Reason(reason, "Make it with values on another one.")
    return None


def _no_plain_elements(x: Tensor) -> str | None:
    if x.layout is not torch.strided:
        return errors.Reason(f"its layout is {x.layout}", "Use x.to_dense().")
    if x.is_quantized:
        return errors.Reason("it is quantized", "Use x.dequantize() or x.int_repr().")
    # Private, because torch has no public name for zeros without memory.
    if x._is_zerotensor():
        return errors.Reason("it is a gradient of zeros without memory", "Use torch.zeros_like(x).")
    if x.dtype not in NAMES:
        fix = "x.view(torch.uint8) for its bytes"
        if x.dtype.is_complex:
            fix = "x.to(torch.complex64)"
        return errors.Reason(f"{x.dtype} has no counterpart elsewhere", f"Use {fix}.")
    return None


def _hint_for_wrapper(cls: type) -> str:
    """Return how to get the tensor that an object stands for, without importing the class."""
    for base in cls.__mro__:
        if base.__name__ in _WRAPPERS:
            return _WRAPPERS[base.__name__]
    return "Convert the tensor that it stands for."
