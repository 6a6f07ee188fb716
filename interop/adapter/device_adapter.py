"""The base class of adapters with device memory: the handoff from one framework to another.

The handoff is written once. An adapter gives the primitives: the stream verbs of
`interop.adapter.streams`, and the methods of `DeviceAdapter` whose docstrings say so.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from interop.adapter.base import Adapter
from interop.adapter.lease import Lease, release_pending
from interop.adapter.streams import LEGACY, UNORDERED, Interface, Stream

if TYPE_CHECKING:
    from interop.adapter.device import Device

__all__ = ["DeviceAdapter", "OrderedArray"]


class DeviceAdapter(Adapter):
    """One framework with memory on CUDA or ROCm devices.

    Subclasses write `device_kinds`, `default_device`, `resolve_device`, `current_stream`, `using`,
    `wait_stream`, `is_capturing`, `synchronize`, `owned`, `from_dlpack`, and usually the verbs of
    `interop.adapter.writable`. Test them with `interop.testing.DeviceAdapterSuite`.
    """

    def export(self, x: Any, stream: Stream | None, /) -> Any:
        """Return an object that exports the device memory of a native array by DLPack.

        The object is ready for work on `stream` (None is the legacy default stream): at most one
        event and one wait. If `stream` is another stream than the framework's own, a lease lets the
        memory be reused only after the work on `stream`.
        """
        # An export is an occasion to release memory that came back during a capture.
        release_pending()
        device = self.device_of(x)
        stream = stream or Stream(LEGACY)
        own = self.current_stream(device)
        if stream.ordered:
            self.wait_stream(own, stream, device)
        # One stream keeps its own order, and an array without elements has nothing to protect.
        if own.is_same(stream) or 0 in x.shape:
            return self.exporter(x, None)
        return self.exporter(x, Lease(x, device, stream, self.reuse_stream(x, own), self))

    def adopt(self, source: Any, stream: Stream | None, /) -> Any:
        """Return a native array over memory that another adapter has exported, never a copy.

        `source` speaks DLPack and is ordered already, or is an `Interface` (CUDA Array Interface),
        whose producer's stream is waited for here. A lease is kept alive by the result.
        """
        if isinstance(source, Interface):
            array = self.from_interface(source)
            if source.producer and stream and stream.ordered:
                self.wait_stream(source.producer, stream, source.device)
            return array
        array = self.from_dlpack(source)
        lease = getattr(source, "lease", None)
        if not isinstance(lease, Lease) or 0 in array.shape:
            return array
        # `array` keeps the memory, and the lease orders its reuse. Both end with the last view.
        return self.owned(array, (lease, array))

    def device_of(self, x: Any, /) -> Device:
        """Return the device of a native array. Overridden if `describe` takes longer."""
        return self.describe(x).device

    def reuse_stream(self, x: Any, own: Stream, /) -> Stream:  # noqa: ARG002 - a default answer
        """Return the stream on which the memory of `x` is reused after the release.

        The default is `own`, the current stream of the framework at the time of the export.
        """
        return own

    def exporter(self, x: Any, lease: Lease | None, /) -> Any:
        """Return an object that exports `x` by DLPack, adds no ordering and has the `lease`.

        The default calls ``x.__dlpack__(stream=-1)``.
        """
        return OrderedArray(x, lease)

    def from_dlpack(self, source: Any, /) -> Any:
        """Return a native array over the memory that an object exports by DLPack.

        Required: call ``from_dlpack`` of the framework. ``source.__dlpack__`` ignores ``stream=``.
        """
        raise NotImplementedError

    def from_interface(self, source: Interface, /) -> Any:  # noqa: ARG002 - a default answer
        """Return a native array over an object with ``__cuda_array_interface__``, without ordering.

        By default, a BufferError says that the framework does not support the interface.
        """
        msg = f"{self.name} reads no CUDA Array Interface"
        raise BufferError(msg)


class OrderedArray:
    """An array that is ready for one consumer, so ``__dlpack__`` ignores ``stream=``."""

    def __init__(self, array: Any, lease: Lease | None = None) -> None:
        self._array = array
        self.lease = lease

    def __dlpack_device__(self) -> tuple[int, int]:
        return self._array.__dlpack_device__()

    def __dlpack__(self, **keywords: Any) -> Any:
        return self._array.__dlpack__(**{**keywords, "stream": UNORDERED})
