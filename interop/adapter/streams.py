"""CUDA streams by their handles, and the methods that order the work on two streams.

Streams of different frameworks are compared and ordered by their handles. See
`interop.adapter.lease` for memory that is used on another stream than its own.
"""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from interop.adapter.device import Device

__all__ = [
    "LEGACY",
    "PER_THREAD",
    "UNORDERED",
    "Interface",
    "Stream",
    "StreamMixin",
    "no_streams_on",
]

LEGACY: Final = 1
"""The handle of the legacy default stream of the current device (``cudaStreamLegacy``).

The handle 0 means the same stream.
"""
PER_THREAD: Final = 2
"""The handle of the default stream of the running thread (``cudaStreamPerThread``)."""
UNORDERED: Final = -1
"""The value of ``stream=`` that asks for no ordering (array API standard, ``__dlpack__``)."""


class Stream(NamedTuple):
    """A CUDA stream: the handle, and the object that keeps the stream alive, if known."""

    handle: int
    """A ``cudaStream_t`` as a number, or 0, `LEGACY` or `PER_THREAD`."""
    owner: Any = None
    """The stream object of a framework."""
    ordered: bool = True
    """Whether this consumer's stream waits for the producer's before it reads the memory.

    The producer waits for this stream in any case, before it reuses the memory.
    """
    lasts: bool = True
    """Whether the stream exists for as long as the memory is lent.

    If this is not known, the memory is released after a synchronisation of the device.
    """

    @property
    def plain_handle(self) -> int:
        """The handle, with 0 for the legacy default stream.

        On ROCm, 0 is the default stream, and 1 is not a stream.
        """
        return 0 if self.handle == LEGACY else self.handle

    def is_same(self, other: Stream) -> bool:
        """Return whether two handles name one stream, so that no event is needed."""
        return (self.handle or LEGACY) == (other.handle or LEGACY)

    def of_any_thread(self) -> Stream:
        """Return a stream that waits for the work of this one, whichever thread asks.

        `PER_THREAD` names another stream on each thread. The legacy stream waits for all of them.
        """
        return Stream(LEGACY) if self.handle == PER_THREAD else self


def no_streams_on(device: Device) -> str:
    """Return the reason for which ``stream=`` cannot order the work on a device."""
    return f"stream= orders work on CUDA and ROCm only, and not on {device}"


class StreamMixin:
    """The part of `Adapter` that orders work on the streams of a device.

    Frameworks with device memory write these methods. `interop.adapter.DeviceAdapter` builds the
    handoff between two frameworks from them.
    """

    def parse_stream(self, spec: Any, /) -> Stream:
        """Convert a stream object of the framework, given as ``stream=``, into a `Stream`.

        Called only for an object without ``__cuda_stream__``, which older releases lack.

        Raises
        ------
        TypeError, AttributeError
            The object is not a stream of the framework.
        """
        msg = f"{type(spec).__name__} is not a class of streams"
        raise TypeError(msg)

    def current_stream(self, device: Device, /) -> Stream:
        """Return the current stream of the framework on a device."""
        raise NotImplementedError

    def using(self, stream: Stream, /) -> AbstractContextManager[Any]:  # noqa: ARG002 - a default
        """Return a context in which a stream is the current one of the framework.

        A framework without device memory returns a context that does nothing.
        """
        return nullcontext()

    def wait_stream(self, earlier: Stream, later: Stream, device: Device, /) -> None:
        """Let the stream `later` wait for the work that is pending on the stream `earlier`.

        This takes one event and one wait. Nothing is done if both are the same stream.
        """
        raise NotImplementedError

    def is_capturing(self, stream: Stream, device: Device, /) -> bool:
        """Return whether a CUDA graph is being captured from a stream.

        Work for another purpose must not go to such a stream.
        """
        raise NotImplementedError

    def synchronize(self, device: Device, /) -> None:
        """Wait for all work that is pending on a device. Used only if `wait_stream` fails."""
        raise NotImplementedError

    def owned(self, x: Any, owner: Any, /) -> Any:
        """Return a native array over the same device memory that keeps an object alive.

        The arrays that are exported from the result keep the object alive as well. This method is
        called only if `export` returns an object with a lease: for consumers outside interop, which
        do not know the attribute.
        """
        raise NotImplementedError


class Interface:
    """A CUDA Array Interface without the stream and the flag for read-only memory.

    interop has handled both. The object keeps its source alive.
    """

    def __init__(self, source: Any, device: Device) -> None:
        self._source = source
        self.device = device
        interface = dict(source.__cuda_array_interface__)
        producer = interface.pop("stream", None)
        self.producer = None if producer is None else Stream(producer)
        strides = interface.get("strides")
        self.__cuda_array_interface__ = {
            **interface,
            # torch raises an error for a read-only flag. The plan has taken the flag into account.
            "data": (interface["data"][0], False),
            "shape": tuple(interface["shape"]),  # some sources give lists, which CuPy rejects
            "strides": None if strides is None else tuple(strides),
        }
