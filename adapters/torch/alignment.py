"""Tensors at addresses that torch's kernels cannot use: how to find them and how to copy them."""

from __future__ import annotations

from typing import Any, Final

import torch
from torch import Tensor

# Private: the value of `__torch_dispatch__` in each class that does not define the method.
_NO_DISPATCH: Final = torch._C._disabled_torch_dispatch_impl


def is_misaligned(x: Tensor) -> bool:
    """Return whether torch's kernels would fail on a tensor because of the address.

    On the host, the process crashes. torch aligns a complex number on the host to its whole size
    (torch/headeronly/util/complex.h: ``alignas(sizeof(T) * 2)``). NumPy aligns it to half of that.
    The kernels for other dtypes read from any address on the host. A GPU loads each element from a
    multiple of the element's size (PTX ISA, ld).
    """
    strict = x.is_cuda or (x.is_cpu and x.is_complex())
    cls: Any = type(x)
    # A class with its own dispatch may have no memory of its own, and then no address.
    if not strict or cls.__torch_dispatch__ is not _NO_DISPATCH:
        return False
    try:
        return x.data_ptr() % x.element_size() != 0 and x.numel() > 0
    except RuntimeError:  # sparse, nested or inside torch.func: there is no address to read from
        return False


def aligned(x: Tensor) -> Tensor:
    """Return a tensor that torch's kernels can read: `x`, or else a copy."""
    return realigned(x) if is_misaligned(x) else x


def realigned(x: Tensor) -> Tensor:
    """Return a copy of a misaligned tensor in new memory, with the graph and the lazy bits."""
    is_conj = x.is_conj()
    is_neg = x.is_neg()
    bare = _toggled(x, is_conj=is_conj, is_neg=is_neg)
    if x.is_cuda:
        out = _span(bare)
    else:
        out = torch.empty_like(bare)
        # Kernels for real numbers read from any address.
        torch.view_as_real(out).copy_(torch.view_as_real(bare))
    return _toggled(out, is_conj=is_conj, is_neg=is_neg)


def _span(x: Tensor) -> Tensor:
    """Return a copy of all memory from the first element of a tensor to the last.

    Memory in one piece is copied without a kernel.
    """
    length = 1 + sum(stride * (n - 1) for stride, n in zip(x.stride(), x.shape, strict=True))
    return x.as_strided((length,), (1,)).clone().as_strided(x.shape, x.stride(), 0)


def _toggled(x: Tensor, *, is_conj: bool, is_neg: bool) -> Tensor:
    """Set or clear lazy bits, without reading a number."""
    if is_conj:
        x = x.conj()
    if is_neg:
        # torch has no public function that sets the negative bit.
        x = torch._neg_view(x)  # pyright: ignore[reportPrivateImportUsage]
    return x


def write(x: Tensor, source: Tensor) -> None:
    """Write the values of a resolved tensor by `Tensor.copy_`, at any address of `x`."""
    if not is_misaligned(x):
        x.copy_(source, non_blocking=True)
        return
    # The cast goes into aligned memory, and then real numbers are written at any address.
    cast = torch.empty_like(x).copy_(source)
    torch.view_as_real(x).copy_(torch.view_as_real(cast))
