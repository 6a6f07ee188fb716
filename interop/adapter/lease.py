"""Leases of device memory: the producer reuses memory only after the consumer's work is done.

A framework returns the memory of a deleted array to its own pool. The pool does not know that
another framework may still read the memory on a stream of its own (dmlc/dlpack#176). Therefore the
consumer's array owns a `Lease`. When the array is deleted, the stream that may reuse the memory
waits for the stream that used the memory, and only then the memory goes back to the pool.

The memory is held by a table of this module, and not by the lease. So an exception at any point of
a release, such as a KeyboardInterrupt, leaves the memory in the table, and a later release tries
again.
"""

from __future__ import annotations

import sys
import weakref
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from interop.adapter.streams import LEGACY, Stream

if TYPE_CHECKING:
    from interop.adapter.base import Adapter
    from interop.adapter.device import Device

__all__ = ["Lease", "release_pending", "waiting"]


class Lease:
    """Device memory that is used on another stream than its own, until the lease is deleted.

    Parameters
    ----------
    memory : array
        The memory, kept alive until the lease has ended and the streams are ordered.
    device : Device
        The device of the memory.
    used_on : Stream
        The consumer's stream.
    back_to : Stream
        The stream on which the memory may be reused.
    lender : Adapter
        The producer's adapter, which orders the two streams. If that fails, it synchronises the
        device.
    """

    __slots__ = ("__weakref__",)

    def __init__(
        self, memory: Any, device: Device, used_on: Stream, back_to: Stream, lender: Adapter
    ) -> None:
        # The callback that was made last runs first. It is in C, so nothing can interrupt the end
        # of a lease before it is known. A method `__del__` could be interrupted at its first line.
        prompt = weakref.ref(self, _release_now)
        end = weakref.ref(self, _ended.add)
        _lent[end] = _Release(memory, device, used_on, back_to, lender, prompt)


class _Release(NamedTuple):
    """Memory that is lent to a consumer, with the order in which it can be reused."""

    memory: Any
    device: Device
    used_on: Stream
    back_to: Stream
    lender: Adapter
    prompt: weakref.ref[Any]
    """The reference whose callback releases the memory at the end of the lease."""

    def is_done(self) -> bool:
        """Order the two streams, and return False if that must be tried again later.

        Memory whose streams cannot be ordered is kept, because reusing the memory too early gives
        wrong numbers.
        """
        # A stream that may have been destroyed is not even asked whether it is captured.
        earlier = Stream(LEGACY)
        if self.used_on.lasts:
            earlier = self.used_on.of_any_thread()
        later = self.back_to.of_any_thread()
        try:
            if self._is_capturing(earlier) or self._is_capturing(later):
                return False
            if self.used_on.lasts:
                self.lender.wait_stream(earlier, later, self.device)
                return True
        except Exception:  # noqa: BLE001, S110 - a stream is gone, or memory ran out
            pass
        return self._is_synchronized()

    def _is_capturing(self, stream: Stream) -> bool:
        return self.lender.is_capturing(stream, self.device)

    def _is_synchronized(self) -> bool:
        """Synchronise the device, and return whether that was possible."""
        try:
            self.lender.synchronize(self.device)
        except Exception:  # noqa: BLE001 - the device is in error
            return False
        return True


_lent: Final[dict[weakref.ref[Any], _Release]] = {}
"""All memory that is lent, or has come back and waits for its release."""
_ended: Final[set[weakref.ref[Any]]] = set()
"""The leases that have ended."""


def release_pending() -> None:
    """Release the memory that has come back and could not be released before.

    Memory that comes back while a CUDA graph is captured waits for the end of the capture.
    """
    # A copy, because other threads and the garbage collector end leases meanwhile.
    for end in _ended.copy():
        release = _lent.get(end)
        # Another thread may have released the memory, or does the same now, which does no harm.
        if release is None or release.is_done():
            # In this order: after an interruption in between, the next call finds no memory.
            _lent.pop(end, None)
            _ended.discard(end)


def waiting(lender: Adapter) -> int:
    """Return how many releases of the memory of an adapter wait to be tried again."""
    ends = _ended.copy()
    return sum(end in ends and release.lender is lender for end, release in [*_lent.items()])


def _release_now(_: weakref.ref[Any], *, is_finalizing: Any = sys.is_finalizing) -> None:
    """Release memory at the end of a lease, except at interpreter exit, when CUDA may be gone.

    At exit, Python may have cleared the names of this module, so the function is a default value.
    """
    if not is_finalizing():
        release_pending()
