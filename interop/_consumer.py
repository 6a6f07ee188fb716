"""Consumers of DLPack that interop does not know: their streams, and frameworks that can stand in for them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from interop import _registry
from interop.handoff import LEGACY, PER_THREAD, Stream

if TYPE_CHECKING:
    from collections.abc import Iterator

    from interop.adapter import Adapter, Device


def find_stream(handle: int, device: Device) -> Stream:
    """Find the object that keeps a stream alive: it is likely the current one of the framework that asks."""
    current = (adapter.current_stream(device) for adapter in holders(device))
    known = next((stream for stream in current if stream.handle == handle), None)
    return known or Stream(handle, lasts=handle in (LEGACY, PER_THREAD))


def holders(device: Device) -> Iterator[Adapter]:
    """Yield the imported frameworks that can have memory on a device in this process."""
    for adapter in _registry.loaded_adapters():
        if device.kind in adapter.holds and not isinstance(adapter.place(device), str):
            yield adapter
