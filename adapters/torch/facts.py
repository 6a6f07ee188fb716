"""Facts of torch's tensors, and reasons why some have no plain numbers."""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor
from torch.nn.parameter import is_lazy

from interop import errors
from interop.adapter import NOWHERE, Device, Facts

from . import host, subclass

KINDS: Final = {"cpu": 1, "cuda": 10 if torch.version.hip else 2, "mps": 8, "xpu": 14}
"""DLPack's number (``DLDeviceType``) for each type of device of torch's that has one."""


def read_facts(x: Tensor) -> Facts:
    """Return the facts of a plain tensor, or of a tensor with the subclass set aside."""
    if problem := _no_numbers(x):
        shapeless = x.is_nested or (type(x) is not Tensor and is_lazy(x))
        shape = () if shapeless else tuple(x.shape)
        dtype = str(x.dtype).removeprefix("torch.")
        return Facts(
            "torch", shape, dtype, device_of(x), gradient=x.requires_grad, unsupported=problem
        )
    size = x.element_size()
    strides = tuple([s * size for s in x.stride()])
    not_shareable = "a conjugation or negation is pending" if x.is_conj() or x.is_neg() else None
    if x.is_cuda and host.is_misaligned(x):
        not_shareable = f"its address is not a multiple of its elements' {size} bytes"
    return Facts(
        "torch", tuple(x.shape), host.NAMES[x.dtype], device_of(x), strides, x.numel() * size,
        gradient=x.requires_grad, not_shareable=not_shareable,
    )  # fmt: skip


def device_of(x: Tensor) -> Device:
    """Return the device of a tensor; one that has no number in DLPack is nowhere."""
    kind = KINDS.get(x.device.type)
    return NOWHERE if kind is None else Device(kind, x.device.index or 0)


def _no_numbers(x: Tensor) -> str | None:  # noqa: PLR0911 - a list of reasons
    """Return why a tensor has no memory of plain numbers behind it."""
    if type(x) is not Tensor and is_lazy(x):
        return errors.Reason(
            "it is a parameter without a shape yet", "Call the module once: module(x) gives it one."
        )
    if x.is_nested:
        return errors.Reason("it is nested", "Use x.to_padded_tensor(0.0) or x.unbind().")
    if not subclass.has_own_memory(type(x)):
        return errors.Reason(
            f"a {type(x).__name__} has no memory of its own", host.stood_for(type(x))
        )
    if host.is_transformed(x):
        return errors.Reason(
            "inside torch.func (vmap, grad) there are no values yet", "Convert outside of it."
        )
    if x.device.type not in KINDS:
        return errors.Reason(
            f"a tensor on the device {x.device.type!r} has no values to read",
            "Make it with values on another one.",
        )
    if x.layout is not torch.strided:
        return errors.Reason(f"its layout is {x.layout}", "Use x.to_dense().")
    if x.is_quantized:
        return errors.Reason("it is quantized", "Use x.dequantize() or x.int_repr().")
    if x._is_zerotensor():
        return errors.Reason("it is a gradient of zeros without memory", "Use torch.zeros_like(x).")
    if x.dtype not in host.NAMES:
        fix = "x.to(torch.complex64)" if x.dtype.is_complex else "x.view(torch.uint8) for its bytes"
        return errors.Reason(f"{x.dtype} has no counterpart elsewhere", f"Use {fix}.")
    return None
