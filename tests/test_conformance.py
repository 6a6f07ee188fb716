"""The built-in adapters pass the conformance suite for third parties."""

import os
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from interop.adapter import Device, Stream
from interop.testing import AdapterSuite, DeviceAdapterSuite, LazyAdapterSuite
from lazily import lazy


def simulated() -> bool:
    return bool(os.environ.get("INTEROP_SIMCUDA"))


@pytest.fixture(autouse=True)
def _lazy_schedule() -> None:
    """Let work on the simulated device run as late as possible, so that each missing wait shows."""
    if simulated():
        import simcuda

        simcuda.schedule("lazy")


class TestNumPy(AdapterSuite):
    framework = "numpy"

    def make(self, array: NDArray[Any]) -> Any:
        return np.array(array)


@pytest.mark.requires("torch")
class TestTorch(AdapterSuite):
    framework = "torch"

    def make(self, array: NDArray[Any]) -> Any:
        import torch

        return torch.tensor(
            array.tolist(), dtype=torch.from_numpy(np.empty(0, array.dtype)).dtype
        ).reshape(array.shape)


@pytest.mark.requires("cupy", "gpu")
class TestCuPy(AdapterSuite):
    framework = "cupy"

    def make(self, array: NDArray[Any]) -> Any:
        import cupy

        out = cupy.empty(array.shape, array.dtype)
        out.set(
            np.ascontiguousarray(array).reshape(array.shape)
        )  # a 0-d array too, without a kernel
        return out


@pytest.mark.requires("jax")
class TestJAX(AdapterSuite):
    framework = "jax"
    dtypes = ("bool", "uint8", "int8", "int16", "int32", "float16", "float32", "complex64")

    def make(self, array: NDArray[Any]) -> Any:
        import jax.numpy as jnp

        return jnp.array(array, copy=True)


@pytest.mark.requires("dask", "torch", "jax")
class TestDask(LazyAdapterSuite):
    framework = "dask"
    block_frameworks = ("numpy", "torch", "jax")
    dtypes = TestJAX.dtypes
    wrong_chunks = (*LazyAdapterSuite.wrong_chunks, (2, 2.5), {0: 0}, -2)

    def make(self, array: NDArray[Any]) -> Any:
        return lazy(array, 2)


class StreamSuite(DeviceAdapterSuite):
    """The stream suite on a real GPU, or on the simulated GPU with lazy execution."""

    def occupy(self, device: Device) -> None:
        if not simulated():
            super().occupy(device)


@pytest.mark.requires("torch", "gpu")
class TestTorchStreams(StreamSuite):
    framework = "torch"

    def new_stream(self, device: Device) -> Stream:
        import torch

        stream = torch.cuda.Stream(device.id)  # type: ignore[no-untyped-call]
        return Stream(stream.cuda_stream, stream)


@pytest.mark.requires("cupy", "gpu")
class TestCuPyStreams(StreamSuite):
    framework = "cupy"

    def new_stream(self, device: Device) -> Stream:
        import cupy

        with cupy.cuda.Device(device.id):
            stream = cupy.cuda.Stream(non_blocking=True)
        return Stream(stream.ptr, stream)
