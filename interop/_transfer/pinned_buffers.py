"""Pinned host memory through which bytes travel between the host and a device."""

from __future__ import annotations

import math
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from interop._model import dtypes

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from interop.adapter import Adapter, Device

_abandoned: Final[list[Any]] = []
"""Buffers that a device may still use after a failed wait. They are never freed."""


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
        self.adapter = adapter
        self.device = device
        self._memory: list[Any] = [None, None]
        self._events: list[Callable[[], object] | None] = [None, None]
        self._uploaded = [0, 0]
        self._turn = 0
        self._in_use = False

    @property
    def unconfirmed(self) -> int:
        """Number of elements that an upload may still be reading from the buffers."""
        return sum(self._uploaded)

    def next(self, shape: tuple[int, ...], dtype: str) -> NDArray[Any]:
        """Return the other buffer as an array, after the device has finished with the buffer."""
        import numpy as np  # noqa: PLC0415 - importing interop loads no NumPy

        self._turn = 1 - self._turn
        self.synchronize(self._turn)
        nbytes = math.prod(shape) * dtypes.itemsize(dtype)
        memory = self._memory[self._turn]
        if memory is None or memory.nbytes < nbytes:
            # Free the old buffer before the allocation, so that both never exist together.
            self._memory[self._turn] = memory = None
            self._memory[self._turn] = memory = self.adapter.pinned(nbytes)
        # From here until `record_event`, a transfer may run that no event marks.
        self._in_use = True
        return memory[:nbytes].view(np.dtype(dtype)).reshape(shape)

    def record_event(self, *, uploaded: int = 0) -> int:
        """Record the end of the device's work on the current buffer.

        Parameters
        ----------
        uploaded : int, default 0
            Number of elements that the device reads from the buffer.

        Returns
        -------
        int
            The number of the buffer, for `synchronize`.
        """
        self._events[self._turn] = self.adapter.record_event(self.device)
        self._uploaded[self._turn] = uploaded
        self._in_use = False
        return self._turn

    def synchronize(self, number: int) -> None:
        """Wait until the device has finished with a buffer."""
        if event := self._events[number]:
            event()
            # Only after the wait: if it is interrupted, `drain` finds the event and waits again.
            self._events[number] = None
            self._uploaded[number] = 0

    def drain(self) -> None:
        """Wait for all pending work, also after an error between a transfer and its event.

        If a wait is interrupted, the other waits are still made. Each wait is tried twice, and the
        interruption is raised at the end. A buffer that a device may still use is kept forever,
        because the next owner of the memory would disturb the transfer.
        """
        # The other buffer comes first, because its transfer began earlier.
        waits: list[Callable[[], object]] = [
            partial(self.synchronize, 1 - self._turn),
            partial(self.synchronize, self._turn),
        ]
        if self._in_use:
            # The transfer may have begun, but nobody recorded an event for it.
            waits.insert(0, self.record_event)
        errors = [error for wait in waits for error in _call_twice(wait)]
        if any(self._events) or self._in_use:
            _abandoned.append(self._memory)
        if errors:
            raise errors[0]


def _call_twice(call: Callable[[], object]) -> list[BaseException]:
    """Call a function, and once more if the call fails. Return the exceptions."""
    failures: list[BaseException] = []
    # The first failure may be a KeyboardInterrupt, which says nothing about the device.
    for _ in range(2):
        try:
            call()
        except BaseException as error:  # noqa: BLE001 - the caller raises it
            failures.append(error)
        else:
            break
    return failures
