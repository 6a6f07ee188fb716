"""The contracts of frameworks whose arrays are read or computed before memory can be shared.

Dask computes an array block by block, and each block is an array of another framework. The core
asks for the `meta` of the blocks and plans for that array. Then it asks the adapter to apply a
function to each block later (`map`), to compute all blocks (`compute`), or to cut an array into
blocks (`split`).
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
    """A framework of objects that are read first: only the result is an array in memory.

    `describe` returns the facts that an object states about itself. The core plans with these
    facts, reads the object, and plans again with the facts about the result.
    """

    def read(self, x: Any, /) -> Any:
        """Read an object once, and return an array of a known framework in new memory.

        Raises
        ------
        UnsupportedArrayError
            The object cannot be read.
        """
        raise NotImplementedError


class LazyAdapter(ReadAdapter):
    """A framework of lazy arrays. `describe` returns the facts about the result of `compute`."""

    lazy: ClassVar[bool] = True

    def resolve_device(self, device: Device, /) -> Device | str:
        """Return every device: the framework of the blocks decides."""
        return CPU if device.is_host else device

    def why_no_dtype(self, dtype: str, /) -> str | None:  # noqa: ARG002
        """Return None: the framework of the blocks decides."""
        return None

    def meta(self, x: Any, /) -> Any:
        """Return an array without elements, with the class, dtype, device and axes of a block."""
        raise NotImplementedError

    def grid(self, x: Any, /) -> Sequence[int]:
        """Return the number of blocks along each axis.

        Required, because `blocks` and the keyword ``per_block=True`` depend on this method.
        """
        raise NotImplementedError

    def blocks(self, x: Any, /) -> int:
        """Return the number of blocks."""
        return math.prod(self.grid(x))

    def rows(self, x: Any, /) -> Sequence[int]:
        """Return the indices along axis 0 at which a row of blocks ends, the last one included.

        Batches that end there compute each block once. Other batches compute some blocks twice.
        """
        raise NotImplementedError

    def compute(self, x: Any, /) -> Any:
        """Compute all blocks, and return one array of the framework of the blocks.

        The memory of a single block may belong to another array, so the core does not write to it.
        """
        raise NotImplementedError

    def read(self, x: Any, /) -> Any:
        """Return the result of `compute`."""
        return self.compute(x)

    def map(self, function: Callable[..., Any], arrays: Sequence[Any], meta: Any, /) -> Any:
        """Return a lazy array whose blocks are the results of a function of the blocks of `arrays`.

        The function gets one block of each array and returns a block of equal shape. Blocks of
        several arrays are aligned as the arithmetic of the framework aligns them. `meta` is an
        array without elements, like the new blocks. The function is pickled.
        """
        raise NotImplementedError

    def split(self, x: Any, cut: Callable[[Any], Any], meta: Any, chunks: Any, /) -> Any:
        """Return a lazy array whose blocks are parts of an array in memory.

        ``cut(index)`` returns the part at a tuple of slices. `meta` is an array without elements,
        like the parts. `chunks` is the value of the keyword ``chunks=``.

        Raises
        ------
        ValueError, TypeError
            `chunks` cannot be parsed, or does not fit the shape of `x`.
        """
        raise NotImplementedError

    def split_later(self, x: Any, chunks: Any, /) -> Any:
        """Return a lazy array of NumPy blocks, which are slices of an object that is read later.

        Each block is sliced by `compute`.

        Raises
        ------
        ValueError, TypeError
            As `split`.
        """
        raise NotImplementedError

    def rechunk(self, x: Any, chunks: Any, /) -> Any:
        """Return a lazy array with equal elements in other blocks.

        Raises
        ------
        ValueError, TypeError
            As `split`.
        """
        raise NotImplementedError

    def register_block_type(
        self, adapter: Adapter, pack: Callable[[Any], tuple[Any, Any]], setup: Callable[[], None], /
    ) -> None:
        """Register how to concatenate, size and send blocks of another framework.

        Called again for the same framework, this does nothing.

        Parameters
        ----------
        adapter : Adapter
            The adapter of the blocks.
        pack : callable
            Returns a function and its arguments for a block, as ``object.__reduce__`` does. The
            function restores the block in a process in which interop has registered nothing.
        setup : callable
            Registers the blocks in another process. It can be pickled.
        """
        raise NotImplementedError
