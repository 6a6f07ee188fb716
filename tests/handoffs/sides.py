"""One interface to torch and CuPy, without kernels: writes and reads return while pending."""

import functools
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, ClassVar, Final

import cupy
import numpy as np
import torch
from numpy.typing import NDArray

Array = NDArray[Any]
ONE, NEW = 1.0, 99.0  # the value handed over, and a value that must not appear yet
SIZE: Final = 256
PER_THREAD: Final = 2  # CUDA's handle of the per-thread default stream


def pinned(shape: int | tuple[int, ...] = SIZE, dtype: Any = "f4") -> Array:
    """Return a pinned array, as the target of an asynchronous read."""
    blank = np.empty(shape, dtype)
    memory = cupy.cuda.alloc_pinned_memory(max(blank.nbytes, 1))
    return np.frombuffer(memory, dtype, blank.size).reshape(shape)


@functools.cache
def constant(value: float, shape: int | tuple[int, ...] = SIZE, dtype: Any = "f4") -> Array:
    """Return a pinned array that is never freed or changed, for asynchronous uploads."""
    array = pinned(shape, dtype)
    array[...] = value
    return array


class Handle:
    """A stream object that has only `__cuda_stream__`."""

    def __init__(self, handle: int) -> None:
        self.handle = handle

    def __cuda_stream__(self) -> tuple[int, int]:
        return 0, self.handle


def handle_of(stream: Any) -> int:
    """Return the handle of a stream, which may be the handle itself."""
    if isinstance(stream, int):
        return stream
    # Streams of CuPy 13 and torch 2.5 have no `__cuda_stream__`.
    for name in ("ptr", "cuda_stream"):
        if hasattr(stream, name):
            return int(getattr(stream, name))
    return int(stream.__cuda_stream__()[1])


class Torch:
    """The interface implemented with torch."""

    name: ClassVar = "torch"

    def stream(self, device: int = 0) -> Any:
        return torch.cuda.Stream(device)  # type: ignore[no-untyped-call]

    def external(self, handle: int, device: int = 0) -> Any:
        return torch.cuda.ExternalStream(handle, device)  # type: ignore[no-untyped-call]

    def handle(self, stream: Any) -> int:
        return 0 if stream is None else int(stream.cuda_stream)

    @contextmanager
    def on(self, stream: Any, device: int = 0) -> Iterator[None]:
        """Make a device current, and a stream of the device. None is the default stream."""
        with torch.cuda.device(device), torch.cuda.stream(stream):
            yield

    def synchronize(self, stream: Any, device: int = 0) -> None:
        (stream or torch.cuda.default_stream(device)).synchronize()

    def empty(self, shape: int | tuple[int, ...] = SIZE, dtype: Any = "f4") -> Any:
        return torch.empty(shape, dtype=getattr(torch, np.dtype(dtype).name), device="cuda")

    def write(self, x: Any, value: float) -> None:
        x.copy_(_tensor(constant(value, tuple(x.shape), _dtype(x))), non_blocking=True)

    def read(self, x: Any) -> Array:
        """Start a read of a contiguous array on the current stream.

        The result is complete after the stream has been synchronised.
        """
        result = pinned(tuple(x.shape), _dtype(x))
        _tensor(result).copy_(x, non_blocking=True)
        return result

    def pointer(self, x: Any) -> int:
        return int(x.data_ptr())

    def device(self, x: Any) -> int:
        return int(x.device.index)

    def view(self, x: Any, key: Any) -> Any:
        return x[key]

    def reshape(self, x: Any, *shape: int) -> Any:
        return x.view(shape)


class CuPy:
    """The interface implemented with CuPy."""

    name: ClassVar = "cupy"

    def stream(self, device: int = 0) -> Any:
        with cupy.cuda.Device(device):
            return cupy.cuda.Stream(non_blocking=True)

    def external(self, handle: int, device: int = 0) -> Any:
        with cupy.cuda.Device(device):
            if handle == PER_THREAD:
                return cupy.cuda.Stream.ptds
            if hasattr(cupy.cuda.Stream, "from_external"):  # since CuPy 14
                return cupy.cuda.Stream.from_external(Handle(handle))
            return cupy.cuda.ExternalStream(handle)

    def handle(self, stream: Any) -> int:
        return 0 if stream is None else int(stream.ptr)

    @contextmanager
    def on(self, stream: Any, device: int = 0) -> Iterator[None]:
        """Make a device current, and a stream of the device. None is the default stream."""
        with cupy.cuda.Device(device), cupy.cuda.Stream.null if stream is None else stream:
            yield

    def synchronize(self, stream: Any, device: int = 0) -> None:
        with cupy.cuda.Device(device):
            (stream or cupy.cuda.Stream.null).synchronize()

    def empty(self, shape: int | tuple[int, ...] = SIZE, dtype: Any = "f4") -> Any:
        return cupy.empty(shape, dtype)

    def write(self, x: Any, value: float) -> None:
        x.set(constant(value, x.shape, x.dtype))

    def read(self, x: Any) -> Array:
        """Start a read of a contiguous array on the current stream.

        The result is complete after the stream has been synchronised.
        """
        result = pinned(x.shape, x.dtype)
        if x.size:
            x.get(out=result, blocking=False)
        return result

    def pointer(self, x: Any) -> int:
        return int(x.data.ptr)

    def device(self, x: Any) -> int:
        return int(x.device.id)

    def view(self, x: Any, key: Any) -> Any:
        return x[key]

    def reshape(self, x: Any, *shape: int) -> Any:
        return x.reshape(shape)


Side = Torch | CuPy
TORCH: Final = Torch()
CUPY: Final = CuPy()


def current_device(index: int) -> AbstractContextManager[Any]:
    """Make a device current, without changing the current stream of any device."""
    return nullcontext() if cupy.cuda.runtime.getDevice() == index else cupy.cuda.Device(index)


def _tensor(array: Array) -> torch.Tensor:
    """Return a tensor over pinned memory. bfloat16 needs a view because torch rejects ml_dtypes."""
    if array.dtype.name == "bfloat16":
        return torch.from_numpy(array.view("i2")).view(torch.bfloat16)
    return torch.from_numpy(array)


def _dtype(x: torch.Tensor) -> Any:
    name = str(x.dtype).removeprefix("torch.")
    if name == "bfloat16":
        import ml_dtypes

        return np.dtype(ml_dtypes.bfloat16)
    return np.dtype(name)
