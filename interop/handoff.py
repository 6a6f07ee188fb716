"""What two GPU frameworks share: streams by their handles, and memory that is lent from one to the other.

Memory that a consumer still reads must not be reused when the producer drops it: dropping frees it into the producer's
pool, and the pool knows nothing of the consumer's stream (dmlc/dlpack#176). A `Lease` is the owner behind the
consumer's array: when it goes, the stream that may reuse the memory waits for the stream that used it. Standard library
only.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from interop.adapter import Adapter, Device

__all__ = ["LEGACY", "PER_THREAD", "UNORDERED", "Interface", "Lease", "Stream"]

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

    def __init__(self, memory: Any, device: Device, used_on: Stream, back_to: Stream, lender: Adapter) -> None:
        self._memory = memory
        self._device = device
        self._used_on = used_on
        self._back_to = back_to
        self._lender = lender

    def __del__(self) -> None:
        """Order the release. At interpreter exit nothing is reused any more, and CUDA may be gone."""
        if sys.is_finalizing():
            return
        try:
            self._lender.order(self._used_on.of_any_thread(), self._back_to.of_any_thread(), self._device)
        except Exception:  # noqa: BLE001 - a stream that is gone, a device in error: nothing may leave a finaliser
            self._wait_or_keep()

    def _wait_or_keep(self) -> None:
        try:
            self._lender.wait(self._device)
        except Exception:  # noqa: BLE001 - better lost than reused too early
            _lost.append(self._memory)


class Interface:
    """A CUDA Array Interface without its stream and its read-only flag: both have been seen to. It owns its source."""

    def __init__(self, source: Any) -> None:
        self._source = source
        words = dict(source.__cuda_array_interface__)
        producer = words.pop("stream", None)
        self.producer = None if producer is None else Stream(producer)
        self.__cuda_array_interface__ = {**words, "data": (words["data"][0], False)}


_lost: Final[list[Any]] = []
