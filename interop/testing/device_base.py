"""The description of a framework with streams for the conformance suite, and helpers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import pytest

import interop
from interop._identify import registry
from interop.adapter import CURRENT, Device

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from interop.adapter import Adapter, Stream

__all__ = ["DeviceSuiteBase"]

_BUSY_BYTES = 64 * 1024 * 1024
_BUSY_REPEATS = 16  # 20 to 100 ms of uploads, and a handoff takes less than one


class DeviceSuiteBase:
    """The name of a framework with streams, and a function that makes a stream."""

    framework: ClassVar[str]

    def new_stream(self, device: Device) -> Stream:
        """Return a new stream that does not wait for the legacy default stream (non-blocking)."""
        raise NotImplementedError

    def occupy(self, device: Device) -> None:
        """Give the current stream work that takes much longer than the calls of a handoff.

        The default uploads 1 GiB.
        """
        source = self.pinned(np.zeros(_BUSY_BYTES, "uint8"))
        x = self.uploaded(np.zeros(_BUSY_BYTES, "uint8"), device)
        for _ in range(_BUSY_REPEATS):
            self.adapter.assign(x, source)
        self._busy = (x, source)  # both must exist until the work is done

    @property
    def adapter(self) -> Adapter:
        """The adapter under test."""
        return registry.find(self.framework)

    @property
    def device(self) -> Device:
        """The current device."""
        kinds = [kind for kind in sorted(self.adapter.device_kinds) if not Device(kind).is_host]
        devices = [self.adapter.resolve_device(Device(kind, CURRENT)) for kind in kinds]
        for device in devices:
            if isinstance(device, Device):
                return device
        pytest.skip(f"{self.framework} finds no device: {devices}")

    @property
    def other_device(self) -> Device:
        """A device that is not the current one."""
        here = self.device
        for index in (0, 1):
            device = self.adapter.resolve_device(Device(here.kind, index))
            if isinstance(device, Device) and device != here:
                return device
        pytest.skip(f"{self.framework} finds one device only")

    # -- tools -------------------------------------------------------------------------------------

    def wait_for_event(self, device: Device) -> None:
        """Wait for the current stream."""
        wait = self.adapter.record_event(device)
        wait()

    def handed_over(self, x: Any, stream: Stream | None) -> Any:
        """Export a native array for a stream, and adopt the memory again."""
        return self.adapter.adopt(self.adapter.export(x, stream), stream)

    def uploaded(self, array: NDArray[Any], device: Device) -> Any:
        """Return a new native array on a device, complete for work on every stream."""
        x = interop.convert(array, self.framework, device=device, copy=True)
        self.wait_for_event(device)
        return x

    def pinned(self, array: NDArray[Any]) -> NDArray[Any]:
        """Return a copy of an ndarray in pinned memory."""
        memory = self.adapter.pinned(array.nbytes)[: array.nbytes]
        pinned = memory.view(array.dtype).reshape(array.shape)
        pinned[...] = array
        return pinned

    def reading(self, x: Any) -> Callable[[], NDArray[Any]]:
        """Begin to read on the current stream, and return a function that waits for the values."""
        facts = self.adapter.describe(x)
        out = self.pinned(np.zeros(facts.shape, facts.dtype))
        self.adapter.download_into(x, out)
        wait = self.adapter.record_event(facts.device)

        def result() -> NDArray[Any]:
            wait()
            return out

        return result
