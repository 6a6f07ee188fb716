"""Copies and casts of ndarrays, those of subclasses with state included."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from interop.adapter.dtypes import without_imaginary, without_warnings

from .dtypes import dtype_named, is_extended

if TYPE_CHECKING:
    from numpy.typing import NDArray


def plain(x: Any) -> NDArray[Any]:
    """Return a plain ndarray, regardless of overrides in a subclass."""
    if isinstance(x, np.generic):
        return np.asarray(x)
    return np.ndarray.view(x, np.ndarray)


def copied(x: Any, dtype: str) -> Any:
    """Return a copy in a named dtype, with the axes in the same memory order.

    A dtype that has no common name cannot leave NumPy, and stays unchanged.
    """
    wanted = dtype_named(dtype)
    if wanted is None or x.dtype == wanted:
        return x.copy("K")
    return without_warnings(_cast, x, wanted)


def _cast(x: Any, wanted: np.dtype[Any]) -> Any:
    # The subclass stays, because it may know how its state survives a cast (decision 0024).
    return np.array(_castable(x, wanted), dtype=wanted, order="K", copy=True, subok=True)


def write(x: NDArray[Any], source: NDArray[Any]) -> None:
    """Write values in place, from any layout and byte order, with the casts of `copied`."""
    without_warnings(_write, x, source)


def _write(x: NDArray[Any], source: NDArray[Any]) -> None:
    np.copyto(x, _castable(source, x.dtype), casting="unsafe")


def _castable(x: Any, wanted: np.dtype[Any]) -> Any:
    """Return an array with equal values that NumPy casts to a dtype without a warning."""
    x = without_imaginary(x, wanted)
    # ml_dtypes can cast few of its dtypes to each other, and all of them by way of float32.
    if x.dtype != wanted and is_extended(x.dtype) and is_extended(wanted):
        x = x.astype(np.float32)
    return x


def copied_by_subclass(x: Any, dtype: str) -> NDArray[Any] | None:
    """Return the copy that a subclass makes of an instance, or None if the copy is wrong.

    A copy that lacks attributes of the instance is returned as a plain ndarray.
    """
    try:
        copy = copied(x, dtype)
        if not _is_copy(copy, x, dtype_named(dtype) or x.dtype):
            return None
    except MemoryError:
        raise
    except Exception:  # noqa: BLE001 - a subclass may raise anything
        return None
    return _with_state(copy, x)


def _is_copy(copy: Any, x: Any, dtype: np.dtype[Any]) -> bool:
    """Return whether a subclass has made the copy that the plan promised."""
    if not isinstance(copy, np.ndarray) or copy.shape != plain(x).shape:
        return False
    # Only the bounds are compared, which is fast. A wrong answer costs one more plain copy.
    return copy.dtype == dtype and not np.may_share_memory(copy, x)


def _with_state(copy: NDArray[Any], x: Any) -> NDArray[Any]:
    """Return a copy as a plain ndarray if attributes of the source instance are missing."""
    state = getattr(x, "__dict__", {})
    kept = getattr(copy, "__dict__", {})
    if type(copy) is type(x) and not state.keys() <= kept.keys():
        return plain(copy)
    return copy
