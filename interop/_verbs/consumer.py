"""Helpers for exports to unknown DLPack consumers: streams, frameworks and alignment."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from interop._identify import registry
from interop._model import dtypes
from interop.adapter.streams import LEGACY, PER_THREAD, Stream

if TYPE_CHECKING:
    from collections.abc import Iterator

    from interop.adapter import Adapter, Device, Facts


def find_stream(handle: int, device: Device) -> Stream:
    """Return the stream with a handle.

    The stream is probably the current one of the framework that calls. The object of this framework
    keeps the stream alive, and a handle alone does not.
    """
    for adapter in holders(device):
        stream = adapter.current_stream(device)
        if stream.handle == handle:
            return stream
    # The two default streams of CUDA always exist. Any other stream may be destroyed before the
    # release of the memory, which then waits for the whole device (decision 0018).
    return Stream(handle, lasts=handle in (LEGACY, PER_THREAD))


def holders(device: Device) -> Iterator[Adapter]:
    """Yield the adapters of the imported frameworks that can have memory on a device."""
    for adapter in registry.loaded_adapters():
        if device.kind not in adapter.device_kinds:
            continue
        # A text is the reason why the framework has no such device.
        if not isinstance(adapter.resolve_device(device), str):
            yield adapter


def lend_copy(x: Any) -> Any:
    """Return an object with a ``__dlpack__`` that lends a copy in host memory.

    Arrays of frameworks with immutable arrays are exported as read-only, to protect the other
    owners of the memory. A copy has no other owner, so it is lent without the adapter.
    """
    # The copy may be of another framework: some adapters copy to ndarrays.
    operand = registry.identify(x)
    if operand.adapter.immutable:
        return x
    return operand.adapter.export(operand.array, None)


def why_misaligned(source: Adapter, x: Any, facts: Facts) -> str | None:
    """Return why an unknown consumer may not be able to use memory at this address, or None.

    dlpack.h requires an alignment of 256 bytes, but few libraries follow that. Kernels need at
    least an alignment to the size of the elements.
    """
    size = dtypes.itemsize(facts.dtype)
    if size == 1 or not facts.device.is_host or not facts.nbytes:
        return None
    # An adapter need not implement `address`.
    with suppress(NotImplementedError):
        if source.address(x) % size:
            return (
                f"its memory is not aligned to whole elements of {size} bytes, which a consumer "
                "may need"
            )
    return None
