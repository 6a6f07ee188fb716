"""Copy the values of one array into another one, chunk by chunk.

Both arrays may be on the host or on a device. Between the host and a device, the bytes travel
through two pinned buffers in turn: see `interop._transfer.pinned_buffers`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from interop._model import dtypes
from interop._transfer.chunks import Chunk, iter_chunks
from interop._transfer.operand import numpy_adapter, share_on_device, transfer_dtype
from interop._transfer.pinned_buffers import PinnedBuffers

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from numpy.typing import NDArray

    from interop._transfer.operand import DescribedOperand
    from interop.adapter import Adapter, Device, Facts


class StagedCopier:
    """Copies arrays in chunks of a limited size.

    Parameters
    ----------
    batch_bytes : int
        Largest number of bytes of a chunk, and of both pinned buffers together. An element is
        never split.

    Attributes
    ----------
    begun : int
        Number of elements of all targets so far whose writing has begun. It is increased before the
        first of these elements is written.
    submitted : int
        Number of elements that are written, or whose upload has begun and is marked by an event.
    """

    def __init__(self, batch_bytes: int) -> None:
        self._batch_bytes = batch_bytes
        # Allocators of pinned memory round up to powers of two, so this rounds down to one.
        self._buffer_bytes = 1 << (max(batch_bytes // 2, 1).bit_length() - 1)
        self._buffers: PinnedBuffers | None = None
        self.begun = 0
        self.submitted = 0

    @property
    def complete(self) -> int:
        """Number of elements that are surely written, from the first one on.

        An upload is complete only after the wait for its event.
        """
        start = None
        if self._buffers is not None:
            start = self._buffers.first_unconfirmed
        if start is None:
            return self.submitted
        return min(start, self.submitted)

    def limit(self, source: Facts, target: Facts) -> int:
        """Return the largest number of elements of a chunk, which fits with both dtypes."""
        chunk_bytes = self._batch_bytes
        if source.device.is_host != target.device.is_host:
            chunk_bytes = self._buffer_bytes
        size = max(dtypes.itemsize(source.dtype), dtypes.itemsize(target.dtype))
        return max(1, chunk_bytes // size)

    def copy(self, target: DescribedOperand, source: DescribedOperand) -> Iterator[int]:
        """Copy an array of the same shape, and yield `submitted` after each chunk.

        The caller must call `drain` at the end, also after an exception.
        """
        chunks = iter_chunks(target.facts.shape, self.limit(source.facts, target.facts))
        if source.is_host == target.is_host:
            return self._copy_on_one_side(target, source, chunks)
        dtype = transfer_dtype(source, target)
        if target.is_host:
            buffers = self._buffers_for(source.adapter, source.facts.device)
            return self._download(target, source, dtype, chunks, buffers)
        buffers = self._buffers_for(target.adapter, target.facts.device)
        return self._upload(target, source, dtype, chunks, buffers)

    def drain(self) -> None:
        """Wait for all pending transfers. After an exception, the next call waits for the rest."""
        if self._buffers:
            self._buffers.drain()

    def _buffers_for(self, adapter: Adapter, device: Device) -> PinnedBuffers:
        """Return the buffers of a device, which are reused for all arrays on that device."""
        buffers = self._buffers
        # An event and pinned memory belong to one device, so another device needs other buffers.
        if buffers is None or buffers.adapter is not adapter or buffers.device != device:
            self.drain()
            self._buffers = buffers = PinnedBuffers(adapter, device)
        return buffers

    def _copy_on_one_side(
        self, target: DescribedOperand, source: DescribedOperand, chunks: Iterator[Chunk]
    ) -> Iterator[int]:
        """Copy within the host, or between devices.

        A copy between devices is ordered by the current stream of the target framework.
        """
        same_framework = source.is_same_framework_and_side(target)
        if not same_framework and target.is_host:
            # NumPy writes, so the framework of the target must be told.
            target.adapter.mark_modified(target.array)
            target = target.as_ndarray()
            source = source.as_ndarray()
        for chunk in chunks:
            out = target.view(chunk.index)
            if same_framework:
                part = source.view(chunk.index)
            elif target.is_host:
                part = source.host_chunk(chunk.index)
            else:
                part = share_on_device(source.at(chunk.index), target)
            self.begun += chunk.elements
            target.adapter.assign(out, part)
            self.submitted = self.begun
            # A copy of a memory-mapped file must not fill the memory with pages of the file.
            target.adapter.page_out(out)
            source.adapter.page_out(part)
            yield self.submitted

    def _download(
        self,
        target: DescribedOperand,
        source: DescribedOperand,
        dtype: str,
        chunks: Iterator[Chunk],
        buffers: PinnedBuffers,
    ) -> Iterator[int]:
        """Start the download of each chunk before the previous chunk is written to the target."""
        target.adapter.mark_modified(target.array)
        target = target.as_ndarray()
        previous: _Download | None = None
        for chunk in chunks:
            buffer = buffers.next(chunk.shape, dtype)
            part = source.view(chunk.index)
            if dtype != source.facts.dtype or source.facts.not_shareable:
                # The device casts or resolves the chunk, because fewer bytes travel then.
                part = source.adapter.copy(part, source.facts.device, dtype)
            source.adapter.download_into(part, buffer)
            current = _Download(chunk, buffer, buffers.record_event())
            if previous:
                yield self._write_out(target, buffers, previous)
            previous = current
        if previous:
            yield self._write_out(target, buffers, previous)

    def _write_out(
        self, target: DescribedOperand, buffers: PinnedBuffers, download: _Download
    ) -> int:
        """Wait for a download and write the buffer to the target."""
        buffers.synchronize(download.number)
        out = target.view(download.chunk.index)
        # Before the write, because an exception may come in the middle of the write.
        self.begun += download.chunk.elements
        target.adapter.assign(out, download.buffer)
        self.submitted = self.begun
        target.adapter.page_out(out)
        return self.submitted

    def _upload(
        self,
        target: DescribedOperand,
        source: DescribedOperand,
        dtype: str,
        chunks: Iterator[Chunk],
        buffers: PinnedBuffers,
    ) -> Iterator[int]:
        """Fill one buffer while the other one is uploaded."""
        numpy = numpy_adapter()
        source = source.as_ndarray()
        for chunk in chunks:
            buffer = buffers.next(chunk.shape, dtype, upload_start=self.begun)
            part = source.host_chunk(chunk.index)
            numpy.assign(buffer, part)
            out = target.view(chunk.index)
            self.begun += chunk.elements
            # The upload may end after this call. The event marks the end.
            target.adapter.assign(out, buffer)
            buffers.record_event()
            self.submitted = self.begun
            numpy.page_out(part)
            yield self.submitted


class _Download(NamedTuple):
    """A chunk that is being downloaded, with the buffer and the number of the buffer."""

    chunk: Chunk
    buffer: NDArray[Any]
    number: int
