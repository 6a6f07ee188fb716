"""Copies of plain tensors: fast ones on the host, and copies from one device to another."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import torch
from torch import Tensor

from interop.adapter import LibraryDevice

from .alignment import aligned, is_misaligned
from .devices import device_of, torch_device, why_no_dtype_on
from .dtypes import NAMES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from interop.adapter import Device

HUGE: Final = 4 * 1024 * 1024
"""The size in bytes from which on NumPy's allocator asks for huge pages (``madvise``)."""


def resolved(x: Tensor) -> Tensor:
    """Return an aligned tensor without a pending conjugation or negation, as `copy_` needs it."""
    x = aligned(x)
    if x.is_conj() or x.is_neg():
        return x.resolve_conj().resolve_neg()
    return x


def without_imaginary(x: Tensor, dtype: torch.dtype) -> Tensor:
    """Return the tensor that a cast to a dtype should read: the real part, or the tensor itself.

    A cast from complex to real numbers reads the real part only. torch warns of that, and the
    caller has accepted the loss already. A cast to bool reads both parts.
    """
    return x.real if drops_imaginary(x, dtype) else x


def drops_imaginary(x: Tensor, dtype: torch.dtype) -> bool:
    """Return whether a cast of a tensor to a dtype reads the real part only."""
    return x.is_complex() and not dtype.is_complex and dtype is not torch.bool


def move(x: Tensor, device: Device, dtype: torch.dtype | None) -> Tensor:
    """Return a copy of a plain tensor on a device.

    Between two devices, the cast is made on the side from which fewer bytes travel. torch alone
    always casts on the side of the source.
    """
    if x.is_mkldnn and not device.is_host:
        raise BufferError("torch moves a tensor of the layout torch._mkldnn to no device")
    source = aligned(x)
    there = torch_device(source, device)
    if dtype is None or dtype == source.dtype or there == source.device:
        # `aligned` may have made the copy already.
        return resolved(source.to(device=there, dtype=dtype, copy=source is x))
    if _casts_before_move(source, device, dtype):
        return resolved(source.to(dtype).to(there))
    return resolved(source.to(there).to(dtype))


def _casts_before_move(x: Tensor, device: Device, dtype: torch.dtype) -> bool:
    """Return whether a cast comes before the move, so that fewer bytes travel.

    The host casts if the device lacks the dtype, and for a device without a number in DLPack, whose
    dtypes are not known.
    """
    if isinstance(device_of(x), LibraryDevice):
        return False
    lacks = isinstance(device, LibraryDevice) or why_no_dtype_on(device, NAMES[x.dtype])
    return bool(lacks) or dtype.itemsize < x.element_size()


# -- on the host -----------------------------------------------------------------------------------


def is_simple(x: Tensor) -> bool:
    """Return whether `clone` or `to` alone copies a tensor: on the host, real numbers, small."""
    # A sparse tensor has no `nbytes`.
    small = x.layout is not torch.strided or x.nbytes < HUGE
    return small and x.is_cpu and not x.is_complex()


def is_huge(x: Tensor) -> bool:
    """Return whether `copy_huge` copies a tensor faster than `clone`.

    A tensor in a gradient graph is copied by torch, so that the copy is in the graph.
    """
    plain = x.layout is torch.strided and x.nbytes >= HUGE and x.is_cpu and not x.requires_grad
    return plain and not is_misaligned(x)


def copy_huge(x: Tensor, dtype: torch.dtype | None) -> Tensor:
    """Copy a tensor into memory of NumPy's allocator, which asks for huge pages.

    `clone` takes twice as long, because the small pages of its result are mapped one by one.
    """
    # On the device "meta" no memory is allocated, and the strides are those of `clone`.
    strides = torch.empty_like(x, device="meta").stride()
    out = _empty_huge(x.numel(), dtype or x.dtype).as_strided(x.shape, strides)
    return out.copy_(resolved(x))


def stack_huge(tensors: Sequence[Tensor], axis: int) -> Tensor:
    """Stack tensors along a new axis, with one copy each, into memory of NumPy's allocator."""
    first = tensors[0]
    axis %= first.ndim + 1
    shape = (*first.shape[:axis], len(tensors), *first.shape[axis:])
    out = _empty_huge(first.numel() * len(tensors), first.dtype).view(shape)
    for i, x in enumerate(tensors):
        out.select(axis, i).copy_(resolved(x))
    return out


def _empty_huge(count: int, dtype: torch.dtype) -> Tensor:
    memory = torch.from_numpy(np.empty(count * dtype.itemsize, np.uint8)).view(dtype)
    if is_misaligned(memory):  # NumPy's allocator can be replaced by another one (NEP 49)
        return torch.empty(count, dtype=dtype, device="cpu")
    return memory
