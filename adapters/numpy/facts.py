"""Facts about ndarrays, read without a copy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from interop.adapter import CPU, Facts, capsule
from interop.adapter.strides import FOREIGN_BYTE_ORDER, why_no_memory, why_not_whole
from interop.errors import Reason

from .._meanings import lost_by_subclass
from . import hints
from .dtypes import NAMES, extended_name

if TYPE_CHECKING:
    from numpy.typing import NDArray

_ADOPTED_UNVERSIONED: Final = b"numpy_dltensor"
"""NumPy's name for an adopted capsule from before DLPack 1.0."""


def read_facts(x: NDArray[Any]) -> Facts:
    """Return the facts of an ndarray."""
    dtype = x.dtype
    native = dtype
    if not dtype.isnative:
        native = dtype.newbyteorder("=")
    name = NAMES.get(native) or extended_name(native)
    # First, because a hint may quote elements.
    problem = why_no_memory(x)
    if not problem and not name:
        problem = Reason(f"NumPy's {dtype} is not a dtype of plain numbers", hints.hint(x))
    # Plain ndarrays are the usual case, and skip the look-up of masks and units.
    elif not problem and type(x) is not np.ndarray:
        problem = lost_by_subclass(x)
    readonly = not x.flags.writeable
    readonly_reason = None
    if readonly:
        readonly_reason = _why_treated_as_readonly(x)
    return Facts(
        "numpy", x.shape, name or str(dtype), CPU, x.strides, x.nbytes, readonly=readonly,
        not_shareable=_why_not_shareable(x), unsupported=problem, readonly_reason=readonly_reason,
    )  # fmt: skip


def _why_treated_as_readonly(x: NDArray[Any]) -> str | None:
    """Return why memory without a read-only flag is treated as read-only, or None.

    A capsule from before DLPack 1.0 has no such flag, and NumPy adopts the memory as read-only.
    """
    owner: Any = x
    while isinstance(owner, np.ndarray):
        owner = owner.base
    if owner is None or not capsule.is_named(owner, _ADOPTED_UNVERSIONED):
        return None
    return "its producer does not say whether the memory may be written to"


def _why_not_shareable(x: NDArray[Any]) -> str | None:
    if not x.dtype.isnative:
        return FOREIGN_BYTE_ORDER
    if not x.flags.aligned:
        return "it is not aligned in memory"
    return why_not_whole(x.shape, x.strides, x.dtype.itemsize)
