"""Streams and shared memory on CUDA devices, for the adapter of PyTorch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import torch

from interop import errors
from interop.adapter import Device, Stream
from interop.adapter.device_adapter import OrderedArray
from interop.adapter.scope import scoped
from interop.adapter.streams import no_streams_on

from .devices import GPU

if TYPE_CHECKING:
    from collections.abc import Generator

    from torch import Tensor


def current_stream(device: Device) -> Stream:
    """Return torch's current stream on a device.

    Raises
    ------
    UnsupportedArrayError
        No handle names the streams of the device.
    """
    if not device.has_streams:
        raise errors.UnsupportedArrayError(no_streams_on(device), hint="Leave stream= out.")
    stream = torch.cuda.current_stream(device.id)
    return Stream(stream.cuda_stream, stream)


def torch_stream(named: Stream, device: Device) -> Any:
    """Return torch's object for a stream that is given by its handle."""
    if not named.plain_handle:
        return torch.cuda.default_stream(device.id)
    # Without a device, which torch would make the current one by `torch.cuda.device`.
    with _current_device(device.id):
        return torch.cuda.ExternalStream(named.handle)  # type: ignore[no-untyped-call]


@scoped
def using(named: Stream) -> Generator[None, None, None]:
    """Make a stream torch's current one inside the ``with`` block, or do nothing without CUDA."""
    if not torch.cuda.is_available():
        yield
        return
    stream = named.owner
    if not isinstance(stream, torch.cuda.Stream):
        stream = torch_stream(named, Device(GPU.kind, torch.cuda.current_device()))
    with _current_stream(stream):
        yield


# `torch.cuda.stream` and `torch.cuda.device` are Python code, in which an interrupt would leave the
# stream or the device changed. So the next two functions call the same functions in C.


@scoped
def _current_stream(stream: Any) -> Generator[None, None, None]:
    """Make a stream and its device the current ones inside the ``with`` block."""
    device = torch._C._cuda_getDevice()
    number, index, kind = torch._C._cuda_getCurrentStream(stream.device_index)
    try:
        torch._C._cuda_setStream(
            stream_id=stream.stream_id,
            device_index=stream.device_index,
            device_type=stream.device_type,
        )
        yield
    finally:
        try:
            torch._C._cuda_setStream(stream_id=number, device_index=index, device_type=kind)
        finally:
            torch._C._cuda_setDevice(device)


@scoped
def _current_device(index: int) -> Generator[None, None, None]:
    """Make a device the current one inside the ``with`` block."""
    before: list[int] = []
    try:
        before.extend(map(torch._C._cuda_exchangeDevice, (index,)))
        yield
    finally:
        for former in before:
            # As torch does: a device that nobody has used yet is not initialised.
            torch._C._cuda_maybeExchangeDevice(former)


def wait_stream(earlier: Stream, later: Stream, device: Device) -> None:
    """Record an event on the stream `earlier`, and let the stream `later` wait for the event."""
    start = torch_stream(earlier, device)
    # torch checks whether the current stream is captured, not the stream of the event.
    with _current_stream(start):
        event = torch.cuda.Event()  # type: ignore[no-untyped-call]
        event.record(start)
        torch_stream(later, device).wait_event(event)


def synchronize(device: Device) -> None:
    """Wait for all work that is pending on a device."""
    with _current_device(device.id):
        torch.cuda.synchronize()


def is_capturing(named: Stream, device: Device) -> bool:
    """Return whether a stream is captured, or may not be asked because another one is captured.

    CUDA answers for the legacy stream with an error while any other stream is captured.
    """
    with _current_stream(torch_stream(named, device)):
        try:
            return bool(torch.cuda.is_current_stream_capturing())
        except RuntimeError as error:  # another error: the stream is gone, and nothing is captured
            return "captur" in str(error)


_gates: Final[dict[int, Any]] = {}
_LARGEST: Final = 16  # bytes of an element


def gate(tensor: Tensor, device: Device) -> Stream:
    """Return the stream that torch's allocator waits for before it reuses the memory of a tensor.

    There is one such stream for each device, which lasts as long as the process. The consumer's
    stream cannot be used: `Tensor.record_stream` keeps a bare handle, and torch uses the handle
    when that stream may be destroyed already.
    """
    own = _gates.get(device.id)
    if own is None:
        # Another thread may do the same, and then both use the stream that was stored first.
        with _current_device(device.id):
            new = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        own = _gates.setdefault(device.id, new)
    tensor.record_stream(own)
    return Stream(own.cuda_stream, own)


class Owned:
    """The memory of a tensor as integers of equal size, with an object that is kept alive.

    The CUDA Array Interface has no bfloat16 and no float8, but integers of every size.
    """

    def __init__(self, tensor: Tensor, owner: Any) -> None:
        self._owner = owner
        size = tensor.element_size()
        self.__cuda_array_interface__ = {
            "version": 2,  # the last version without a stream: the memory is ordered already
            # There is no integer of 16 bytes.
            "typestr": "<c16" if size == _LARGEST else f"<i{size}",
            "shape": tuple(tensor.shape),
            "strides": tuple([s * size for s in tensor.stride()]),
            "data": (tensor.data_ptr(), False),
        }


class OrderedTensor(OrderedArray):
    """A tensor that is ready for one consumer."""

    def __dlpack__(self, **keywords: Any) -> Any:
        """Export with the tensor's device as the current one: torch asks for its current stream."""
        with _current_device(self._array.device.index):
            return super().__dlpack__(**keywords)
