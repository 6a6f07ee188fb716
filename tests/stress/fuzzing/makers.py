"""Functions that make random sources, one per framework or kind of object."""

import array
from collections.abc import Callable
from random import Random
from typing import Any, Final

import array_api_strict
import dask.array
import jax
import ml_dtypes
import numpy as np
import torch
from PIL import Image

import foreign
import interop

from .layouts import Layout, any_layout, contiguous
from .sources import ALIGNMENT, DTYPES, PLAIN, SMALL, WIDE, Source, itemsize, memory, numbers


def start_devices() -> None:
    """Create the context of each device, that of the current device 0 last.

    Before that, torch does not return to a device that the process has not used yet.
    """
    for index in reversed(range(torch.cuda.device_count())):
        torch.empty(1, device=f"cuda:{index}")


class Subarray(np.ndarray[Any, Any]):
    """A subclass of ndarray without state."""


def bounds(root: np.ndarray[Any, Any]) -> dict[str, Any]:
    start = root.ctypes.data
    return {"low": start, "high": start + root.nbytes}


def facts_of(layout: Layout) -> dict[str, Any]:
    return {"order": layout.order, "overlaps": layout.overlaps, "reverses": layout.reverses}


def placed(root: np.ndarray[Any, Any], layout: Layout) -> np.ndarray[Any, Any]:
    """Return the elements of a buffer that a layout selects."""
    size = root.itemsize
    strides = tuple(size * stride for stride in layout.strides)
    if not root.size:  # NumPy checks strides even where there are no elements
        return np.ndarray(layout.shape, root.dtype, root)
    return np.ndarray(layout.shape, root.dtype, root, size * layout.offset, strides)


# -- NumPy -----------------------------------------------------------------------------------------


def numpy_array(random: Random, dtypes: tuple[str, ...] = DTYPES, *, plain: bool = False) -> Source:
    """Return an ndarray of any layout, alignment and byte order, some of them read-only."""
    dtype = random.choice(dtypes)
    layout = any_layout(random)
    size = itemsize(dtype)
    defect = "" if plain else random.choice(("", "", "", "order", "skew", "subclass"))
    shift = random.choice((0, 0, size % ALIGNMENT, 32))
    shift += defect == "skew" and size > 1
    root = memory(random, dtype, layout.length, shift)
    x = placed(root, layout)
    values = x.copy("C")
    unshareable = not x.flags.aligned
    if defect == "order" and dtype in PLAIN and size > 1:
        root.view(np.uint8).reshape(-1, size)[:] = root.view(np.uint8).reshape(-1, size)[:, ::-1]
        if dtype.startswith("complex"):  # both halves are swapped, each on its own
            halves = root.view(np.uint8).reshape(-1, 2, size // 2)
            halves[:] = halves[:, ::-1].copy()
        x = x.view(x.dtype.newbyteorder())
        unshareable = True
    x.flags.writeable = random.random() < 0.7
    if defect == "subclass":
        x = x.view(Subarray)
    return Source(
        x, values, dtype, "numpy", **bounds(root), address=x.ctypes.data, **facts_of(layout),
        readonly=not x.flags.writeable, unshareable=unshareable, owner=root,
        kind=f"numpy {defect}",
    )  # fmt: skip


# -- torch -----------------------------------------------------------------------------------------


def torch_tensor(
    random: Random, dtypes: tuple[str, ...] = DTYPES, *, plain: bool = False
) -> Source:
    """Return a tensor in torch's own memory, some with a gradient or a lazy bit."""
    dtype = random.choice(dtypes)
    layout = any_layout(random, reverse=False)
    size = itemsize(dtype)
    root = memory(random, dtype, layout.length)
    owner = torch.empty(root.nbytes, dtype=torch.uint8)
    owner.numpy()[:] = root.view(np.uint8)
    flat = owner.view(getattr(torch, dtype))
    lazy = "" if plain or not flat.is_complex() else random.choice(("", "", "conj", "neg"))
    if lazy == "conj":
        flat = flat.conj()
        root = root.conj()
    elif lazy == "neg":
        flat = torch._neg_view(flat)  # pyright: ignore[reportPrivateImportUsage]
        root = -root
    x = flat.as_strided(layout.shape, layout.strides, layout.offset)
    values = placed(root, layout).copy("C")
    gradient = flat.is_floating_point() or flat.is_complex()
    gradient = gradient and not plain and random.random() < 0.25
    if gradient:
        x.requires_grad_()
        if dtype == "float32" and random.random() < 0.5:
            x = x * 1  # not a leaf, in memory of its own
            return _plain_tensor(x, values, dtype, gradient=True)
    return Source(
        x, values, dtype, "torch", owner.data_ptr(), owner.data_ptr() + owner.nbytes,
        owner.data_ptr() + size * layout.offset, **facts_of(layout), gradient=gradient,
        unshareable=bool(lazy), owner=owner, kind=f"torch {lazy}",
    )  # fmt: skip


def _plain_tensor(x: Any, values: Any, dtype: str, *, gradient: bool) -> Source:
    bare = x.detach()
    layout = Layout(tuple(x.shape), x.stride(), 0, 0, overlaps=False, reverses=False)
    low = bare.untyped_storage().data_ptr()
    return Source(
        x, values, dtype, "torch", low, low + bare.untyped_storage().nbytes(), x.data_ptr(),
        order=layout.order, gradient=gradient, owner=x, kind="torch computed",
    )  # fmt: skip


# -- devices, which the simulated runtime provides without kernels ------------------------------------


def cuda_tensor(random: Random) -> Source:
    """Return a contiguous CUDA tensor."""
    dtype = random.choice(DTYPES)
    host = contiguous_values(random, dtype)
    index = random.randrange(torch.cuda.device_count())
    flat = torch.empty(host.nbytes, dtype=torch.uint8)
    flat.numpy()[:] = host.reshape(-1).view(np.uint8)
    x = flat.view(getattr(torch, dtype)).reshape(host.shape).to(f"cuda:{index}")
    low = x.data_ptr()
    return Source(
        x, host, dtype, "torch", low, low + host.nbytes, low, f"cuda:{index}", kind="torch cuda"
    )


def cupy_array(random: Random) -> Source:
    """Return a contiguous CuPy array."""
    import cupy

    dtype = random.choice((*PLAIN, "bfloat16"))
    host = contiguous_values(random, dtype)
    index = random.randrange(torch.cuda.device_count())
    with cupy.cuda.Device(index):
        x = cupy.empty(host.shape, host.dtype)
        x.set(host)
    low = x.data.ptr
    return Source(x, host, dtype, "cupy", low, low + host.nbytes, low, f"cuda:{index}", kind="cupy")


class CudaInterface:
    """An object that lends the memory of a CuPy array by `__cuda_array_interface__` only."""

    def __init__(self, array: Any) -> None:
        self.__cuda_array_interface__ = array.__cuda_array_interface__
        self._array = array


def cuda_interface(random: Random) -> Source:
    source = cupy_array(random)
    while source.dtype in SMALL or not source.nbytes:  # no memory is on no device
        source = cupy_array(random)
    return source._replace(
        x=CudaInterface(source.x), framework="foreign", owner=source.x, kind="cuda interface"
    )


def contiguous_values(random: Random, dtype: str) -> np.ndarray[Any, Any]:
    shape = contiguous(random).shape
    return memory(random, dtype, int(np.prod(shape))).reshape(shape)


# -- immutable and lazy frameworks, and namespaces ----------------------------------------------------


def jax_array(random: Random) -> Source:
    dtype = random.choice([name for name in DTYPES if name not in WIDE])
    values = contiguous_values(random, dtype)
    x = jax.device_put(values.copy()).block_until_ready()
    low = x.unsafe_buffer_pointer()
    return Source(x, values, dtype, "jax", low, low + values.nbytes, low, readonly=True, kind="jax")


def dask_array(random: Random) -> Source:
    dtype = random.choice(PLAIN)
    values = contiguous_values(random, dtype)
    chunks: Any = random.choice((1, 2, -1))
    x = dask.array.from_array(values.copy(), chunks=chunks)
    return Source(x, values, dtype, "dask", read=True, lazy=True, kind="dask")


def strict_array(random: Random) -> Source:
    """Return an array of array_api_strict, which is a namespace without an adapter."""
    dtype = random.choice([name for name in PLAIN if name != "float16"])
    values = contiguous_values(random, dtype)
    owner = memory(random, dtype, values.size).reshape(values.shape)
    owner[...] = values
    x = array_api_strict.asarray(owner, copy=False)
    return Source(
        x, values, dtype, "array_api_strict", **bounds(owner), address=owner.ctypes.data,
        owner=owner, kind="array_api_strict",
    )  # fmt: skip


# -- objects of no framework ---------------------------------------------------------------------------


def spoken(random: Random) -> Source:
    """Return an object over host memory that speaks one protocol."""
    speak: Any = random.choice(
        (memoryview, foreign.DLPack, foreign.OldDLPack, foreign.ArrayInterface, foreign.Array)
    )
    source = numpy_array(random, PLAIN, plain=True)
    if issubclass(speak, foreign.DLPack) and random.random() < 0.5:
        source = torch_tensor(random, PLAIN, plain=True)
    elif speak is foreign.OldDLPack:
        while source.readonly:  # NumPy lends no such memory without a flag
            source = numpy_array(random, PLAIN, plain=True)
    if speak is foreign.OldDLPack and not source.nbytes:
        return spoken(random)  # nothing tells whether no memory is read-only
    return source._replace(
        x=speak(source.x), framework="foreign", owner=source.x,
        readonly=source.readonly or speak is foreign.OldDLPack, read=speak is foreign.Array,
        kind=f"{speak.__name__} of {source.framework}",
    )  # fmt: skip


def buffer(random: Random) -> Source:
    """Return bytes, a bytearray, or an array of the standard library."""
    values = numbers(random, "uint8", random.randrange(6))
    make = random.choice((bytes, bytearray, lambda data: array.array("B", data)))
    x = make(values.tobytes())
    view = np.frombuffer(x, np.uint8) if len(x) else np.empty(0, np.uint8)
    return Source(
        x, values, "uint8", "foreign", **bounds(view), address=view.ctypes.data,
        readonly=isinstance(x, bytes), fixed=False, kind=type(x).__name__,
    )  # fmt: skip


def image(random: Random) -> Source:
    shape = (random.randrange(1, 4), random.randrange(1, 4), 3)
    values = numbers(random, "uint8", int(np.prod(shape))).reshape(shape)
    return Source(Image.fromarray(values), values, "uint8", "foreign", read=True, kind="PIL")


def without_numbers(random: Random) -> Source:
    """Return an array without plain numbers, or an object that is not an array."""
    ones = np.ones(2)
    refused: list[tuple[Any, str, type[interop.InteropError]]] = [
        (np.ma.array(ones, mask=[True, False]), "numpy", interop.UnsupportedArrayError),
        (np.array(["a"]), "numpy", interop.UnsupportedArrayError),
        (np.array([None, 1]), "numpy", interop.UnsupportedArrayError),
        (np.ones(2, "i4,f4"), "numpy", interop.UnsupportedArrayError),
        (np.ones(2, ml_dtypes.int4), "numpy", interop.UnsupportedArrayError),
        (np.ones(2, np.longdouble), "numpy", interop.UnsupportedArrayError),
        (torch.eye(2).to_sparse(), "torch", interop.UnsupportedArrayError),
        (torch.empty(2, device="meta"), "torch", interop.UnsupportedArrayError),
        *((x, "", interop.NotAnArrayError) for x in ([1, 2], "text", None, 3, {1: 2}, {3}, 1j)),
        (ones.__dlpack__(), "", interop.NotAnArrayError),
    ]
    x, framework, error = random.choice(refused)
    return Source(x, ones, "float64", framework, error=error, kind=f"refused {type(x).__name__}")


Make = Callable[[Random], Source]
HOST: Final[tuple[Make, ...]] = (numpy_array, numpy_array, torch_tensor, torch_tensor)
OTHERS: Final[tuple[Make, ...]] = (jax_array, spoken, spoken, buffer)
DEVICE: Final[tuple[Make, ...]] = (cuda_tensor, cupy_array, cuda_interface)
RARE: Final[tuple[Make, ...]] = (strict_array, image, without_numbers)
