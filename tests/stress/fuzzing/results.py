"""The state of an array, read through the API of its own framework."""

from typing import Any, NamedTuple

import numpy as np
import torch

from .sources import numpy_dtype


class State(NamedTuple):
    """What can be seen of an array from outside."""

    framework: str
    dtype: str
    device: str
    shape: tuple[int, ...]
    address: int
    data: bytes
    """The elements in C order and in native bytes."""
    writable: bool
    gradient: bool


def state_of(x: Any) -> State:
    """Return the state of an array of any framework that the fuzz makes."""
    module = type(x).__module__.partition(".")[0]
    if isinstance(x, np.ndarray):
        return _of_numpy(x)
    if isinstance(x, torch.Tensor):
        return _of_torch(x)
    if module == "cupy":
        return _of_cupy(x)
    if module in ("jax", "jaxlib"):
        values = np.asarray(x)
        address = x.unsafe_buffer_pointer()
        return _state("jax", values, "cpu", address, writable=False)
    if module == "dask":
        return _of_dask(x)
    if module == "array_api_strict":
        values = np.asarray(x._array)
        return _state(module, values, "cpu", values.ctypes.data, writable=True)
    raise AssertionError(f"a result of the class {type(x)}")


def _state(  # noqa: PLR0913 - facts of an array
    framework: str,
    values: np.ndarray[Any, Any],
    device: str,
    address: int,
    *,
    writable: bool,
    gradient: bool = False,
) -> State:
    dtype = values.dtype.newbyteorder("=") if not values.dtype.isnative else values.dtype
    data = data_of(values.astype(dtype))
    return State(framework, dtype.name, device, values.shape, address, data, writable, gradient)


def data_of(values: np.ndarray[Any, Any]) -> bytes:
    """Return the elements as bytes in C order. Zeros of complex numbers lose their sign.

    torch's kernel for a negation of complex numbers sets that sign for some of the elements only.
    """
    if values.dtype.kind == "c":
        values = values + 0
    return values.tobytes()


def _of_numpy(x: np.ndarray[Any, Any]) -> State:
    plain = np.ndarray.view(x, np.ndarray)
    return _state("numpy", plain, "cpu", x.ctypes.data, writable=x.flags.writeable)


def _of_torch(x: torch.Tensor) -> State:
    bare = x.detach()
    name = str(x.dtype).removeprefix("torch.")
    if x.device.type == "cpu":
        bare = bare.resolve_conj().resolve_neg().clone(memory_format=torch.contiguous_format)
    flat = torch.empty(x.numel(), dtype=x.dtype)
    flat.copy_(bare.cpu().reshape(-1))
    raw = flat.view(torch.uint8).numpy()
    values = raw.view(numpy_dtype(name)).reshape(tuple(x.shape))
    device = "cpu" if x.device.type == "cpu" else f"cuda:{x.device.index}"
    return _state("torch", values, device, x.data_ptr(), writable=True, gradient=x.requires_grad)


def _of_cupy(x: Any) -> State:
    values = x.get(order="A")  # "C" would need a kernel
    return _state("cupy", values, f"cuda:{x.device.id}", x.data.ptr, writable=True)


def _of_dask(x: Any) -> State:
    values = x.compute(scheduler="synchronous")
    found = state_of(values) if not isinstance(values, np.generic) else state_of(np.asarray(values))
    return found._replace(framework="dask", address=0)
