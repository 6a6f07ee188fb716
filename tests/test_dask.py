"""Dask arrays mapped to blocks of another framework, without computing them."""

import copy
import importlib
import pickle
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import interop
from child import run_child
from interop import explain, to_numpy
from lazily import VALUES, blocks_of, convert, counted, lazy, of_blocks, on

pytestmark = pytest.mark.requires("dask", "torch", "jax", "ml_dtypes")
TARGETS = ["numpy", "torch", "jax"]


@pytest.fixture(autouse=True)
def synchronous() -> Iterator[None]:
    """Compute the blocks one after the other, in this thread."""
    with on("synchronous"):
        yield


def pickled(x: Any) -> Any:
    return pickle.loads(pickle.dumps(x))  # noqa: S301 - our own


# -- laziness --------------------------------------------------------------------------------------


@pytest.mark.parametrize("to", TARGETS)
def test_convert_dask_array_computes_nothing(to: str) -> None:
    x, seen = counted()
    y = convert(x, to, dtype="int32", casting="unsafe")
    assert (interop.framework_of(y), interop.device_of(y)) == ("dask", (1, 0))
    assert not interop.shares_memory(y, x)
    explain(y, "numpy")
    explain(y, "numpy", compute=True)
    interop.convert_like(y, np.ones(1))
    interop.convert_tree({"a": [y, 1]}, to)
    repr(y), y._repr_html_()
    assert not seen
    assert np.array_equal(to_numpy(y), VALUES)
    assert len(seen) == 6


def test_convert_dask_array_accepts_modules_and_classes_as_target() -> None:
    import dask.array as da
    import torch

    x = lazy()
    for to in ("dask", da.Array):
        assert convert(x, to) is x
    assert isinstance(convert(x, torch)._meta, torch.Tensor)
    assert isinstance(convert(x, torch.Tensor)._meta, torch.Tensor)


def test_convert_like_from_or_to_dask_array_gives_a_dask_array() -> None:
    import torch

    x = lazy()
    (block, *_) = blocks_of(interop.convert_like(x, torch.ones(1)))
    assert isinstance(block, torch.Tensor)
    y = convert(x, "torch")
    assert interop.convert_like(y, x) is y  # the lazy framework, not the framework of the blocks
    assert interop.convert_like(torch.ones(4), x).npartitions == 1


def test_convert_tree_keeps_dask_arrays_lazy_unless_compute_is_true() -> None:
    import torch

    x, seen = counted()
    tree = interop.convert_tree({"a": [x, 1, None], "b": VALUES}, "torch")
    assert not seen
    assert (interop.framework_of(tree["a"][0]), tree["a"][1:]) == ("dask", [1, None])
    assert isinstance(tree["a"][0].compute(), torch.Tensor)
    computed = interop.convert_tree({"a": x}, "torch", compute=True)
    assert isinstance(computed["a"], torch.Tensor)


# -- correct metas ---------------------------------------------------------------------------------

DTYPES = {
    "numpy": [
        "bool",
        "uint8",
        "int16",
        "int64",
        "float16",
        "float64",
        "complex128",
        "bfloat16",
        "float8_e4m3fn",
    ],
    "torch": [
        "bool",
        "uint16",
        "int8",
        "int64",
        "float16",
        "float64",
        "complex64",
        "bfloat16",
        "float8_e5m2",
    ],
    "jax": [
        "bool",
        "uint8",
        "int32",
        "float16",
        "float32",
        "complex64",
        "bfloat16",
        "float8_e4m3fn",
    ],
}


def _requires(to: str, dtype: str) -> Any:
    is_float8 = to == "torch" and dtype.startswith("float8")
    return pytest.mark.requires("torch-float8-cat") if is_float8 else ()


@pytest.mark.parametrize(
    ("to", "dtype"),
    [
        pytest.param(to, dtype, marks=_requires(to, dtype))
        for to, dtypes in DTYPES.items()
        for dtype in dtypes
    ],
)
@pytest.mark.parametrize("ndim", [0, 1, 2])
def test_convert_dask_array_gives_a_meta_that_matches_the_blocks(
    to: str, dtype: str, ndim: int
) -> None:
    import ml_dtypes

    numpys = np.dtype(getattr(ml_dtypes, dtype, dtype))
    array = np.arange(4).reshape(2, 2)[(0,) * (2 - ndim) + (...,)].astype(numpys)
    y = convert(lazy(array, chunks=1), to)
    plain = interop.to_torch(array) if to == "torch" else convert(array, to)
    for z in (y, y[...], y.persist(), pickled(y)):
        assert (z.dtype, z._meta.dtype, z._meta.ndim) == (numpys, numpys, ndim)
        for block in blocks_of(z):
            assert isinstance(z._meta, type(plain))
            assert (type(block), block.dtype, block.ndim) == (type(plain), plain.dtype, ndim)
            assert interop.device_of(z) == interop.device_of(block)
    back = to_numpy(y)
    assert back.dtype == numpys
    assert back.tobytes() == array.tobytes()


def test_convert_dask_array_with_dtype_has_the_dtype_before_computing() -> None:
    import torch

    y = convert(lazy(), "torch", dtype="bfloat16")
    assert y.dtype.name == "bfloat16"
    assert y.compute().dtype == torch.bfloat16
    assert convert(lazy(), "dask", dtype="float64").compute().dtype == np.float64
    assert np.asarray(to_numpy(lazy(), dtype="float16")).dtype == np.float16


def test_convert_dask_array_with_false_meta_gives_the_real_values() -> None:
    """The computed array is planned again, so bytes and values are those of the real array."""
    import torch

    wrong_class = of_blocks(torch.from_numpy)
    wrong_dtype = of_blocks(lambda block: block.astype("f8"))
    for x in (wrong_class, wrong_dtype):
        assert type(to_numpy(x)) is np.ndarray
        assert np.array_equal(to_numpy(x), VALUES)
        assert np.array_equal(interop.to_torch(x), VALUES)
    assert to_numpy(wrong_dtype).dtype == np.float64
    assert to_numpy(wrong_dtype, dtype="float32").dtype == np.float32


def test_meta_of_torch_blocks_can_be_copied_pickled_and_converted() -> None:
    import torch

    meta: Any = convert(lazy(), "torch", dtype="bfloat16")._meta
    copies: list[Any] = [copy.copy(meta), copy.deepcopy(meta), pickled(meta)]
    for x in (meta, *copies):
        assert issubclass(type(x), torch.Tensor)
        assert (x.dtype.name, tuple(x.shape)) == ("bfloat16", (0, 0))
        assert to_numpy(x).dtype == x.dtype
        assert interop.framework_of(x) == "torch"


# -- plans and messages ----------------------------------------------------------------------------


def test_explain_lazy_dask_conversion_shows_the_plan_of_the_blocks() -> None:
    plan = explain(lazy(), "torch", dtype="float64")
    assert str(plan) == (
        "dask -> torch, float64 (6, 8) on cpu: lazy, because it is lazy, and stays so\n"
        "  map by the source's framework: float64 on cpu\n"
        "  its blocks, when they are computed:\n"
        "numpy -> torch, float64 (6, 8) on cpu: 384 bytes copied, because the dtype changes from float32 to float64\n"
        "  share: float32 on cpu\n"
        "  copy by the target's framework: float64 on cpu, 384 bytes"
    )
    assert plan.later
    assert plan._repr_html_().endswith(plan.later._repr_html_())
    assert (plan.bytes_copied, plan.host_bytes, plan.zero_copy) == (0, 0, False)
    assert explain(lazy(), "torch").zero_copy


def test_explain_dask_array_with_compute_shows_the_compute_step() -> None:
    plan = explain(lazy(), "torch", compute=True)
    assert str(plan) == (
        "dask -> torch, float32 (6, 8) on cpu: 192 bytes copied, because it is lazy, and has to be computed\n"
        "  compute by the source's framework: float32 on cpu, 192 bytes\n"
        "  share: float32 on cpu"
    )
    assert (plan.later, plan.bytes_copied, plan.host_bytes) == (None, 192, 192)


@pytest.mark.parametrize("to", TARGETS)
def test_convert_dask_array_gives_a_graph_that_can_be_pickled(to: str) -> None:
    cloudpickle = importlib.import_module("cloudpickle")
    y = convert(lazy(), to, copy=True)
    for module in (pickle, cloudpickle):
        again = module.loads(module.dumps(y))
        assert type(again._meta) is type(y._meta)
        assert np.array_equal(to_numpy(again), VALUES)


@pytest.mark.requires("dask-expressions")
def test_convert_dask_array_with_query_planning_gives_the_values() -> None:
    said = run_child("""
        import dask
        dask.config.set({"array.query-planning": True})
        import dask.array as da, interop, torch
        x = interop.convert(da.ones((4, 4), chunks=2), "torch")
        print(type(x).__module__, interop.framework_of(x), type(x.compute()).__name__)
        print(interop.to_numpy(x).sum(), interop.to_torch(x).sum().item())
        cut = interop.convert(torch.arange(4.0), "dask", chunks=3)
        print(cut.chunks, interop.convert(torch.arange(4.0), "dask").compute(), interop.to_numpy(cut))
    """)
    assert said.splitlines() == [
        "dask.array._array_expr._collection dask Tensor",
        "16.0 16.0",
        "((3, 1),) tensor([0., 1., 2., 3.]) [0. 1. 2. 3.]",
    ]
