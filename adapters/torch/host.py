"""Tensors in host memory: the same memory as an ndarray, and back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
import torch
from torch import Tensor
from torch.compiler import is_dynamo_compiling
from torch.utils.dlpack import from_dlpack

from interop.adapter import FastPath, find_compiled, why_no_module
from interop.errors import Reason

from . import features
from .alignment import is_misaligned
from .dtypes import CARRIED, CARRIERS, DTYPES, of_ml_dtypes
from .modes import is_faked, is_transformed

if TYPE_CHECKING:
    from numpy.typing import NDArray

_ADDED_DTYPE: Final = 2
"""The value of ``dtype.isbuiltin`` for a dtype that a package has added to NumPy, as ml_dtypes."""
_MODULE: Final = "interop.adapters.torch._native"


def _bind() -> Any:
    """Return the module `_native`, or None if it was not built or does not fit this torch."""
    compiled = find_compiled(_MODULE)
    if compiled is None:
        return None
    try:
        compiled.bind(
            Tensor,
            torch.nn.Parameter,
            torch.UntypedStorage,
            torch._C._is_torch_function_mode_enabled,
            torch.int8,
            torch.uint8,
        )
    # A release of torch that lacks one of the private functions is served in Python.
    except AttributeError:
        return None
    return compiled


compiled: Final = _bind()


def why_not_compiled() -> str | None:
    """Return why the module `_native` is not in use, and what to do, or None if it is in use."""
    if compiled is not None:
        return None
    if unavailable := why_no_module(_MODULE):
        return unavailable
    if not features.HAS_EXCHANGE_API:
        reason = f"torch {torch.__version__} has no C exchange API of DLPack"
        return Reason(reason, "Install torch 2.10 or later.")
    reason = f"torch {torch.__version__} has no private function that an extension module needs"
    return Reason(reason, "Install another release of torch or of array-interop.")


# -- tensor to ndarray -----------------------------------------------------------------------------


def share(x: Tensor) -> NDArray[Any]:
    """Return an ndarray over the memory of a tensor without a gradient.

    The dtype is one of ml_dtypes if NumPy itself has no such dtype.
    """
    carrier = CARRIERS.get(x.dtype)
    if carrier is None:
        return x.numpy()
    return x.view(carrier).numpy().view(of_ml_dtypes(x.dtype))


def forbid_resizing(x: Tensor) -> None:
    """Forbid torch to free or move the memory of a tensor, as each call of `Tensor.numpy` does."""
    x.view(CARRIERS.get(x.dtype, x.dtype)).numpy()


def share_without_gradient(x: Tensor) -> NDArray[Any]:
    """Return an ndarray over the memory of a tensor that may have a gradient.

    ``Tensor.numpy(force=True)`` detaches, but also downloads and copies. Those tensors are refused,
    because only a plan may decide on a copy.
    """
    if not x.is_cpu or is_transformed(x) or x._is_zerotensor() or is_faked():
        # The caller plans the conversion after any error, so nobody reads a message.
        raise TypeError
    return x.numpy(force=True)


def fast_export() -> FastPath:
    """Return the calls for plain tensors: `Tensor.numpy` checks all but overlapping elements."""
    if features.NUMPY_REFUSES_ZEROS:
        return FastPath(Tensor.is_contiguous, Tensor.numpy, share_without_gradient)
    return FastPath(_is_contiguous, _share_contiguous, share_without_gradient)


def _is_contiguous(x: Tensor) -> bool:
    # Zeros without memory are contiguous, too. `torch.compile` cannot trace that question, and
    # traces no such tensors.
    return x.is_contiguous() and (is_dynamo_compiling() or not x._is_zerotensor())


def _share_contiguous(x: Tensor) -> NDArray[Any]:
    return x.numpy()  # torch.compile of torch 2.5 cannot trace `Tensor.numpy(x)`


# -- ndarray to tensor -----------------------------------------------------------------------------


def is_plain(array: Any) -> bool:
    """Return whether `torch.from_numpy` may share an ndarray.

    The ndarray must be contiguous, writeable, and aligned as torch requires.
    """
    if not array.flags.carray:
        return False
    # An array of real numbers is its own real part, and torch aligns only complex numbers more
    # strictly. torch returns the address in less time than NumPy, which takes 1 microsecond.
    return array.real is array or torch.from_numpy(array).data_ptr() % array.itemsize == 0


def _is_plain_with_size(array: Any) -> bool:
    # torch 2.5 divides by the size of an element before it checks the dtype, and the process ends
    # if the size is zero. This cannot be tried, so all releases with the path in Python are asked.
    return array.itemsize > 0 and is_plain(array)


def fast_adopt() -> FastPath:
    """Return `torch.from_numpy`. The check covers alignment, strides and the read-only flag."""
    check = is_plain if features.HAS_EXCHANGE_API else _is_plain_with_size
    return FastPath(check, torch.from_numpy, torch.from_numpy)


def adopt(array: NDArray[Any]) -> Tensor:
    """Return a tensor over an ndarray at an address that torch's kernels can use.

    Raises
    ------
    BufferError
        The ndarray is not aligned as torch requires.
    """
    tensor = adopt_anywhere(array)
    if is_misaligned(tensor):
        msg = f"torch needs {array.itemsize} bytes of alignment for {array.dtype}"
        raise BufferError(msg)
    return tensor


def adopt_anywhere(array: NDArray[Any]) -> Tensor:
    """Return a tensor over an ndarray at any address.

    Read-only memory crosses by DLPack, because `torch.from_numpy` warns of it.
    """
    if array.flags.writeable:
        try:
            return torch.from_numpy(array)
        except (TypeError, ValueError):  # a dtype of ml_dtypes, or odd strides of unused axes
            pass
    if array.dtype.isbuiltin == _ADDED_DTYPE:
        name = array.dtype.name
        carrier = str(CARRIED[name]).removeprefix("torch.")
        return adopt_anywhere(array.view(carrier)).view(DTYPES[name])
    array = _with_plain_strides(array)
    if array.flags.writeable:
        return torch.from_numpy(array)
    if features.ADOPTS_READONLY:
        # Unless asked for version 1, NumPy refuses to export read-only memory.
        return from_dlpack(array.__dlpack__(max_version=(1, 0)))
    return torch.from_numpy(np.asarray(_Writable(array)))


class _Writable:
    """The memory of a read-only ndarray as an array interface without the flag.

    This takes three times as long as DLPack.
    """

    def __init__(self, array: NDArray[Any]) -> None:
        self._array = array  # owns the memory
        interface = array.__array_interface__
        address = interface["data"][0]
        self.__array_interface__ = {**interface, "data": (address, False)}


def _with_plain_strides(array: NDArray[Any]) -> NDArray[Any]:
    """Replace the strides of axes that are never stepped along (length 1, or an empty array).

    torch refuses a negative or odd stride even there.
    """
    size = array.itemsize
    if not any(s < 0 or s % size for s in array.strides):
        return array
    from numpy.lib.stride_tricks import as_strided  # noqa: PLC0415 - rarely needed

    strides = [
        s if n > 1 and array.size else size for s, n in zip(array.strides, array.shape, strict=True)
    ]
    return as_strided(array, strides=strides, writeable=array.flags.writeable)
