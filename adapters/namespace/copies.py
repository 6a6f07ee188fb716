"""Copies of the arrays of a namespace, made by NumPy on the host and by the library elsewhere."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

import numpy as np

from interop import errors
from interop.adapter import CPU, Device
from interop.adapter.dtypes import short_name, without_imaginary, without_warnings

from . import trials

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .adapter import NamespaceAdapter


def copy_on_host(adapter: NamespaceAdapter, x: Any, dtype: str) -> Any:
    """Return a copy on the host, made by NumPy and then shared, or else made by `asarray`.

    Raises
    ------
    UnsupportedArrayError
        The namespace refuses the copied array.
    """
    array = x
    if not isinstance(x, np.ndarray):
        array = adapter.export_host(x)
    # If `asarray` copies, a copy by NumPy before would be the second one.
    asarray_copies = not adapter.shares and trials.takes_copy(adapter.namespace)
    if not asarray_copies or array.dtype != dtype:
        array = _cast(array, dtype)
    if adapter.shares:
        # A namespace that shares the trial array may still refuse or copy another array.
        with suppress(BufferError):
            return adapter.adopt(array, None)
    try:
        if asarray_copies:
            return adapter.namespace.asarray(array, copy=True)
        return adapter.namespace.asarray(array)
    except MemoryError:
        raise
    except Exception as error:  # a namespace may raise anything
        what = f"an array of {dtype} {array.shape}"
        reason = f"{adapter.name} refuses {what} ({errors.quote(error)})"
        raise errors.UnsupportedArrayError(reason, target=adapter.name) from error


def _cast(array: Any, dtype: str) -> NDArray[Any]:
    """Return a copy in native byte order and without reversed axes.

    The caller has accepted the loss of a cast.
    """
    array = without_imaginary(array, np.dtype(dtype))
    return without_warnings(np.array, array, dtype=dtype, order="K", copy=True)


def copy_by_library(
    adapter: NamespaceAdapter, x: Any, here: Device, device: Device, dtype: str
) -> Any:
    """Return a copy of an array that is, or will be, on a device of the library.

    A cast happens on the host if the array comes from there or goes there.

    Raises
    ------
    UnsupportedArrayError
        The library fails, with the library's error as the cause.
    """
    try:
        return _copy_by_library(adapter, x, here, device, dtype)
    except errors.InteropError:
        raise
    except MemoryError:
        raise
    except Exception as error:  # a namespace may raise anything
        raise errors.UnsupportedArrayError(
            f"its library refuses that ({errors.quote(error)})",
            attempt=f"cannot copy {{source}} from {here} to {{target}} as {dtype}",
            source=f"an array of {adapter.name}",
            target=device,
        ) from error


def _copy_by_library(
    adapter: NamespaceAdapter, x: Any, here: Device, device: Device, dtype: str
) -> Any:
    if here == device:
        namespace = adapter.namespace
        return namespace.astype(x, getattr(namespace, dtype), copy=True)
    # `from_dlpack(x, device=)` would be shorter, but may share the memory of `x`, as
    # array-api-strict does (decision 0029).
    if here == CPU:
        return _move(adapter, _native_on_host(adapter, x, dtype), device)
    if short_name(x.dtype) == dtype:
        return _move(adapter, x, device)
    host = copy_on_host(adapter, _move(adapter, x, CPU), dtype)
    if device == CPU:
        return host
    return _move(adapter, host, device)


def _move(adapter: NamespaceAdapter, x: Any, device: Device) -> Any:
    native = adapter.device if device == CPU else device.native  # type: ignore[attr-defined]
    moved = x.to_device(native)
    # Only the answer after the move counts. A library may ignore the device without an error.
    if adapter.device_of(moved) != device:
        msg = f"it is on {moved.device} after to_device"
        raise RuntimeError(msg)
    return moved


def _native_on_host(adapter: NamespaceAdapter, x: Any, dtype: str) -> Any:
    """Return a native array on the host, over shared memory if possible.

    Sharing is enough, because moving the array will copy it.
    """
    if not isinstance(x, np.ndarray) and short_name(x.dtype) == dtype:
        return x
    if adapter.shares and x.dtype == dtype:
        with suppress(BufferError):
            return adapter.adopt(x, None)
    return copy_on_host(adapter, x, dtype)
