"""Values from an array into another one that is there, piece by piece: on the host, on a device, or between the two.

Between host and device they pass through two pinned buffers in turn, so that one is transferred while the host reads
or writes the other. An event in the device's stream says when a buffer is free.
"""

from __future__ import annotations

import math
from functools import partial
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from interop._engine.executor import execute, make_calls
from interop._engine.planner import make_plan
from interop._identify import registry
from interop._model import dtypes
from interop._model.conversion import Conversion
from interop._model.request import Request
from interop._transfer.chunks import Chunk, iter_chunks
from interop.adapter import CPU, Adapter, Device, Facts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray


class DescribedOperand(NamedTuple):
    """What is copied from, or into: a native array, its adapter, and its facts."""

    adapter: Adapter
    array: Any
    facts: Facts

    def view(self, index: Any) -> Any:
        """Return a view of the array, without its gradient."""
        return self.adapter.view(self.array, index)

    def at(self, index: Any) -> DescribedOperand:
        """Return the end that such a view is."""
        part = self.view(index)
        return self._replace(array=part, facts=self.adapter.describe(part))

    @property
    def is_host(self) -> bool:
        """Whether it lies in the host's memory."""
        return self.facts.device.is_host

    def is_in_same_memory(self, other: DescribedOperand) -> bool:
        """Whether the same framework has both, and no transfer lies between."""
        return self.adapter is other.adapter and self.is_host == other.is_host

    def on_host(self) -> DescribedOperand:
        """Return the same host memory as an ndarray; what has an obstacle keeps it, and is copied by pieces."""
        if self.adapter.ndarray_native or self.facts.not_shareable:
            return self
        return self._replace(adapter=_numpy(), array=self.adapter.export_host(self.array))


def transfer_dtype(source: DescribedOperand, target: DescribedOperand) -> str:
    """Choose the dtype that travels between host and device: the smaller one, if the device's framework has it.

    Only what shrinks on a download, or grows after an upload, is cast on the device.
    """
    start, end = source.facts.dtype, target.facts.dtype
    if target.is_host:
        return (
            end
            if dtypes.itemsize(end) < dtypes.itemsize(start)
            and not source.adapter.why_no_dtype(end)
            else start
        )
    return (
        start
        if dtypes.itemsize(start) < dtypes.itemsize(end) and not target.adapter.why_no_dtype(start)
        else end
    )


class PinnedBuffers:
    """Two pinned buffers for one device, used in turn, each again after its event. They grow to what is asked for.

    Parameters
    ----------
    adapter : Adapter
        Of the framework that holds the device's memory: its allocator of pinned memory, and its current stream.
    device : Device
    """

    def __init__(self, adapter: Adapter, device: Device) -> None:
        self.adapter = adapter
        self.device = device
        self._memory: list[Any] = [None, None]
        self._events: list[Callable[[], object] | None] = [None, None]
        self._uploaded = [0, 0]
        self._turn = 0
        self._in_use = False

    @property
    def unconfirmed(self) -> int:
        """Number of elements that an upload may still be reading from the buffers."""
        return sum(self._uploaded)

    def next(self, shape: tuple[int, ...], dtype: str) -> NDArray[Any]:
        """Return the next buffer as an array, once the device has done with it."""
        import numpy as np  # noqa: PLC0415 - importing interop loads no NumPy

        self._turn = 1 - self._turn
        self.synchronize(self._turn)
        nbytes = math.prod(shape) * dtypes.itemsize(dtype)
        memory = self._memory[self._turn]
        if memory is None or memory.nbytes < nbytes:
            self._memory[self._turn] = memory = None  # the old one goes first
            self._memory[self._turn] = memory = self.adapter.pinned(nbytes)
        self._in_use = True
        return memory[:nbytes].view(np.dtype(dtype)).reshape(shape)

    def record_event(self, *, uploaded: int = 0) -> int:
        """Record the end of the work on the last buffer; return the number of the buffer, for `synchronize`."""
        self._events[self._turn] = self.adapter.record_event(self.device)
        self._uploaded[self._turn] = uploaded
        self._in_use = False
        return self._turn

    def synchronize(self, number: int) -> None:
        """Wait until the device has done with a buffer."""
        if event := self._events[number]:
            event()
            self._events[number] = None
            self._uploaded[number] = 0

    def drain(self) -> None:
        """Wait for all that is pending, also after an error between a transfer and its event.

        An interruption of one wait skips none: each is tried twice, and the interruption is raised at the end. Buffers
        that a device may still use are kept for good, since the next owner of that memory would write to them.
        """
        calls: list[Callable[[], object]] = [
            partial(self.synchronize, 1 - self._turn),
            partial(self.synchronize, self._turn),
        ]
        if self._in_use:
            calls.insert(0, self.record_event)
        errors = [error for call in calls for error in _insist(call)]
        if any(self._events) or self._in_use:
            _abandoned.append(self._memory)
        if errors:
            raise errors[0]


_abandoned: Final[list[Any]] = []


def _insist(call: Callable[[], object]) -> list[BaseException]:
    """Call a function, a second time if the first one fails; return the exceptions."""
    failures: list[BaseException] = []
    for _ in range(2):
        try:
            call()
        except BaseException as error:  # noqa: BLE001 - the caller raises it
            failures.append(error)
        else:
            break
    return failures


class StagedCopier:
    """Copies arrays into others by pieces of at most so many bytes.

    Parameters
    ----------
    batch_bytes : int
        Of a piece that is copied at once, and of both buffers together. An element is never split.

    Attributes
    ----------
    begun : int
        Number of elements, in all arrays so far, whose writing has begun: an exception may leave the last piece of them
        written in part.
    """

    def __init__(self, batch_bytes: int) -> None:
        self._batch_bytes = batch_bytes
        # Allocators of pinned memory round up to powers of two.
        self._buffer_bytes = 1 << (max(batch_bytes // 2, 1).bit_length() - 1)
        self._buffers: PinnedBuffers | None = None
        self.begun = 0

    @property
    def unconfirmed(self) -> int:
        """Number of elements that were reported as written, but have no confirmed upload.

        An upload is not confirmed if it could not be waited for.
        """
        return self._buffers.unconfirmed if self._buffers else 0

    def limit(self, source: Facts, target: Facts) -> int:
        """Return how many elements are copied at once, of whichever dtype."""
        staged = source.device.is_host != target.device.is_host
        size = max(dtypes.itemsize(source.dtype), dtypes.itemsize(target.dtype))
        return max(1, (self._buffer_bytes if staged else self._batch_bytes) // size)

    def copy(self, target: DescribedOperand, source: DescribedOperand) -> Iterator[int]:
        """Copy an array of the same shape; yield, after each piece, how many elements it had. The caller drains."""
        cut = iter_chunks(target.facts.shape, self.limit(source.facts, target.facts))
        if source.is_host == target.is_host:
            return self._copy(target, source, cut)
        dtype, device_operand = transfer_dtype(source, target), source if target.is_host else target
        buffers = self._buffers_for(device_operand.adapter, device_operand.facts.device)
        return (self._download if target.is_host else self._upload)(
            target, source, dtype, cut, buffers
        )

    def drain(self) -> None:
        """Wait for all that is pending, and give the buffers back."""
        if self._buffers:
            self._buffers.drain()
            self._buffers = None

    def _buffers_for(self, adapter: Adapter, device: Device) -> PinnedBuffers:
        buffers = self._buffers
        if buffers is None or buffers.adapter is not adapter or buffers.device != device:
            self.drain()
            self._buffers = buffers = PinnedBuffers(adapter, device)
        return buffers

    def _copy(
        self, target: DescribedOperand, source: DescribedOperand, cut: Iterator[Chunk]
    ) -> Iterator[int]:
        """Copy within the host, or from device to device in the order of the target framework's current stream."""
        same_memory = source.is_in_same_memory(target)
        if not same_memory and target.is_host:
            target.adapter.mark_modified(target.array)
            target, source = target.on_host(), source.on_host()
        for chunk in cut:
            out, part = target.view(chunk.index), source.view(chunk.index)
            if not same_memory:
                part = (
                    _on_host(source, part)
                    if target.is_host
                    else shared(source.at(chunk.index), target)
                )
            self.begun += chunk.elements
            target.adapter.assign(out, part)
            target.adapter.page_out(out)
            source.adapter.page_out(part)
            yield chunk.elements

    def _download(
        self,
        target: DescribedOperand,
        source: DescribedOperand,
        dtype: str,
        cut: Iterator[Chunk],
        buffers: PinnedBuffers,
    ) -> Iterator[int]:
        """Ask for each piece before the one that came before it is read out of its buffer."""
        target.adapter.mark_modified(target.array)
        target, before = target.on_host(), None
        for chunk in cut:
            buffer, part = buffers.next(chunk.shape, dtype), source.view(chunk.index)
            if dtype != source.facts.dtype or source.facts.not_shareable:
                part = source.adapter.copy(part, source.facts.device, dtype)
            source.adapter.download_into(part, buffer)
            asked = buffers.record_event(), buffer, chunk
            if before:
                yield self._write_out(target, buffers, *before)
            before = asked
        if before:
            yield self._write_out(target, buffers, *before)

    def _write_out(
        self,
        target: DescribedOperand,
        buffers: PinnedBuffers,
        number: int,
        buffer: NDArray[Any],
        chunk: Chunk,
    ) -> int:
        buffers.synchronize(number)
        out = target.view(chunk.index)
        self.begun += chunk.elements
        target.adapter.assign(out, buffer)
        target.adapter.page_out(out)
        return chunk.elements

    def _upload(
        self,
        target: DescribedOperand,
        source: DescribedOperand,
        dtype: str,
        cut: Iterator[Chunk],
        buffers: PinnedBuffers,
    ) -> Iterator[int]:
        """Fill a buffer while the other one is uploaded."""
        source = source.on_host()
        for chunk in cut:
            buffer, part = (
                buffers.next(chunk.shape, dtype),
                _on_host(source, source.view(chunk.index)),
            )
            _numpy().assign(buffer, part)
            out = target.view(chunk.index)
            self.begun += chunk.elements
            target.adapter.assign(out, buffer)
            buffers.record_event(uploaded=chunk.elements)
            _numpy().page_out(part)
            yield chunk.elements


def _on_host(source: DescribedOperand, part: Any) -> NDArray[Any]:
    """Return a part of host memory as an ndarray, and without the obstacle that NumPy would not know."""
    if source.adapter.ndarray_native:
        return part
    return source.adapter.export_host(source.adapter.copy(part, CPU, source.facts.dtype))


def shared(source: DescribedOperand, target: DescribedOperand) -> Any:
    """Return another framework's device memory as an array of the target's; shared where that can be."""
    dtype = target.facts.dtype if target.adapter.why_no_dtype(source.facts.dtype) else None
    request = Request(
        dtype=dtype, detach=True, readonly="share", casting="unsafe"
    )  # the policy has been asked already
    conversion = Conversion(source.facts, source.adapter, target.adapter, request)
    return execute(make_calls(make_plan(conversion), conversion), source.array)


def _numpy() -> Adapter:
    return registry.adapter_named("numpy")
