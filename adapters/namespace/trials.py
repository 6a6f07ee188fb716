"""Trials of an array-API namespace on arrays of one element, and looks at arrays of unknown classes."""

from __future__ import annotations

import inspect
from contextlib import suppress
from functools import cache
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from interop.adapter import CPU, PLAIN_DTYPES, Device
from interop.adapter.dtypes import short_name

if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import ModuleType

    from numpy.typing import NDArray

    from interop.adapter import Adapter

PROBE: Final = "float32"
"""The dtype of the arrays that are tried."""


def why_not(namespace: ModuleType, makers: Iterable[str]) -> str:
    """Return why no adapter was made, with the result of each maker on a one-element array."""
    return "; ".join(f"{maker} {_what_it_did(namespace, maker)}" for maker in makers)


def _what_it_did(namespace: ModuleType, maker: str) -> str:
    """Say why the result of `from_dlpack` or `asarray` is not taken. One that is right was copied in silence."""
    try:
        x = getattr(namespace, maker)(np.zeros(1, PROBE))
    except Exception as error:  # noqa: BLE001 - a namespace may raise anything
        return f"raises {type(error).__name__}: {error}"
    missing = [name for name in ("shape", "dtype") if not hasattr(x, name)]
    if missing:
        return f"returns an object of the class {type(x).__name__} without {' and '.join(missing)}"
    if short_name(x.dtype) != PROBE or tuple(x.shape) != (1,):
        return f"returns dtype {x.dtype} and shape {tuple(x.shape)} for an array of dtype {PROBE} and shape (1,)"
    return "copies its argument" if is_on_host(x) else "returns an array that is not on the host"


def made(adapter: Any, dtype: str) -> Any:
    """Return an array of one element of a dtype, made by the namespace of an adapter."""
    array = np.zeros(1, dtype)
    return adapter.adopt(array, None) if adapter.shares else adapter.copy(array, CPU, dtype)


@cache
def has_dtype(adapter: Adapter, dtype: str) -> bool:
    """Whether an array of a dtype comes out as it went in."""
    if dtype not in PLAIN_DTYPES:
        return False
    try:
        return short_name(made(adapter, dtype).dtype) == dtype
    except Exception:  # noqa: BLE001 - a namespace may raise anything
        return False


def honours_readonly(adapter: Adapter) -> bool:
    """Whether read-only memory is shared, known as such afterwards, and not written to by an assignment."""
    memory = np.zeros(1, PROBE)
    protected = memory.view()
    protected.flags.writeable = False
    try:
        x = adapter.adopt(protected, None)
    except BufferError:
        return False
    with suppress(Exception):  # it is to raise, whatever it likes
        x[0] = 1
    view = look(x)
    return view is not None and not view.flags.writeable and not memory.any()


def is_on_host(x: Any) -> bool:
    """Whether an array is in host memory."""
    return not hasattr(x, "__dlpack_device__") or Device(*map(int, x.__dlpack_device__())).is_host


# -- looking at arrays of unknown classes -----------------------------------------------------------------------------


def look(x: Any) -> NDArray[Any] | None:
    """Return an ndarray over the memory of an array; None if it can't be lent."""
    try:
        return np.from_dlpack(x)
    except Exception:  # noqa: BLE001 - a producer may raise anything
        return None


def devices(namespace: ModuleType) -> list[Any]:
    """Return the devices that a library lists."""
    try:
        return list(namespace.__array_namespace_info__().devices())
    except Exception:  # noqa: BLE001 - a namespace may raise anything, and may be from before 2023.12
        return []


def has_on(namespace: ModuleType, device: Any, dtype: str) -> bool:
    """Return whether a library lists a dtype for a device, or lists nothing.

    If the library lists nothing, the dtype is tried.
    """
    try:
        return dtype in namespace.__array_namespace_info__().dtypes(device=device)
    except Exception:  # noqa: BLE001 - a namespace may raise anything, and may be from before 2023.12
        return True


def takes_copy(namespace: ModuleType) -> bool:
    """Whether `from_dlpack` of a namespace has the keyword ``copy``."""
    try:
        return "copy" in inspect.signature(namespace.asarray).parameters
    except ValueError:  # written in C and silent about it
        return False
