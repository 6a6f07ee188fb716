"""The bits, strides and address of an array, read through the framework's own API."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray


def bits(x: Any) -> bytes:
    """Return the bits of the elements in C order, so NaN equals NaN and -0.0 differs from 0.0."""
    if isinstance(x, torch.Tensor):
        plain = x.detach().resolve_conj().resolve_neg().clone(memory_format=torch.contiguous_format)
        return plain.reshape(-1).view(torch.uint8).numpy().tobytes()
    return x.astype(x.dtype if x.dtype.isnative else x.dtype.newbyteorder()).tobytes()


def strides(x: Any) -> tuple[int, ...]:
    """Return the strides in bytes of the axes longer than 1. Other strides have no effect."""
    steps = [s * x.element_size() for s in x.stride()] if isinstance(x, torch.Tensor) else x.strides
    return (
        tuple(s for s, n in zip(steps, x.shape, strict=True) if n > 1) if 0 not in x.shape else ()
    )


def is_writable(x: Any) -> bool:
    return isinstance(x, torch.Tensor) or bool(x.flags.writeable)


def state(x: Any) -> tuple[object, ...]:
    """Return every property that a conversion must leave unchanged."""
    grad = x.requires_grad if isinstance(x, torch.Tensor) else None
    return bits(x), tuple(x.shape), x.dtype, strides(x), is_writable(x), grad


def overwrite(x: Any) -> None:
    """Write to every element through the array."""
    with torch.no_grad():
        if isinstance(x, torch.Tensor):
            x.copy_(torch.ones(x.shape))  # torch 2.5 cannot fill an array of an 8-bit float
        else:
            x[...] = 1


def change(root: NDArray[np.uint8], *, dtype: str) -> None:
    """Change every byte of the memory without using the arrays over it."""
    root ^= 1 if dtype == "bool" else 0xFF
