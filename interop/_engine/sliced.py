"""Datasets that are read slice by slice, when the blocks of a lazy array are computed."""

from __future__ import annotations

from typing import Any

from interop import errors
from interop._identify import registry
from interop.adapter.dtypes import dtype_name


class Sliced:
    """A dataset that is read and checked slice by slice, when blocks are computed.

    Each slice is checked as an array that is converted. A block of another dtype than stated would give wrong sums,
    since Dask trusts the dtype of the whole.
    """

    def __init__(self, x: Any, to: str) -> None:
        self.shape = x.shape
        self.dtype = x.dtype
        self.ndim = len(x.shape)
        self.chunks = getattr(x, "chunks", None)
        self._x = x
        self._to = to

    def __getitem__(self, index: Any) -> Any:
        """Read a slice.

        Raises
        ------
        UnsupportedArrayError
            It is masked, or has no plain numbers, or is of another dtype than stated.
        """
        part = self._x[index]
        facts = registry.identify(part).describe()
        reason = facts.unsupported
        if not reason and facts.dtype != (stated := dtype_name(self.dtype)):
            hint = f'interop.convert(interop.to_numpy(x), "{self._to}")'
            reason = errors.Reason(
                f"its dtype was stated as {stated}", f"Read it as a whole before: {hint}."
            )
        if reason:
            raise errors.UnsupportedArrayError(
                reason,
                attempt="cannot convert a block, {source}, to {target}",
                source=facts,
                target=self._to,
            )
        return part
