"""What two GPU frameworks share: streams by their handles, and memory that is lent from one to the other.

Memory that a consumer still reads must not be reused when the producer drops it: dropping frees it into the producer's
pool, and the pool knows nothing of the consumer's stream (dmlc/dlpack#176). A `Lease` is the owner behind the
consumer's array: when it goes, the stream that may reuse the memory waits for the stream that used it. Standard library
only.
"""

from __future__ import annotations

import sys
from collections import deque
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from interop.adapter.base import Adapter
    from interop.adapter.device import Device

__all__ = ["LEGACY", "PER_THREAD", "UNORDERED", "Interface", "Lease", "Stream", "release_pending"]

LEGACY: Final = 1
"""The handle of the legacy default stream of the current device; 0 means the same (CUDA Runtime API)."""
PER_THREAD: Final = 2
UNORDERED: Final = -1


class Stream(NamedTuple):
    """A CUDA stream by its handle, with the object that keeps it alive, if there is one."""

    handle: int
    owner: Any = None
    ordered: bool = True
    """Whether the consumer's stream is to wait for the producer's; it is waited for on release all the same."""
    lasts: bool = True
    """Whether it is there as long as the memory is lent. If nobody knows, the release waits for the device instead."""

    def is_same(self, other: Stream) -> bool:
        """Whether work on both is in order by itself."""
        return (self.handle or LEGACY) == (other.handle or LEGACY)

    def of_any_thread(self) -> Stream:
        """Return a stream that covers this one on whatever thread: the per-thread one is another on each."""
        return Stream(LEGACY) if self.handle == PER_THREAD else self


class Lease:
    """Memory that is lent from one stream to another, and an order between the two when it comes back.

    Parameters
    ----------
    memory : array
        Kept alive until the lease ends.
    device : Device
        Where it is.
    used_on, back_to : Stream
        The consumer's stream, and the stream after whose work the memory may be reused.
    lender : Adapter
        The producer's, which orders the two; or waits for the device, where that fails.
    """

    def __init__(
        self, memory: Any, device: Device, used_on: Stream, back_to: Stream, lender: Adapter
    ) -> None:
        self._memory = memory
        self._device = device
        self._used_on = used_on
        self._back_to = back_to
        self._lender = lender

    def __del__(self) -> None:
        """Order the release. At interpreter exit nothing is reused any more, and CUDA may be gone."""
        if not sys.is_finalizing():
            _parked.append(
                _Release(self._memory, self._device, self._used_on, self._back_to, self._lender)
            )
            release_pending()


class _Release(NamedTuple):
    """Memory that has come back, and waits to be given up."""

    memory: Any
    device: Device
    used_on: Stream
    back_to: Stream
    lender: Adapter

    def is_done(self) -> bool:
        """Order the streams if that can be done now. What can't be ordered at all is lost: better than reused early."""
        first = self.used_on.of_any_thread() if self.used_on.lasts else Stream(LEGACY)
        second = self.back_to.of_any_thread()
        try:
            if self.lender.is_capturing(first, self.device) or self.lender.is_capturing(
                second, self.device
            ):
                return False
            if self.used_on.lasts:
                self.lender.wait_stream(first, second, self.device)
            else:
                self._wait_or_keep()
        except Exception:  # noqa: BLE001 - a stream that is gone, a device in error: nothing may leave a finaliser
            self._wait_or_keep()
        return True

    def _wait_or_keep(self) -> None:
        try:
            self.lender.synchronize(self.device)
        except Exception:  # noqa: BLE001 - the device is lost
            _lost.append(self.memory)


def release_pending() -> None:
    """Give up what has come back; what was parked during the capture of a CUDA graph is tried again."""
    for _ in range(len(_parked)):
        try:
            release = _parked.popleft()
        except IndexError:  # another thread was quicker
            return
        if not release.is_done():
            _parked.append(release)


_parked: Final[deque[_Release]] = deque()
_lost: Final[list[Any]] = []


class Interface:
    """A CUDA Array Interface without its stream and its read-only flag: both have been seen to. It owns its source."""

    def __init__(self, source: Any, device: Device) -> None:
        self._source = source
        self.device = device
        interface = dict(source.__cuda_array_interface__)
        producer = interface.pop("stream", None)
        self.producer = None if producer is None else Stream(producer)
        strides = interface.get("strides")
        self.__cuda_array_interface__ = {
            **interface,
            "data": (interface["data"][0], False),
            "shape": tuple(interface["shape"]),  # some give lists, which CuPy does not take
            "strides": None if strides is None else tuple(strides),
        }
