"""The contracts of frameworks with arrays that are read or computed before memory can be shared.

Dask computes its arrays block by block, and each block is an array of another framework. The core knows what a block is
(its `meta`) and plans for that. It asks for one of a few things: apply a function to each block, later; compute all;
cut an array into blocks.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, ClassVar

from interop.adapter.base import Adapter
from interop.adapter.device import CPU, Device

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["LazyAdapter", "ReadAdapter"]


class ReadAdapter(Adapter):
    """A framework of objects that are read before there is an array.

    `describe` tells what an object states about itself. That is planned for; what was read is planned for again.
    """

    def read(self, x: Any, /) -> Any:
        """Read an object once. Return an array of a known framework, in new memory.

        Raises
        ------
        UnsupportedArrayError
            The object refuses to be read.
        """
        raise NotImplementedError


class LazyAdapter(ReadAdapter):
    """One framework of lazy arrays, for the core. Its `describe` tells what `compute` will give."""

    lazy: ClassVar[bool] = True

    def resolve_device(self, device: Device, /) -> Device | str:
        """Accept every device: blocks are where their framework has them."""
        return CPU if device.is_host else device

    def why_no_dtype(self, dtype: str, /) -> str | None:  # noqa: ARG002 - the framework of the blocks is asked
        """Have whatever the framework of the blocks has."""
        return None

    def meta(self, x: Any, /) -> Any:
        """Return an array without elements, of the class, dtype and device of every block."""
        raise NotImplementedError

    def grid(self, x: Any, /) -> Sequence[int]:
        """Return the number of blocks along each axis. Required: `blocks` and ``per_block=True`` depend on this."""
        raise NotImplementedError

    def blocks(self, x: Any, /) -> int:
        """Return the number of blocks."""
        return math.prod(self.grid(x))

    def rows(self, x: Any, /) -> Sequence[int]:
        """Return where along axis 0 the blocks end: pieces cut there are computed once, others twice."""
        raise NotImplementedError

    def compute(self, x: Any, /) -> Any:
        """Compute all blocks, and return one array of their framework. One block may be somebody else's memory."""
        raise NotImplementedError

    def read(self, x: Any, /) -> Any:
        """Compute all blocks. One block may be somebody else's memory."""
        return self.compute(x)

    def map(self, function: Callable[..., Any], arrays: Sequence[Any], meta: Any, /) -> Any:
        """Return a lazy array whose blocks are what a function makes of those of one or several, of the same shape.

        Blocks of several arrays are aligned as by the framework's own arithmetic. The function is pickled.
        """
        raise NotImplementedError

    def split(self, x: Any, cut: Callable[[Any], Any], meta: Any, chunks: Any, /) -> Any:
        """Return a lazy array whose blocks are parts of an array: what `cut` returns of tuples of slices.

        Raises
        ------
        ValueError, TypeError
            `chunks` can't be read, or doesn't fit.
        """
        raise NotImplementedError

    def split_later(self, x: Any, chunks: Any, /) -> Any:
        """Return a lazy array of NumPy's blocks: an object is sliced when they are computed. Errors as `split`."""
        raise NotImplementedError

    def rechunk(self, x: Any, chunks: Any, /) -> Any:
        """Return the same array in other blocks; errors as `split`."""
        raise NotImplementedError

    def register_block_type(
        self, adapter: Adapter, pack: Callable[[Any], tuple[Any, Any]], setup: Callable[[], None], /
    ) -> None:
        """Register, once, what is needed to concatenate, size and send blocks of a framework.

        `pack` returns of an array what `object.__reduce__` would: for processes that have not heard of us. `setup` can
        be pickled, and calls this in another process.
        """
        raise NotImplementedError
