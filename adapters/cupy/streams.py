"""Streams of CuPy, and arrays that are ready for one consumer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import cupy
from cupy.cuda import runtime as _runtime

from interop.adapter import CUDA, ROCM
from interop.adapter.device_adapter import OrderedArray
from interop.adapter.streams import UNORDERED, Interface

if TYPE_CHECKING:
    from interop.adapter import Device

runtime: Final[Any] = _runtime  # CuPy has no type hints, and pyright infers wrong types
# The ROCm build of CuPy has the names of CUDA in its modules, too.
GPU: Final = ROCM if runtime.is_hip else CUDA
"""The current device of the platform that CuPy was built for."""
PLATFORM: Final = "ROCm" if GPU is ROCM else "CUDA"
"""The name of the platform in messages."""


def device_count() -> int:
    """Return the number of CUDA devices that the runtime finds."""
    try:
        return int(runtime.getDeviceCount())
    except runtime.CUDARuntimeError:  # its message is about drivers in every case
        return 0


def order(earlier: Any, later: Any) -> None:
    """Let the current stream of one CuPy device wait for the current stream of another device.

    Nothing is done for one device: its current stream keeps its own order.
    """
    if earlier == later:
        return
    with earlier:
        event = cupy.cuda.get_current_stream().record()
    with later:
        cupy.cuda.get_current_stream().wait_event(event)


class OrderedCuPyArray(OrderedArray):
    """An array that is ready for one consumer.

    The methods of `cupy.ndarray` are called, and not those that a subclass redefines.
    """

    def __dlpack_device__(self) -> tuple[int, int]:
        return cupy.ndarray.__dlpack_device__(self._array)

    def __dlpack__(self, **keywords: Any) -> Any:
        """Export with the array's device as the current one: CuPy asks for its current stream."""
        with self._array.device:
            return cupy.ndarray.__dlpack__(self._array, **{**keywords, "stream": UNORDERED})


class OrderedManagedArray(OrderedCuPyArray, Interface):
    """Managed memory for one consumer, by DLPack or by the CUDA Array Interface."""

    def __init__(self, array: Any, device: Device) -> None:
        OrderedCuPyArray.__init__(self, array)
        Interface.__init__(self, array, device)
