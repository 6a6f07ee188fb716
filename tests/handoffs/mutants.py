"""Incorrect handoffs, and a correct one that synchronises all devices, to test the scenarios."""

from typing import Any

import cupy
import torch
from torch.utils.dlpack import from_dlpack

from .sides import CUPY, TORCH, handle_of


class Unordered:
    """An array whose DLPack export ignores the requested stream."""

    def __init__(self, array: Any) -> None:
        self._array = array

    def __dlpack_device__(self) -> Any:
        return self._array.__dlpack_device__()

    def __dlpack__(self, **_keywords: Any) -> Any:
        with TORCH.on(None, self.__dlpack_device__()[1]):
            return self._array.__dlpack__(stream=-1)


def unordered(x: Any, to: str, /, **_keywords: Any) -> Any:
    """Hand over without a wait and without a fence at the release."""
    function: Any = from_dlpack if to == TORCH.name else cupy.from_dlpack
    return function(Unordered(x))


def unfenced(x: Any, to: str, /, *, stream: Any = None, **_keywords: Any) -> Any:
    """Hand over with a wait, and without a fence at the release."""
    device = (TORCH if isinstance(x, torch.Tensor) else CUPY).device(x)
    handles = {
        TORCH.name: torch.cuda.current_stream(device).cuda_stream,
        CUPY.name: cupy.cuda.get_current_stream(device).ptr,
    }
    producer = handles[TORCH.name if isinstance(x, torch.Tensor) else CUPY.name]
    consumer = handles[to] if stream in (None, -1) else handle_of(stream)
    with cupy.cuda.Device(device):
        event = cupy.cuda.Event(disable_timing=True)
        cupy.cuda.runtime.eventRecord(event.ptr, producer)
        cupy.cuda.runtime.streamWaitEvent(consumer, event.ptr, 0)
    return unordered(x, to)


class _Owner:
    """An owner of an array that synchronises all devices before it releases the array."""

    def __init__(self, array: Any) -> None:
        self.array = array

    def __del__(self) -> None:
        synchronize()


def synchronize() -> None:
    """Synchronise all devices."""
    for index in range(cupy.cuda.runtime.getDeviceCount()):
        with cupy.cuda.Device(index):
            cupy.cuda.runtime.deviceSynchronize()


def blunt(x: Any, to: str, /, **_keywords: Any) -> Any:
    """Hand over and release with all devices synchronised."""
    synchronize()
    array = unordered(x, CUPY.name) if isinstance(x, torch.Tensor) else x
    if array.size:
        span = array.itemsize + sum(
            (n - 1) * s for n, s in zip(array.shape, array.strides, strict=True)
        )
        memory = cupy.cuda.UnownedMemory(array.data.ptr, span, _Owner((x, array)), array.device.id)
        array = cupy.ndarray(
            array.shape, array.dtype, cupy.cuda.MemoryPointer(memory, 0), array.strides
        )
    return unordered(array, TORCH.name) if to == TORCH.name else array
