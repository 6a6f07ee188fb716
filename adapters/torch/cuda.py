"""PyTorch's half of what crosses on CUDA devices: streams by their handles, and tensors that are lent."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING, Any, Final

import torch

from interop.adapter import CUDA, Device, Stream
from interop.adapter.device_adapter import OrderedArray
from interop.adapter.streams import LEGACY

if TYPE_CHECKING:
    from torch import Tensor


def torch_stream(named: Stream, device: Device) -> Any:
    """Return torch's object for a stream that is named by its handle."""
    if named.handle in (0, LEGACY):
        return torch.cuda.default_stream(device.id)
    return torch.cuda.ExternalStream(named.handle, device=device.id)  # type: ignore[no-untyped-call]


def using(named: Stream) -> Any:
    """Return a context in which it is torch's current stream, where torch has CUDA at all."""
    if not torch.cuda.is_available():
        return nullcontext()
    own = isinstance(named.owner, torch.cuda.Stream)
    here = Device(CUDA.kind, torch.cuda.current_device())
    return torch.cuda.stream(named.owner if own else torch_stream(named, here))


def wait_stream(first: Stream, second: Stream, device: Device) -> None:
    """Record an event on one stream, and let the other wait for it."""
    start = torch_stream(first, device)
    with torch.cuda.stream(
        start
    ):  # torch asks the current stream whether it is captured, whichever it records on
        event = torch.cuda.Event()  # type: ignore[no-untyped-call]
        event.record(start)
        torch_stream(second, device).wait_event(event)


def is_capturing(named: Stream, device: Device) -> bool:
    """Ask torch; the legacy stream answers with an error while any other is captured."""
    with torch.cuda.stream(torch_stream(named, device)):
        try:
            return bool(torch.cuda.is_current_stream_capturing())
        except RuntimeError as error:  # or the stream is gone, and nothing is captured from it
            return "captur" in str(error)


_gates: Final[dict[int, Any]] = {}
_LARGEST: Final = 16  # bytes of an element


def gate(tensor: Tensor, device: Device) -> Stream:
    """Return the stream that the allocator waits for before it reuses the tensor's memory: one a device, for ever.

    Not the consumer's own: `record_stream` keeps a bare handle, which is used when that stream may be gone.
    """
    own = _gates.get(device.id) or _gates.setdefault(device.id, torch.cuda.Stream(device.id))  # type: ignore[no-untyped-call]
    tensor.record_stream(own)
    return Stream(own.cuda_stream, own)


class Owned:
    """A tensor's memory as integers of the same size, which the CUDA Array Interface has for every dtype."""

    def __init__(self, tensor: Tensor, owner: Any) -> None:
        self._owner = owner
        size = tensor.element_size()
        self.__cuda_array_interface__ = {
            "version": 2,  # the last without a stream: it is in order already
            "typestr": "<c16" if size == _LARGEST else f"<i{size}",
            "shape": tuple(tensor.shape),
            "strides": tuple([s * size for s in tensor.stride()]),
            "data": (tensor.data_ptr(), False),
        }


class OrderedTensor(OrderedArray):
    """A tensor for one consumer, on whose stream it is ready."""

    def __dlpack__(self, **keywords: Any) -> Any:
        """Export with the tensor's device as the current one: torch asks for its current stream."""
        with torch.cuda.device(self._array.device):
            return super().__dlpack__(**keywords)
