"""Trials of an array-API namespace on arrays of one element."""

from __future__ import annotations

import inspect
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from interop import errors
from interop.adapter import CPU, PLAIN_DTYPES, Device, capsule
from interop.adapter.dtypes import short_name

if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import ModuleType

    from numpy.typing import NDArray

    from interop.adapter import Adapter

PROBE: Final = "float32"
"""The dtype of the trial arrays."""


def why_not(namespace: ModuleType, makers: Iterable[str]) -> str:
    """Return why no adapter was made, with the result of each maker on a one-element array."""
    return "; ".join(f"{maker} {_what_it_did(namespace, maker)}" for maker in makers)


def _what_it_did(namespace: ModuleType, maker: str) -> str:
    """Return why the result of `from_dlpack` or `asarray` is rejected.

    A correct result was copied without a notice.
    """
    try:
        x = getattr(namespace, maker)(np.zeros(1, PROBE))
    except MemoryError:
        raise
    except Exception as error:  # noqa: BLE001 - a namespace may raise anything
        return f"raises {type(error).__name__}: {error}"
    missing = [name for name in ("shape", "dtype") if not hasattr(x, name)]
    if missing:
        return f"returns an object of the class {type(x).__name__} without {' and '.join(missing)}"
    if not is_like_probe(x):
        found = f"dtype {x.dtype} and shape {tuple(x.shape)}"
        return f"returns {found} for an array of dtype {PROBE} and shape (1,)"
    if is_on_host(x):
        return "copies its argument"
    return "returns an array that is not on the host"


def is_like_probe(x: Any) -> bool:
    """Return whether an array has the dtype and the shape of the trial arrays."""
    return short_name(x.dtype) == PROBE and tuple(x.shape) == (1,)


def made(adapter: Any, dtype: str) -> Any:
    """Return a trial array of a dtype, made by the namespace of an adapter."""
    array = np.zeros(1, dtype)
    if adapter.shares:
        return adapter.adopt(array, None)
    return adapter.copy(array, CPU, dtype)


# Cached, because each plan asks for the dtype, and each trial makes an array. The cache holds the
# adapter and its module, so it has a bound.
@lru_cache(maxsize=1024)
def has_dtype(adapter: Adapter, dtype: str) -> bool:
    """Return whether an array of a dtype keeps the dtype in the namespace."""
    if dtype not in PLAIN_DTYPES:
        return False
    try:
        return short_name(made(adapter, dtype).dtype) == dtype
    except MemoryError:
        raise
    except Exception:  # noqa: BLE001 - a namespace may raise anything
        return False


def honours_readonly(adapter: Adapter) -> bool:
    """Return whether a namespace shares read-only memory, and refuses assignments to the memory."""
    memory = np.zeros(1, PROBE)
    protected = memory.view()
    protected.flags.writeable = False
    try:
        x = adapter.adopt(protected, None)
    except BufferError:
        return False
    with errors.ignored_refusals:  # an assignment to read-only memory should raise
        x[0] = 1
    # A library may state the flag and still write, so the value in the memory decides, too.
    view = look(x)
    return view is not None and not view.flags.writeable and not memory.any()


def is_on_host(x: Any) -> bool:
    """Return whether an array is in host memory."""
    if not hasattr(x, "__dlpack_device__"):
        return True
    return Device(*map(int, x.__dlpack_device__())).is_host


# -- questions to arrays of unknown classes, and to their library ----------------------------------


def look(x: Any) -> NDArray[Any] | None:
    """Return an ndarray over the memory of an array, or None if the array cannot share memory."""
    try:
        return capsule.as_ndarray(x)
    except MemoryError:
        raise
    except Exception:  # noqa: BLE001 - a producer may raise anything
        return None


def devices(namespace: ModuleType) -> list[Any]:
    """Return the devices that a library lists, or none if the library lists nothing."""
    try:
        return list(namespace.__array_namespace_info__().devices())
    except MemoryError:
        raise
    except Exception:  # noqa: BLE001 - a namespace may raise anything, and may predate 2023.12
        return []


def has_on(namespace: ModuleType, device: Any, dtype: str) -> bool:
    """Return whether a library lists a dtype for a device, or lists nothing.

    If the library lists nothing, the dtype is tried.
    """
    try:
        return dtype in namespace.__array_namespace_info__().dtypes(device=device)
    except MemoryError:
        raise
    except Exception:  # noqa: BLE001 - a namespace may raise anything, and may predate 2023.12
        return True


def takes_copy(namespace: ModuleType) -> bool:
    """Return whether `asarray` of a namespace has the keyword ``copy``."""
    try:
        return "copy" in inspect.signature(namespace.asarray).parameters
    except ValueError:  # written in C without a signature
        return False
