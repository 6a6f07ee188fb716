"""Optional methods of an adapter: writing into existing memory, for `interop.copyto`.

The defaults write through `Adapter.export_host`. A framework writes its own methods if it has
device memory, or if its arrays must be told about a write.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from interop.adapter.device import CPU

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from interop.adapter.device import Device
    from interop.adapter.facts import Facts

__all__ = ["WritableMixin"]


class _HostVerbs(Protocol):
    """The methods of `Adapter` that the defaults below call."""

    def describe(self, x: Any, /) -> Facts: ...
    def export_host(self, x: Any, /) -> NDArray[Any]: ...
    def adopt_host(self, array: NDArray[Any], /) -> Any: ...
    def copy(self, x: Any, device: Device, dtype: str, /) -> Any: ...


class WritableMixin:
    """The part of `Adapter` that writes into existing memory, for `interop.copyto`."""

    def view(self: _HostVerbs, x: Any, index: Any, /) -> Any:
        """Return a view of a native array by basic slices, without a gradient.

        Indexing that a subclass redefines is not used.
        """
        return self.adopt_host(self.export_host(x)[index])

    def assign(self: _HostVerbs, x: Any, source: Any, /) -> None:
        """Write the values of a native array of the same shape into `x`, cast without a warning.

        On a device, the write is ordered by the current stream of the framework. `source` may be on
        another device. It may also be a C-contiguous ndarray, which nobody changes until the next
        `record_event` has passed.
        """
        import numpy as np  # noqa: PLC0415 - the contract itself loads nothing

        # `copyto` has checked the cast before (decision 0032).
        np.copyto(self.export_host(x), self.export_host(source), casting="unsafe")

    def mark_modified(self, x: Any, /) -> None:
        """Tell the framework that host memory of a native array is about to be written to.

        torch counts the writes, so that autograd notices changes of saved values.
        """

    def download_into(self: _HostVerbs, x: Any, out: NDArray[Any], /) -> None:
        """Write the values of an array on a device into a C-contiguous ndarray.

        `out` has the shape and the dtype of `x`. Pinned memory may be written asynchronously, in
        the order of the current stream. The write is then complete when the next `record_event` has
        passed.
        """
        host = self.copy(x, CPU, self.describe(x).dtype)
        out[...] = self.export_host(host)

    def pinned(self, nbytes: int, /) -> NDArray[Any]:
        """Return new host memory as uint8, page-locked for asynchronous transfers if possible."""
        import numpy as np  # noqa: PLC0415 - the contract itself loads nothing

        return np.empty(nbytes, np.uint8)

    def record_event(self, device: Device, /) -> Callable[[], object]:  # noqa: ARG002 - a default
        """Return a function that waits for the work that is pending now on a device.

        The work is that of the current stream of the framework.
        """
        return _wait_for_nothing

    def page_out(self, x: Any, /) -> None:
        """Allow the operating system to drop the pages of a memory-mapped array from memory."""


def _wait_for_nothing() -> None:
    pass
