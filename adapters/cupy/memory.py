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
    """Return whether an ndarray is in pinned memory, which an upload still reads after the call.

    Until then, the memory must not be changed or freed.
    """
    if not x.size:
        return False
    address = x.__array_interface__["data"][0]
    # Memory that CUDA does not know has another type. Before CUDA 11, it raised an error.
    return bool(cupy.cuda.runtime.pointerGetAttributes(address).type == _PINNED)


def why_not_shareable(x: Any) -> str | None:
    """Return why no kernel may read an array in place, or None."""
    return why_unreadable(x.data.ptr, x.shape, x.strides, x.itemsize)


def aligned(x: Any) -> Any:
    """Return an array that kernels can read: `x`, or else a copy that is made byte by byte."""
    if isinstance(x, np.ndarray) or why_not_shareable(x) is None:
        return x
    with x.device:
        # One byte is aligned at every address.
        parts = cupy.ndarray((*x.shape, x.itemsize), np.uint8, x.data, (*x.strides, 1))
        if parts.flags.c_contiguous:
            copied = duplicate(parts)
        else:
            copied = cupy.ascontiguousarray(parts)
        return copied.view(x.dtype).reshape(x.shape)


def duplicate(x: Any) -> Any:
    """Copy an array of any device to the current device, without a kernel if it is contiguous."""
    if not (x.flags.c_contiguous or x.flags.f_contiguous):
        return cupy.array(x, copy=True, order="K")
    # `empty_like` keeps the order of the axes, so all bytes can be copied in one piece.
    out = cupy.empty_like(x)
    out.data.copy_from_device_async(x.data, x.nbytes)
    return out


def upload(x: Any, source: NDArray[Any]) -> None:
    """Write the values of an ndarray into an array, by one upload.

    If `x` is not contiguous or has another dtype, a kernel writes the uploaded values into `x`.
    """
    if x.flags.c_contiguous and x.dtype == source.dtype:
        x.set(source)
        return
    uploaded = cupy.empty(source.shape, source.dtype)
    uploaded.set(source)
    x[...] = without_imaginary(uploaded, x.dtype)


def is_one_copy(x: Any, source: Any) -> bool:
    """Return whether an array can be copied into another one without a kernel."""
    return x.dtype == source.dtype and x.flags.c_contiguous and source.flags.c_contiguous
