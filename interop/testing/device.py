"""The conformance suite of frameworks with streams: see `interop.adapter.DeviceAdapter`.

Subclass the suite in a test module, name the framework, and make a stream. Needs pytest and a GPU::

    from interop.adapter import Stream
    from interop.testing import DeviceAdapterSuite

    class TestCuPyStreams(DeviceAdapterSuite):
        framework = "cupy"

        def new_stream(self, device):
            with cupy.cuda.Device(device.id):
                stream = cupy.cuda.Stream(non_blocking=True)
            return Stream(stream.ptr, stream)

The adapter hands memory to itself, from one stream to another. Everything else is done with verbs
of the adapter: `assign` writes on the current stream, `download_into` reads on the current stream
into memory from `pinned`, and `record_event` waits for the result. A missing wait shows as a wrong
value, because the tests first give one of the two streams other work (`occupy`).
"""

from __future__ import annotations

import gc
import weakref
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import pytest

import interop
from interop._identify import registry
from interop.adapter import CURRENT, Device, Lease, Stream, lease
from interop.adapter.streams import LEGACY, PER_THREAD

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from interop.adapter import Adapter

__all__ = ["DeviceAdapterSuite"]

_BUSY_BYTES = 64 * 1024 * 1024
_BUSY_REPEATS = 16  # 20 to 100 ms of uploads, and a handoff takes less than one
_SIZE = 4096  # elements
_NEW_ARRAYS = 4  # one of them gets the memory that was given back last


class DeviceAdapterSuite:
    """Tests of streams, leases and the current device. Override `framework` and `new_stream`.

    The tests about the current device need two devices, and are skipped if there is one.

    Attributes
    ----------
    framework : str
        The name of the framework. Its adapter must be registered.
    """

    framework: ClassVar[str]

    def new_stream(self, device: Device) -> Stream:
        """Return a new stream that does not wait for the legacy default stream (non-blocking)."""
        raise NotImplementedError

    def occupy(self, device: Device) -> None:
        """Give the current stream work that takes much longer than the calls of a handoff.

        The default uploads 1 GiB.
        """
        source = self._pinned(np.zeros(_BUSY_BYTES, "uint8"))
        x = self._uploaded(np.zeros(_BUSY_BYTES, "uint8"), device)
        for _ in range(_BUSY_REPEATS):
            self.adapter.assign(x, source)

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

    # -- streams -----------------------------------------------------------------------------------

    def test_using_makes_the_stream_current_and_restores_the_former(self) -> None:
        """A stream object or a bare handle is current inside the context, and only there."""
        device, stream = self.device, self.new_stream(self.device)
        before = self.adapter.current_stream(device)
        for given in (stream, Stream(stream.handle), Stream(LEGACY), Stream(0)):
            with self.adapter.using(given):
                assert self.adapter.current_stream(device).is_same(given)
            assert self.adapter.current_stream(device).is_same(before)
        with interop.stream(stream.handle):
            assert self.adapter.current_stream(device).is_same(stream)

    def test_wait_stream_orders_two_streams(self) -> None:
        """Work on the later stream sees what the earlier stream wrote before."""
        device, x = self.device, self._uploaded(_values(1), self.device)
        earlier, later = self.new_stream(device), self.new_stream(device)
        source = self._pinned(_values(2))
        with self.adapter.using(earlier):
            self.occupy(device)
            self.adapter.assign(x, source)
        self.adapter.wait_stream(earlier, later, device)
        with self.adapter.using(later):
            read = self._reading(x)
        np.testing.assert_array_equal(read(), _values(2))

    def test_synchronize_and_record_event_wait_for_the_current_stream(self) -> None:
        """A download into pinned memory is complete after one of the two."""
        device, stream = self.device, self.new_stream(self.device)
        x = self._uploaded(_values(1), device)
        with self.adapter.using(stream):
            for waits_for_device in (True, False):
                self.occupy(device)
                out = self._pinned(_values(0))
                self.adapter.download_into(x, out)
                if waits_for_device:
                    self.adapter.synchronize(device)
                else:
                    self.adapter.record_event(device)()
                np.testing.assert_array_equal(out, _values(1))

    def test_is_capturing_is_false_without_a_graph(self) -> None:
        """No stream is captured, and the question is no error for any of them."""
        device = self.device
        for stream in (self.new_stream(device), Stream(0), Stream(LEGACY), Stream(PER_THREAD)):
            assert not self.adapter.is_capturing(stream, device)

    # -- handoff -----------------------------------------------------------------------------------

    def test_export_shares_memory_with_equal_facts(self) -> None:
        """On the same stream or another one, the result is the same memory with the same facts."""
        device, x = self.device, self._uploaded(_values(1), self.device)
        own = self.adapter.current_stream(device)
        for stream in (own, self.new_stream(device), Stream(LEGACY), None):
            y = self._handed_over(x, stream)
            assert self.adapter.address(y) == self.adapter.address(x)
            assert self.adapter.describe(y) == self.adapter.describe(x)

    @pytest.mark.parametrize("shape", [(1,), (2, 3), (0, 3)])
    def test_export_to_another_stream_keeps_every_shape(self, shape: tuple[int, ...]) -> None:
        """An array without elements is handed over, too."""
        array = np.full(shape, 7, "float32")
        x = self._uploaded(array, self.device)
        y = self._handed_over(x, self.new_stream(self.device))
        np.testing.assert_array_equal(self._reading(y)(), array, strict=True)

    def test_export_waits_for_the_producers_stream(self) -> None:
        """The consumer's stream sees what the producer's stream wrote before the export."""
        device = self.device
        own, other = self.new_stream(device), self.new_stream(device)
        for consumer in (other, Stream(other.handle)):
            x, source = self._uploaded(_values(1), device), self._pinned(_values(2))
            with self.adapter.using(own):
                self.occupy(device)
                self.adapter.assign(x, source)
                y = self._handed_over(x, consumer)
            with self.adapter.using(other):
                read = self._reading(y)
            np.testing.assert_array_equal(read(), _values(2))

    def test_export_leases_memory_until_the_consumer_has_read(self) -> None:
        """Memory that the consumer still reads is not given to a new array."""
        device = self.device
        own, other = self.new_stream(device), self.new_stream(device)
        with self.adapter.using(own):
            x = self._uploaded(_values(1), device)
            y = self._handed_over(x, other)
        with self.adapter.using(other):
            self.occupy(device)
            read = self._reading(y)
        del x, y
        gc.collect()
        with self.adapter.using(own):
            new = [self._uploaded(_values(2), device) for _ in range(_NEW_ARRAYS)]
            np.testing.assert_array_equal(read(), _values(1))
        assert len(new) == _NEW_ARRAYS

    def test_export_keeps_memory_alive_for_the_consumer(self) -> None:
        """Memory of a deleted array is not given to a new one while the consumer's array exists."""
        device = self.device
        own, other = self.new_stream(device), self.new_stream(device)
        for consumer in (own, other):
            with self.adapter.using(own):
                x = self._uploaded(_values(1), device)
                y = self._handed_over(x, consumer)
                del x
                gc.collect()
                new = [self._uploaded(_values(2), device) for _ in range(_NEW_ARRAYS)]
            with self.adapter.using(consumer):
                np.testing.assert_array_equal(self._reading(y)(), _values(1))
            assert len(new) == _NEW_ARRAYS

    def test_lease_ends_with_the_consumers_array(self) -> None:
        """The release raises no error, which would be silent: then memory is lost, or waits."""
        device, kept = self.device, len(lease.KEPT)
        x = self._uploaded(_values(1), device)
        y = self._handed_over(x, self.new_stream(device))
        del x, y
        gc.collect()
        assert not [release for release in lease.PARKED if release.lender is self.adapter]
        assert len(lease.KEPT) == kept

    def test_owned_keeps_the_owner_alive(self) -> None:
        """The owner lives as long as the array, and as long as what the array exports."""
        device, x = self.device, self._uploaded(_values(1), self.device)
        exported = self.adapter.export(x, self.new_stream(device))
        if not isinstance(getattr(exported, "lease", None), Lease):
            pytest.skip("the exported memory owns its lease, so owned is not called")
        owner = _Owner()
        alive = weakref.ref(owner)
        y = self.adapter.owned(x, owner)
        z = self._handed_over(y, self.adapter.current_stream(device))
        assert self.adapter.address(z) == self.adapter.address(x)
        del owner, y
        gc.collect()
        assert alive() is not None
        del z
        gc.collect()
        assert alive() is None

    # -- the current device ------------------------------------------------------------------------

    def test_every_verb_restores_the_current_device(self) -> None:
        """Whatever is done with an array on another device, the current device stays."""
        here, there = self.device, self.other_device
        x = self._uploaded(_values(1), there)
        for name, verb in self._verbs(x, there):
            verb()
            assert self.device == here, name

    def test_results_are_on_the_device_of_the_array(self) -> None:
        """Not on the current one: views, handoffs and copies."""
        here, there = self.device, self.other_device
        x = self._uploaded(_values(1), there)
        for y in (
            self.adapter.view(x, slice(2)),
            self._handed_over(x, self.new_stream(there)),
            self.adapter.copy(x, there, "float32"),
        ):
            assert self.adapter.describe(y).device == there
        moved = self.adapter.copy(x, here, "float32")
        assert self.adapter.describe(moved).device == here
        np.testing.assert_array_equal(self._reading(moved)(), _values(1))

    def _verbs(self, x: Any, device: Device) -> Iterator[tuple[str, Callable[[], Any]]]:
        """Yield verbs of the adapter, each applied to an array on a device."""
        adapter, pinned = self.adapter, self._pinned(_values(1))
        stream, other = self.new_stream(device), self.new_stream(device)
        yield "describe", lambda: adapter.describe(x)
        yield "address", lambda: adapter.address(x)
        yield "current_stream", lambda: adapter.current_stream(device)
        yield "wait_stream", lambda: adapter.wait_stream(stream, other, device)
        yield "is_capturing", lambda: adapter.is_capturing(stream, device)
        yield "synchronize", lambda: adapter.synchronize(device)
        yield "record_event", lambda: self._passed(device)
        yield "export and adopt", lambda: self._handed_over(x, stream)
        yield "view", lambda: adapter.view(x, slice(2))
        yield "copy", lambda: adapter.copy(x, device, "float32")
        yield "assign", lambda: adapter.assign(x, pinned)
        yield "download_into", lambda: adapter.download_into(x, pinned)

    # -- tools -------------------------------------------------------------------------------------

    def _passed(self, device: Device) -> None:
        wait = self.adapter.record_event(device)
        wait()

    def _handed_over(self, x: Any, stream: Stream | None) -> Any:
        return self.adapter.adopt(self.adapter.export(x, stream), stream)

    def _uploaded(self, array: NDArray[Any], device: Device) -> Any:
        """Return a new native array, which is complete on every stream."""
        x = interop.convert(array, self.framework, device=device, copy=True)
        self._passed(device)
        return x

    def _pinned(self, array: NDArray[Any]) -> NDArray[Any]:
        """Return a copy in pinned memory."""
        memory = self.adapter.pinned(array.nbytes)[: array.nbytes]
        pinned = memory.view(array.dtype).reshape(array.shape)
        pinned[...] = array
        return pinned

    def _reading(self, x: Any) -> Callable[[], NDArray[Any]]:
        """Begin to read on the current stream, and return a function that waits for the values."""
        facts = self.adapter.describe(x)
        out = self._pinned(np.zeros(facts.shape, facts.dtype))
        self.adapter.download_into(x, out)
        wait = self.adapter.record_event(facts.device)

        def result() -> NDArray[Any]:
            wait()
            return out

        return result


class _Owner:
    """An object that can be weakly referenced."""


def _values(first: int) -> NDArray[Any]:
    return np.arange(first, first + _SIZE, dtype="float32")
