"""The description of a framework that a conformance suite asks for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from interop._identify import registry
from interop.testing.samples import DTYPES

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from interop.adapter import Adapter

__all__ = ["SuiteBase"]


class SuiteBase:
    """The name of a framework, its dtypes, and a function that makes an array."""

    framework: ClassVar[str]
    dtypes: ClassVar[tuple[str, ...]] = DTYPES

    def make(self, array: NDArray[Any]) -> Any:
        """Return a native array in new memory, with the values, shape and dtype of an ndarray."""
        raise NotImplementedError

    @property
    def adapter(self) -> Adapter:
        """The adapter under test."""
        return registry.find(self.framework)
