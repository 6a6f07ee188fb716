"""Checks that kernels can read CuPy memory in place, and copies without a kernel."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import cupy
import numpy as np

from interop.adapter.dtypes import without_imaginary
from interop.adapter.strides import why_unreadable

if TYPE_CHECKING:
    from numpy.typing import NDArray

_PINNED: Final = 1  # cudaMemoryTypeHost


def is_pinned(x: NDArray[Any]) -> bool:
    """Whether an upload would read the array after it was called: then its owner must not change or free it yet."""
    return (
        bool(x.size)
        and cupy.cuda.runtime.pointerGetAttributes(x.__array_interface__["data"][0]).type == _PINNED
    )


def why_not_shareable(x: Any) -> str | None:
    """Return why no kernel may read an array in place, or None."""
    return why_unreadable(x.data.ptr, x.shape, x.strides, x.itemsize)


def aligned(x: Any) -> Any:
    """Return an array that kernels can read: `x`, or else a copy that was made byte by byte."""
    if isinstance(x, np.ndarray) or why_not_shareable(x) is None:
        return x
    with x.device:
        parts = cupy.ndarray((*x.shape, x.itemsize), np.uint8, x.data, (*x.strides, 1))
        copied = duplicate(parts) if parts.flags.c_contiguous else cupy.ascontiguousarray(parts)
        return copied.view(x.dtype).reshape(x.shape)


def duplicate(x: Any) -> Any:
    """Copy without a kernel where the memory is in one piece: from one device to another, too."""
    if not (x.flags.c_contiguous or x.flags.f_contiguous):
        return cupy.array(x, copy=True, order="K")
    out = cupy.empty_like(x)
    out.data.copy_from_device_async(x.data, x.nbytes)
    return out


def upload(x: Any, source: NDArray[Any]) -> None:
    """Upload in one piece; what lies otherwise on the device, or has another dtype, is written there by a kernel."""
    if x.flags.c_contiguous and x.dtype == source.dtype:
        x.set(source)
        return
    uploaded = cupy.empty(source.shape, source.dtype)
    uploaded.set(source)
    x[...] = without_imaginary(uploaded, x.dtype)


def is_one_copy(x: Any, source: Any) -> bool:
    """Whether an array can be copied into another one without a kernel."""
    return x.dtype == source.dtype and x.flags.c_contiguous and source.flags.c_contiguous
