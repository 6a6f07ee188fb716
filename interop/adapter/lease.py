"""Leases of device memory: the producer reuses memory only after the consumer's work is done.

A framework returns the memory of a deleted array to its own pool. The pool does not know that
another framework may still read the memory on a stream of its own (dmlc/dlpack#176). Therefore the
consumer's array owns a `Lease`. When the array is deleted, the stream that may reuse the memory
waits for the stream that used the memory, and only then the memory goes back to the pool.
"""

from __future__ import annotations

import sys
from collections import deque
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from interop.adapter.streams import LEGACY, Stream

if TYPE_CHECKING:
    from interop.adapter.base import Adapter
    from interop.adapter.device import Device

__all__ = ["Lease", "release_pending"]


class Lease:
    """Device memory that is used on another stream than its own, until the lease is deleted.

    Parameters
    ----------
    memory : array
        The memory, kept alive until the lease ends.
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

    def __init__(
        self, memory: Any, device: Device, used_on: Stream, back_to: Stream, lender: Adapter
    ) -> None:
        self._release = _Release(memory, device, used_on, back_to, lender)

    def __del__(self) -> None:
        """Order the release, except at interpreter exit, when CUDA may be gone."""
        if not sys.is_finalizing():
            PARKED.append(self._release)
            release_pending()


class _Release(NamedTuple):
    """Memory that has come back from a consumer, with the order in which it can be reused."""

    memory: Any
    device: Device
    used_on: Stream
    back_to: Stream
    lender: Adapter

    def is_done(self) -> bool:
        """Order the two streams, and return False if that must be tried again later.

        Memory whose streams cannot be ordered at all is never freed, because reusing the memory too
        early gives wrong numbers.
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
            else:
                self._synchronize_or_keep()
        except Exception:  # noqa: BLE001 - a finaliser must not raise
            self._synchronize_or_keep()
        return True

    def _is_capturing(self, stream: Stream) -> bool:
        return self.lender.is_capturing(stream, self.device)

    def _synchronize_or_keep(self) -> None:
        try:
            self.lender.synchronize(self.device)
        except Exception:  # noqa: BLE001 - the device is in error
            KEPT.append(self.memory)


def release_pending() -> None:
    """Release the memory that has come back and could not be released before.

    Memory that comes back while a CUDA graph is captured waits for the end of the capture.
    """
    # Each release is tried once, since a release that must wait goes back to the end.
    for _ in range(len(PARKED)):
        try:
            release = PARKED.popleft()
        except IndexError:  # another thread has taken it
            return
        if not release.is_done():
            PARKED.append(release)


# A deque, because finalisers run on any thread, and its `append` and `popleft` are atomic.
PARKED: Final[deque[_Release]] = deque()
"""Releases that wait for the end of a capture, oldest first."""
KEPT: Final[list[Any]] = []
"""Memory that is never freed."""
