"""Support for unknown DLPack consumers: streams, alignment, and frameworks that stand in."""

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
    """Find the object that keeps a stream alive: it is likely the current one of the framework that asks."""
    current = (adapter.current_stream(device) for adapter in holders(device))
    known = next((stream for stream in current if stream.handle == handle), None)
    return known or Stream(handle, lasts=handle in (LEGACY, PER_THREAD))


def holders(device: Device) -> Iterator[Adapter]:
    """Yield the imported frameworks that can have memory on a device in this process."""
    for adapter in registry.loaded_adapters():
        if device.kind in adapter.device_kinds and not isinstance(
            adapter.resolve_device(device), str
        ):
            yield adapter


def lend_copy(x: Any) -> Any:
    """Let the framework of a copy on the host export the copy; some sources make ndarrays.

    Immutable arrays are exported read-only, to protect their other owners. A copy has no other owner.
    """
    operand = registry.identify(x)
    return x if operand.adapter.immutable else operand.adapter.export(operand.array, None)


def why_misaligned(source: Adapter, x: Any, facts: Facts) -> str | None:
    """Return why an unknown consumer may find the memory misaligned, or None.

    dlpack.h asks for 256 bytes, and nobody keeps to that. Kernels for the elements of a dtype want their size at least.
    """
    size = dtypes.itemsize(facts.dtype)
    if size == 1 or not (facts.device.is_host and facts.nbytes):
        return None
    with suppress(NotImplementedError):  # an adapter need not tell the address
        if source.address(x) % size:
            return f"its memory is not aligned to whole elements of {size} bytes, which a consumer may need"
    return None
