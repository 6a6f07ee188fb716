"""Values from an array into another one that is there, piece by piece: on the host, on a device, or between the two.

Between host and device they pass through two pinned buffers in turn, so that one is transferred while the host reads
or writes the other. A mark in the device's stream says when a buffer is free.
"""

from __future__ import annotations

import math
from functools import partial
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from interop._engine.executor import execute, make_calls
from interop._engine.options import Wish
from interop._engine.planner import Route, make_plan
from interop._identify import registry
from interop._model import dtypes
from interop._transfer.chunks import Piece, pieces
from interop.adapter import CPU, Adapter, Device, Facts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray


class End(NamedTuple):
    """What is copied from, or into: a native array, its adapter, and its facts."""

    adapter: Adapter
    array: Any
    facts: Facts

    def part(self, index: Any) -> Any:
        """Return a view of the array, without its gradient."""
        return self.adapter.part(self.array, index)

    def at(self, index: Any) -> End:
        """Return the end that such a view is."""
        part = self.part(index)
        return self._replace(array=part, facts=self.adapter.describe(part))

    @property
    def is_host(self) -> bool:
        """Whether it lies in the host's memory."""
        return self.facts.device.is_host

    def is_beside(self, other: End) -> bool:
        """Whether the same framework has both, and no transfer lies between."""
        return self.adapter is other.adapter and self.is_host == other.is_host

    def on_host(self) -> End:
        """Return the same host memory as an ndarray; what has an obstacle keeps it, and is copied by pieces."""
        if self.adapter.ndarray_native or self.facts.obstacle:
            return self
        return self._replace(adapter=_numpy(), array=self.adapter.export_host(self.array))


def crossing_dtype(source: End, target: End) -> str:
    """Choose the dtype that travels between host and device: the smaller one, if the device's framework has it.

    Only what shrinks on a download, or grows after an upload, is cast on the device.
    """
    start, end = source.facts.dtype, target.facts.dtype
    if target.is_host:
        return end if dtypes.itemsize(end) < dtypes.itemsize(start) and not source.adapter.lacks(end) else start
    return start if dtypes.itemsize(start) < dtypes.itemsize(end) and not target.adapter.lacks(start) else end


class Buffers:
    """Two pinned buffers for one device, used in turn, each again after its mark. They grow to what is asked for.

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
        self._marks: list[Callable[[], object] | None] = [None, None]
        self._uploaded = [0, 0]
        self._turn = 0
        self._in_use = False

    @property
    def unconfirmed(self) -> int:
        """Number of elements that an upload may still be reading from the buffers."""
        return sum(self._uploaded)

    def take(self, shape: tuple[int, ...], dtype: str) -> NDArray[Any]:
        """Return the next buffer as an array, once the device has done with it."""
        import numpy as np  # noqa: PLC0415 - importing interop loads no NumPy

        self._turn = 1 - self._turn
        self.wait(self._turn)
        nbytes = math.prod(shape) * dtypes.itemsize(dtype)
        memory = self._memory[self._turn]
        if memory is None or memory.nbytes < nbytes:
            self._memory[self._turn] = memory = None  # the old one goes first
            self._memory[self._turn] = memory = self.adapter.pinned(nbytes)
        self._in_use = True
        return memory[:nbytes].view(np.dtype(dtype)).reshape(shape)

    def mark(self, *, uploaded: int = 0) -> int:
        """Note that all work on the buffer that was taken last has been asked for; return its number, for `wait`."""
        self._marks[self._turn] = self.adapter.mark(self.device)
        self._uploaded[self._turn] = uploaded
        self._in_use = False
        return self._turn

    def wait(self, number: int) -> None:
        """Wait until the device has done with a buffer."""
        if mark := self._marks[number]:
            mark()
            self._marks[number] = None
            self._uploaded[number] = 0

    def drain(self) -> None:
        """Wait for all that is pending, also after an error between a transfer and its mark.

        An interruption of one wait skips none: each is tried twice, and the interruption is raised at the end. Buffers
        that a device may still use are kept for good, since the next owner of that memory would write to them.
        """
        calls: list[Callable[[], object]] = [partial(self.wait, 1 - self._turn), partial(self.wait, self._turn)]
        if self._in_use:
            calls.insert(0, self.mark)
        errors = [error for call in calls for error in _insist(call)]
        if any(self._marks) or self._in_use:
            _in_use_for_good.append(self._memory)
        if errors:
            raise errors[0]


_in_use_for_good: Final[list[Any]] = []


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


class Carrier:
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
        self._buffers: Buffers | None = None
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

    def carry(self, target: End, source: End) -> Iterator[int]:
        """Copy an array of the same shape; yield, after each piece, how many elements it had. The caller drains."""
        cut = pieces(target.facts.shape, self.limit(source.facts, target.facts))
        if source.is_host == target.is_host:
            return self._copy(target, source, cut)
        dtype, device_end = crossing_dtype(source, target), source if target.is_host else target
        buffers = self._buffers_for(device_end.adapter, device_end.facts.device)
        return (self._download if target.is_host else self._upload)(target, source, dtype, cut, buffers)

    def drain(self) -> None:
        """Wait for all that is pending, and give the buffers back."""
        if self._buffers:
            self._buffers.drain()
            self._buffers = None

    def _buffers_for(self, adapter: Adapter, device: Device) -> Buffers:
        buffers = self._buffers
        if buffers is None or buffers.adapter is not adapter or buffers.device != device:
            self.drain()
            self._buffers = buffers = Buffers(adapter, device)
        return buffers

    def _copy(self, target: End, source: End, cut: Iterator[Piece]) -> Iterator[int]:
        """Copy within the host, or from device to device in the order of the target framework's current stream."""
        beside = source.is_beside(target)
        if not beside and target.is_host:
            target.adapter.touch(target.array)
            target, source = target.on_host(), source.on_host()
        for piece in cut:
            out, part = target.part(piece.index), source.part(piece.index)
            if not beside:
                part = _on_host(source, part) if target.is_host else shared(source.at(piece.index), target)
            self.begun += piece.elements
            target.adapter.assign(out, part)
            target.adapter.page_out(out)
            source.adapter.page_out(part)
            yield piece.elements

    def _download(self, target: End, source: End, dtype: str, cut: Iterator[Piece], buffers: Buffers) -> Iterator[int]:
        """Ask for each piece before the one that came before it is read out of its buffer."""
        target.adapter.touch(target.array)
        target, before = target.on_host(), None
        for piece in cut:
            buffer, part = buffers.take(piece.shape, dtype), source.part(piece.index)
            if dtype != source.facts.dtype or source.facts.obstacle:
                part = source.adapter.copy(part, source.facts.device, dtype)
            source.adapter.fetch(part, buffer)
            asked = buffers.mark(), buffer, piece
            if before:
                yield self._land(target, buffers, *before)
            before = asked
        if before:
            yield self._land(target, buffers, *before)

    def _land(self, target: End, buffers: Buffers, number: int, buffer: NDArray[Any], piece: Piece) -> int:
        buffers.wait(number)
        out = target.part(piece.index)
        self.begun += piece.elements
        target.adapter.assign(out, buffer)
        target.adapter.page_out(out)
        return piece.elements

    def _upload(self, target: End, source: End, dtype: str, cut: Iterator[Piece], buffers: Buffers) -> Iterator[int]:
        """Fill a buffer while the other one is uploaded."""
        source = source.on_host()
        for piece in cut:
            buffer, part = buffers.take(piece.shape, dtype), _on_host(source, source.part(piece.index))
            _numpy().assign(buffer, part)
            out = target.part(piece.index)
            self.begun += piece.elements
            target.adapter.assign(out, buffer)
            buffers.mark(uploaded=piece.elements)
            _numpy().page_out(part)
            yield piece.elements


def _on_host(source: End, part: Any) -> NDArray[Any]:
    """Return a part of host memory as an ndarray, and without the obstacle that NumPy would not know."""
    if source.adapter.ndarray_native:
        return part
    return source.adapter.export_host(source.adapter.copy(part, CPU, source.facts.dtype))


def shared(source: End, target: End) -> Any:
    """Return another framework's device memory as an array of the target's; shared where that can be."""
    dtype = target.facts.dtype if target.adapter.lacks(source.facts.dtype) else None
    wish = Wish(dtype=dtype, detach=True, readonly="share", casting="unsafe")  # the policy has been asked already
    route = Route(source.facts, source.adapter, target.adapter, wish)
    return execute(make_calls(make_plan(route), route), source.array)


def _numpy() -> Adapter:
    return registry.adapter_named("numpy")
