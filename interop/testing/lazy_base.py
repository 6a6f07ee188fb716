"""The description of a lazy framework for the conformance suite, and helpers."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, cast

import interop
from interop._identify import registry
from interop.testing.samples import DTYPES

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from interop.adapter import Adapter, LazyAdapter

__all__ = ["LazySuiteBase", "dtype_device_ndim"]


class LazySuiteBase:
    """The name of a lazy framework, its blocks and chunks, and a function that makes an array."""

    framework: ClassVar[str]
    block_frameworks: ClassVar[tuple[str, ...]] = ("numpy",)
    dtypes: ClassVar[tuple[str, ...]] = DTYPES
    chunks: ClassVar[Any] = 2
    one_chunk: ClassVar[Any] = -1
    wrong_chunks: ClassVar[tuple[Any, ...]] = ("no", ((1, 2), (6,)), 0, object())

    def make(self, array: NDArray[Any]) -> Any:
        """Return a lazy array of several blocks with the values, shape and dtype of an ndarray."""
        raise NotImplementedError

    @property
    def adapter(self) -> LazyAdapter:
        """The adapter under test."""
        return cast("LazyAdapter", registry.find(self.framework))

    def map(self, function: Callable[[Any], Any], x: Any) -> Any:
        """Apply a function to each block later. The function keeps class and dtype of a block."""
        return self.adapter.map(function, [x], self.adapter.meta(x))

    def computed(self, x: Any) -> list[Any]:
        """Compute a lazy array and return its blocks."""
        blocks: list[Any] = []
        y = self.map(partial(_remember, blocks), x)
        blocks.clear()  # a framework may call the function once to find the class of the result
        self.adapter.compute(y)
        assert len(blocks) == self.adapter.blocks(x)
        return blocks

    def counted(self, array: NDArray[Any]) -> tuple[Any, Callable[[], int]]:
        """Return a lazy array and a function that returns the number of blocks computed so far."""
        blocks: list[Any] = []
        x = self.map(partial(_remember, blocks), self.make(array))
        blocks.clear()
        return x, lambda: len(blocks)

    def split(self, array: NDArray[Any], block_framework: str = "numpy", **keywords: Any) -> Any:
        """Convert an ndarray to a framework, and cut the result into blocks."""
        whole = interop.convert(array, block_framework)
        return interop.convert(whole, self.framework, **{"chunks": self.chunks, **keywords})


def dtype_device_ndim(adapter: Adapter, x: Any) -> tuple[Any, ...]:
    """Return the facts in which all blocks of a lazy array agree."""
    facts = adapter.describe(x)
    return facts.dtype, facts.device, len(facts.shape)


def _remember(seen: list[Any], block: Any) -> Any:
    seen.append(block)
    return block
