"""The inspection functions: framework, device, shared memory, and available frameworks."""

import importlib.metadata
from typing import Any

import numpy as np
import pytest
import torch
from array_api_compat import numpy as compat_numpy
from array_api_compat import torch as compat_torch
from hypothesis import given
from hypothesis import strategies as st

import foreign
import interop
from child import run_child
from strategies import Layout, layouts

pytestmark = pytest.mark.requires("torch")


class Image(np.ndarray[Any, Any]):
    pass


class Video(torch.Tensor):
    pass


ARRAYS = {
    "ndarray": (np.ones(3), "numpy"),
    "a subclass": (np.ones(3).view(Image), "numpy"),
    "a masked array": (np.ma.masked_array([1, 2], mask=[True, False]), "numpy"),
    "no numbers": (np.array(["a"]), "numpy"),
    "a scalar": (np.float32(1), "numpy"),
    "tensor": (torch.ones(3), "torch"),
    "a subclass of tensor": (torch.ones(3).as_subclass(Video), "torch"),
    "parameter": (torch.nn.Parameter(torch.ones(3)), "torch"),
    "sparse": (torch.eye(2).to_sparse(), "torch"),
}


@pytest.mark.parametrize(("x", "name"), ARRAYS.values(), ids=ARRAYS)
def test_framework_of_and_device_of_accept_arrays_and_subclasses(x: Any, name: str) -> None:
    assert interop.framework_of(x) == name
    device = interop.device_of(x)
    assert device == (1, 0)
    assert str(device) == "cpu"


@pytest.mark.parametrize(
    "x",
    [b"abc", memoryview(b"abc"), foreign.DLPack(np.ones(3)), foreign.ArrayInterface(np.ones(3))],
)
def test_device_of_accepts_a_foreign_array_but_framework_of_refuses(x: Any) -> None:
    assert interop.device_of(x) == (1, 0)
    with pytest.raises(interop.UnknownFrameworkError):
        interop.framework_of(x)


@pytest.mark.parametrize("question", [interop.framework_of, interop.device_of, interop.namespace])
def test_framework_of_device_of_and_namespace_refuse_non_arrays(question: Any) -> None:
    nothing: list[object] = [[1], None, "abc", {}, 3]
    for x in nothing:
        with pytest.raises(interop.NotAnArrayError):
            question(x)


# Shared memory


@given(first=layouts(), second=layouts(), apart=st.integers(0, 9))
def test_shares_memory_for_any_strides_is_exact(first: Layout, second: Layout, apart: int) -> None:
    """Two arrays share memory if a byte belongs to both, not only if their spans overlap."""
    root = np.zeros(first.length + second.length + apart, np.uint8)
    a = np.ndarray(first.shape, np.uint8, root, first.offset, first.strides)
    b = np.ndarray(second.shape, np.uint8, root, second.offset + apart, second.strides)
    truth = bool(first.places & {place + apart for place in second.places})
    assert interop.shares_memory(a, b) == interop.shares_memory(b, a) == truth


@given(first=layouts(), second=layouts(may_reverse=False), apart=st.integers(0, 3))
def test_shares_memory_is_exact_between_frameworks(
    first: Layout, second: Layout, apart: int
) -> None:
    owner = torch.zeros(first.length + second.length + apart, dtype=torch.int16)
    a = np.ndarray(
        first.shape, np.int16, owner.numpy(), 2 * first.offset, [2 * s for s in first.strides]
    )
    b = owner.as_strided(second.shape, second.strides, second.offset + apart)
    truth = bool(first.places & {place + apart for place in second.places})
    assert interop.shares_memory(a, b) == interop.shares_memory(b, a) == truth


def test_shares_memory_of_disjoint_interleaved_slices_is_false() -> None:
    x = torch.arange(12).reshape(2, 6)
    array = x.numpy()
    assert not interop.shares_memory(x[:, ::2], array[:, 1::2])
    assert interop.shares_memory(x[:, ::2], array[:, 2::2])
    assert not interop.shares_memory(x[:, :3], array[:, 3:])
    assert interop.shares_memory(x.view(torch.int32)[:, 1], array)


@pytest.mark.parametrize(
    "make", [memoryview, foreign.DLPack, foreign.ArrayInterface, torch.from_numpy]
)
def test_shares_memory_accepts_every_protocol(make: Any) -> None:
    x = np.ones(4)
    assert interop.shares_memory(make(x), x)
    assert not interop.shares_memory(make(x.copy()), x)
    assert not interop.shares_memory(make(x[:0]), x)


@pytest.mark.parametrize("dtype", ["O", "M8[s]", "U3", "i4,i4", "g"])
def test_shares_memory_accepts_unsupported_dtypes(dtype: str) -> None:
    x = np.zeros(4, dtype)
    assert interop.shares_memory(x, x[1:])
    assert not interop.shares_memory(x[::2], x[1::2])


def test_shares_memory_ignores_a_mask() -> None:
    masked = np.ma.masked_array([1, 2], mask=[True, False])
    assert interop.shares_memory(masked, masked.data)


def test_shares_memory_ignores_pending_conjugation_and_gradients() -> None:
    x = torch.ones(2, dtype=torch.complex64, requires_grad=True)
    assert interop.shares_memory(x.conj(), x.detach().numpy())
    assert interop.shares_memory(x.detach().conj().imag, x.detach().numpy())


def test_shares_memory_of_an_object_that_must_be_read_is_false() -> None:
    x = np.ones(())
    assert not interop.shares_memory(np.float64(1), np.float64(1))
    assert not interop.shares_memory(foreign.Array(x), x)


# Namespaces and frameworks


@pytest.mark.parametrize(
    ("x", "namespace"),
    [(np.ones(3), compat_numpy), (torch.ones(3), compat_torch)],
    ids=["numpy", "torch"],
)
def test_namespace_of_numpy_and_torch_arrays_is_array_api_compat(x: Any, namespace: Any) -> None:
    assert interop.namespace(x) is namespace
    assert interop.namespace(x, x) is namespace


def test_frameworks_lists_loaded_frameworks_with_versions() -> None:
    infos = {info.name: info for info in interop.frameworks()}
    assert {"cupy", "numpy", "torch"} <= set(infos)
    for name, module in (("numpy", np), ("torch", torch)):
        assert infos[name][:4] == (name, True, True, module.__version__)


def test_frameworks_imports_no_framework() -> None:
    said = run_child("""
        import sys, interop
        for info in interop.frameworks():
            if info.name in ("numpy", "torch"):
                print(*info[:4])
        print("numpy" in sys.modules, "torch" in sys.modules)
    """)
    versions = [importlib.metadata.version(name) for name in ("numpy", "torch")]
    assert said == f"numpy True False {versions[0]}\ntorch True False {versions[1]}\nFalse False\n"


@pytest.mark.requires("torch", "simcuda")
def test_shares_memory_of_a_gpu_dlpack_object_reads_the_capsule_address() -> None:
    import torch

    class Lender:
        def __init__(self, x: Any) -> None:
            self.__dlpack__, self.__dlpack_device__ = x.__dlpack__, x.__dlpack_device__

    tensor = torch.empty(4).to("cuda")
    assert interop.shares_memory(Lender(tensor), tensor)
    assert interop.shares_memory(Lender(tensor[1:]), tensor[:2])
    assert not interop.shares_memory(Lender(tensor[2:]), tensor[:2])
