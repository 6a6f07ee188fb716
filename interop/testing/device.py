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
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import interop
from interop.adapter import Device, Lease, Stream, lease
from interop.adapter.streams import LEGACY, PER_THREAD
from interop.testing.device_base import DeviceSuiteBase

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

__all__ = ["DeviceAdapterSuite"]

_SIZE = 4096  # elements
_NEW_ARRAYS = 4  # one of them gets the memory that was given back last


class DeviceAdapterSuite(DeviceSuiteBase):
    """Tests of streams, leases and the current device. Override `framework` and `new_stream`.

    The tests about the current device need two devices, and are skipped if there is one.

    Attributes
    ----------
    framework : str
        The name of the framework. Its adapter must be registered.
    """

    # -- streams -----------------------------------------------------------------------------------

    def test_using_makes_the_stream_current_and_restores_the_former(self) -> None:
        """A stream object or a bare handle is current inside the context, and only there."""
        device = self.device
        stream = self.new_stream(device)
        before = self.adapter.current_stream(device)
        for given in (stream, Stream(stream.handle), Stream(LEGACY), Stream(0)):
            with self.adapter.using(given):
                assert self.adapter.current_stream(device).is_same(given)
            assert self.adapter.current_stream(device).is_same(before)
        with interop.stream(stream.handle):
            assert self.adapter.current_stream(device).is_same(stream)

    def test_wait_stream_orders_two_streams(self) -> None:
        """Work on the later stream sees what the earlier stream wrote before."""
        device = self.device
        earlier = self.new_stream(device)
        later = self.new_stream(device)
        x = self.uploaded(_values(1), device)
        source = self.pinned(_values(2))
        with self.adapter.using(earlier):
            self.occupy(device)
            self.adapter.assign(x, source)
        self.adapter.wait_stream(earlier, later, device)
        with self.adapter.using(later):
            read = self.reading(x)
        np.testing.assert_array_equal(read(), _values(2))

    def test_synchronize_and_record_event_wait_for_the_current_stream(self) -> None:
        """A download into pinned memory is complete after one of the two."""
        device = self.device
        stream = self.new_stream(device)
        x = self.uploaded(_values(1), device)
        with self.adapter.using(stream):
            for waits_for_device in (True, False):
                self.occupy(device)
                out = self.pinned(_values(0))
                self.adapter.download_into(x, out)
                if waits_for_device:
                    self.adapter.synchronize(device)
                else:
                    self.adapter.record_event(device)()
                np.testing.assert_array_equal(out, _values(1))

    def test_is_capturing_is_false_without_a_graph(self) -> None:
        """The answer is False for new streams and for both default streams."""
        device = self.device
        for stream in (self.new_stream(device), Stream(0), Stream(LEGACY), Stream(PER_THREAD)):
            assert not self.adapter.is_capturing(stream, device)

    # -- handoff -----------------------------------------------------------------------------------

    def test_export_shares_memory_with_equal_facts(self) -> None:
        """For every consumer stream, address and facts of the result are those of the source."""
        device = self.device
        x = self.uploaded(_values(1), device)
        own = self.adapter.current_stream(device)
        for stream in (own, self.new_stream(device), Stream(LEGACY), None):
            y = self.handed_over(x, stream)
            assert self.adapter.address(y) == self.adapter.address(x)
            assert self.adapter.describe(y) == self.adapter.describe(x)

    @pytest.mark.parametrize("shape", [(1,), (2, 3), (0, 3)])
    def test_export_to_another_stream_keeps_every_shape(self, shape: tuple[int, ...]) -> None:
        """Shape and values are kept, also without elements."""
        array = np.full(shape, 7, "float32")
        x = self.uploaded(array, self.device)
        y = self.handed_over(x, self.new_stream(self.device))
        np.testing.assert_array_equal(self.reading(y)(), array, strict=True)

    def test_export_waits_for_the_producers_stream(self) -> None:
        """The consumer's stream sees what the producer's stream wrote before the export."""
        device = self.device
        own = self.new_stream(device)
        other = self.new_stream(device)
        for consumer in (other, Stream(other.handle)):
            x = self.uploaded(_values(1), device)
            source = self.pinned(_values(2))
            with self.adapter.using(own):
                self.occupy(device)
                self.adapter.assign(x, source)
                y = self.handed_over(x, consumer)
            with self.adapter.using(other):
                read = self.reading(y)
            np.testing.assert_array_equal(read(), _values(2))

    def test_export_leases_memory_until_the_consumer_has_read(self) -> None:
        """Memory that the consumer still reads is not given to a new array."""
        device = self.device
        own = self.new_stream(device)
        other = self.new_stream(device)
        with self.adapter.using(own):
            x = self.uploaded(_values(1), device)
            y = self.handed_over(x, other)
        with self.adapter.using(other):
            self.occupy(device)
            read = self.reading(y)
        del x, y
        gc.collect()
        with self.adapter.using(own):
            new = [self.uploaded(_values(2), device) for _ in range(_NEW_ARRAYS)]
            np.testing.assert_array_equal(read(), _values(1))
        # The new arrays must exist until the values have been read.
        assert len(new) == _NEW_ARRAYS

    def test_export_keeps_memory_alive_for_the_consumer(self) -> None:
        """Memory of a deleted array is not given to a new one while the consumer's array exists."""
        device = self.device
        own = self.new_stream(device)
        other = self.new_stream(device)
        for consumer in (own, other):
            with self.adapter.using(own):
                x = self.uploaded(_values(1), device)
                y = self.handed_over(x, consumer)
                del x
                gc.collect()
                new = [self.uploaded(_values(2), device) for _ in range(_NEW_ARRAYS)]
            with self.adapter.using(consumer):
                np.testing.assert_array_equal(self.reading(y)(), _values(1))
            # The new arrays must exist until the values have been read.
            assert len(new) == _NEW_ARRAYS

    def test_lease_ends_with_the_consumers_array(self) -> None:
        """The memory is released. After a silent error in the finaliser, it would be kept."""
        device = self.device
        x = self.uploaded(_values(1), device)
        y = self.handed_over(x, self.new_stream(device))
        del x, y
        gc.collect()
        assert not lease.waiting(self.adapter)

    def test_owned_keeps_the_owner_alive(self) -> None:
        """The owner lives as long as the array, and as long as the exported memory."""
        device = self.device
        x = self.uploaded(_values(1), device)
        exported = self.adapter.export(x, self.new_stream(device))
        if not isinstance(getattr(exported, "lease", None), Lease):
            pytest.skip("the exported memory owns its lease, so owned is not called")
        owner = _Owner()
        alive = weakref.ref(owner)
        y = self.adapter.owned(x, owner)
        z = self.handed_over(y, self.adapter.current_stream(device))
        assert self.adapter.address(z) == self.adapter.address(x)
        del owner, y
        gc.collect()
        assert alive() is not None
        del z
        gc.collect()
        assert alive() is None

    # -- the current device ------------------------------------------------------------------------

    def test_every_verb_restores_the_current_device(self) -> None:
        """A verb that uses another device does not leave that device current."""
        here = self.device
        there = self.other_device
        x = self.uploaded(_values(1), there)
        for name, verb in self._verbs(x, there):
            verb()
            assert self.device == here, name

    def test_results_are_on_the_device_of_the_array(self) -> None:
        """Views, handoffs and copies are not on the current device."""
        here = self.device
        there = self.other_device
        x = self.uploaded(_values(1), there)
        for y in (
            self.adapter.view(x, slice(2)),
            self.handed_over(x, self.new_stream(there)),
            self.adapter.copy(x, there, "float32"),
        ):
            assert self.adapter.describe(y).device == there
        moved = self.adapter.copy(x, here, "float32")
        assert self.adapter.describe(moved).device == here
        np.testing.assert_array_equal(self.reading(moved)(), _values(1))

    def _verbs(self, x: Any, device: Device) -> Iterator[tuple[str, Callable[[], Any]]]:
        """Yield verbs of the adapter, each applied to an array on a device."""
        adapter = self.adapter
        pinned = self.pinned(_values(1))
        stream = self.new_stream(device)
        other = self.new_stream(device)
        yield "describe", lambda: adapter.describe(x)
        yield "address", lambda: adapter.address(x)
        yield "current_stream", lambda: adapter.current_stream(device)
        yield "wait_stream", lambda: adapter.wait_stream(stream, other, device)
        yield "is_capturing", lambda: adapter.is_capturing(stream, device)
        yield "synchronize", lambda: adapter.synchronize(device)
        yield "record_event", lambda: self.wait_for_event(device)
        yield "export and adopt", lambda: self.handed_over(x, stream)
        yield "view", lambda: adapter.view(x, slice(2))
        yield "copy", lambda: adapter.copy(x, device, "float32")
        yield "assign", lambda: adapter.assign(x, pinned)
        yield "download_into", lambda: adapter.download_into(x, pinned)


class _Owner:
    """An object that can be weakly referenced."""


def _values(first: int) -> NDArray[Any]:
    return np.arange(first, first + _SIZE, dtype="float32")
