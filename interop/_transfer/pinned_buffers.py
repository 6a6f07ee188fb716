"""Pinned host memory through which bytes travel between the host and a device."""

from __future__ import annotations

import math
import weakref
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from interop._model import dtypes

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from interop.adapter import Adapter, Device


class PinnedBuffers:
    """Two pinned buffers for one device, used in turn.

    One buffer is transferred while the host reads or writes the other one. An event in the stream
    of the device says when a buffer is free. The buffers grow to the requested size.

    Parameters
    ----------
    adapter : Adapter
        The adapter of the framework that owns the device memory. Its allocator of pinned memory
        and its current stream are used.
    device : Device
    """

    def __init__(self, adapter: Adapter, device: Device) -> None:
        _release_abandoned()
        self.adapter = adapter
        self.device = device
        self._buffers = (_Buffer(self), _Buffer(self))
        self._turn = 0

    @property
    def first_unconfirmed(self) -> int | None:
        """Position of the first element whose upload may still be pending, or None."""
        starts = [buffer.upload_start for buffer in self._buffers]
        return min((start for start in starts if start is not None), default=None)

    def next(
        self, shape: tuple[int, ...], dtype: str, *, upload_start: int | None = None
    ) -> NDArray[Any]:
        """Return the other buffer as an array, after the device has finished with the buffer.

        Parameters
        ----------
        shape, dtype
            The shape and the dtype of the array.
        upload_start : int, optional
            For an upload, the number of elements that come before this chunk.
        """
        import numpy as np  # noqa: PLC0415 - importing interop loads no NumPy

        self._turn = 1 - self._turn
        self.synchronize(self._turn)
        buffer = self._buffers[self._turn]
        nbytes = math.prod(shape) * dtypes.itemsize(dtype)
        if buffer.memory is None or buffer.memory.nbytes < nbytes:
            # Free the old memory before the allocation, so that both never exist together.
            buffer.memory = None
            buffer.memory = self.adapter.pinned(nbytes)
        buffer.upload_start = upload_start
        # From here until `synchronize`, a transfer may run, also one that no event marks.
        _in_use.add(buffer)
        return buffer.memory[:nbytes].view(np.dtype(dtype)).reshape(shape)

    def record_event(self) -> int:
        """Record the end of the device's work on the current buffer.

        Returns
        -------
        int
            The number of the buffer, for `synchronize`.
        """
        self._buffers[self._turn].event = self.adapter.record_event(self.device)
        return self._turn

    def synchronize(self, number: int) -> None:
        """Wait until the device has finished with a buffer."""
        buffer = self._buffers[number]
        if buffer in _in_use and buffer.event is None:
            # An error came between the beginning of the transfer and its event.
            buffer.event = self.adapter.record_event(self.device)
        buffer.synchronize()

    def drain(self) -> None:
        """Wait for all pending work. After an exception, the next call waits for the rest."""
        # The other buffer comes first, because its transfer began earlier.
        self.synchronize(1 - self._turn)
        self.synchronize(self._turn)


class _Buffer:
    """Pinned memory, with the transfer that may use the memory.

    Attributes
    ----------
    owner : weakref of PinnedBuffers
    memory : array or None
    event : function or None
        The function that waits for the end of the transfer.
    upload_start : int or None
        For an upload, the number of elements that come before those in the buffer.
    """

    def __init__(self, owner: PinnedBuffers) -> None:
        self.owner = weakref.ref(owner)
        self.memory: Any = None
        self.event: Callable[[], object] | None = None
        self.upload_start: int | None = None

    def synchronize(self) -> None:
        """Wait for the event of the transfer.

        Only after the wait, the transfer is forgotten step by step. An exception before the last
        step leaves the buffer in use, and the next call waits again.
        """
        if self.event:
            self.event()
            self.event = None
            self.upload_start = None
            _in_use.discard(self)


_in_use: Final[set[_Buffer]] = set()
"""Buffers that a device may use. They are kept alive, because the next owner of the memory would
disturb the transfer."""


def _release_abandoned() -> None:
    """Wait for the transfers whose own call of `copyto` was ended before it could wait.

    A buffer without an event stays in use, because nothing tells the end of its transfer.
    """
    for buffer in _in_use.copy():
        if buffer.owner() is None:
            # If the device is still in error, the buffer is kept.
            with suppress(Exception):
                buffer.synchronize()
