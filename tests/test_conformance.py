"""Our own adapters pass the suite that third parties get."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from interop.testing import AdapterSuite
from interop.testing.lazy import LazyAdapterSuite
from lazily import lazy


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
