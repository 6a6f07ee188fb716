"""Arrays cut into Dask blocks that share the array's memory and keep its framework."""

import importlib
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import interop
from interop import explain, to_numpy
from lazily import VALUES, blocks_of, convert, on

pytestmark = pytest.mark.requires("dask", "torch", "jax")


@pytest.fixture(autouse=True)
def synchronous() -> Iterator[None]:
    with on("synchronous"):
        yield


def sources() -> dict[str, Any]:
    import torch

    return {
        "numpy": VALUES.copy(),
        "negative strides": VALUES.copy()[::-1, ::-2],
        "transposed": VALUES.copy().T,
        "0-d": np.array(3.0),
        "empty": np.zeros((0, 3)),
        "memoryview": memoryview(bytearray(b"interop")),
        "torch": torch.arange(48.0).reshape(6, 8),
        "torch strided": torch.arange(48.0).reshape(6, 8)[::2, 1:].T,
        "torch 0-d": torch.tensor(3.0),
        "torch empty": torch.zeros(0, 3),
        "torch small float": torch.arange(8.0).to(torch.bfloat16),
    }


NAMES = ["numpy", "negative strides", "transposed", "0-d", "empty", "memoryview", "torch", "torch strided", "torch 0-d",
         "torch empty", "torch small float"]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("chunks", [None, 2, -1])
def test_convert_array_to_dask_shares_memory(name: str, chunks: Any) -> None:
    import torch

    source = sources()[name]
    native = source if isinstance(source, torch.Tensor) else np.asarray(source)
    x = convert(source, "dask", chunks=chunks)
    assert explain(source, "dask", chunks=chunks).zero_copy
    assert (x.shape, x.dtype) == (tuple(native.shape), to_numpy(native).dtype)
    for _ in range(2):  # a second computation reads the current memory
        assert type(x.compute()) is type(native)
        assert to_numpy(x).tolist() == native.tolist()
        native[...] = 7


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("chunks", [2, -1])
def test_convert_array_to_dask_with_copy_true_is_independent(name: str, chunks: Any) -> None:
    source = sources()[name]
    native = source if name.startswith("torch") else np.asarray(source)
    expected = native.tolist()
    shared = convert(source, "dask", chunks=chunks)
    copied = convert(source, "dask", chunks=chunks, copy=True)
    array, tensor = to_numpy(shared, copy=True), interop.to_torch(shared, copy=True)
    native[...] = 7
    assert to_numpy(copied).tolist() == array.tolist() == tensor.tolist() == expected


@pytest.mark.parametrize("to", ["numpy", "torch"])
def test_convert_from_dask_with_compute_shares_memory_unless_copy_is_true(to: str) -> None:
    """A single torch block is returned unchanged, and the block is the original memory."""
    import torch

    memory = torch.arange(48.0)
    x = convert(memory, "dask", chunks=-1)
    assert interop.shares_memory(convert(x, to, compute=True), memory)
    assert not interop.shares_memory(convert(x, to, compute=True, copy=True), memory)


def test_convert_jax_array_to_dask_keeps_jax_blocks() -> None:
    import jax

    x = convert(interop.to_jax(VALUES), "dask", chunks=(4, 3))
    assert isinstance(x._meta, jax.Array)
    assert isinstance(x.compute(), jax.Array)
    assert np.array_equal(to_numpy(x), VALUES)


def test_convert_tensor_with_grad_to_dask_needs_detach() -> None:
    import torch

    weight = torch.ones(4, requires_grad=True)
    with pytest.raises(interop.GradientError) as caught:
        convert(weight, "dask")
    assert str(caught.value) == (
        "cannot convert torch float32 (4,) on cpu to dask: it requires grad, and dask would cut it off its graph. "
        "Pass detach=True to allow it."
    )
    x = convert(weight, "dask", detach=True, chunks=2)
    assert not x.compute().requires_grad
    with torch.no_grad():
        weight[0] = 5
    assert to_numpy(x).tolist() == [5, 1, 1, 1]


def test_convert_readonly_array_to_dask_keeps_blocks_readonly() -> None:
    frozen = VALUES.copy()
    frozen.flags.writeable = False
    x = convert(frozen, "dask", chunks=2)
    block, *_ = blocks_of(x)
    assert interop.shares_memory(block, frozen)
    assert not block.flags.writeable
    copied, *_ = blocks_of(convert(x, "torch"))
    assert not interop.shares_memory(copied, frozen)


@pytest.mark.parametrize(("dtype", "casting"), [("float64", "same_kind"), ("int16", "unsafe")])
def test_convert_array_to_dask_with_dtype_copies_at_once(dtype: str, casting: Any) -> None:
    plan = explain(VALUES, "dask", dtype=dtype, casting=casting)
    assert [step.verb for step in plan.steps] == ["copy", "share"]
    assert plan.bytes_copied == VALUES.size * np.dtype(dtype).itemsize
    x = convert(VALUES, "dask", dtype=dtype, casting=casting, chunks=2)
    assert x.dtype == dtype
    assert np.array_equal(to_numpy(x), VALUES)
    with pytest.raises(interop.CopyRequiredError):
        convert(VALUES, "dask", dtype=dtype, casting=casting, copy=False)


# -- chunks ----------------------------------------------------------------------------------------

SPELLED = {
    "a number": (3, ((3, 3), (3, 3, 2))),
    "NumPy's number": (np.int64(3), ((3, 3), (3, 3, 2))),
    "a number for each axis": ((4, 3), ((4, 2), (3, 3, 2))),
    "every size": (((1, 5), (4, 4)), ((1, 5), (4, 4))),
    "all in one": (-1, ((6,), (8,))),
    "all of one axis": ((2, None), ((2, 2, 2), (8,))),
    "a dict": ({0: 4}, ((4, 2), (8,))),
    "automatic": ("auto", ((6,), (8,))),
    "automatic along one axis": (("auto", 5), ((6,), (5, 3))),
    "bytes": ("64B", ((4, 2), (4, 4))),
}


@pytest.mark.parametrize(("chunks", "expected"), SPELLED.values(), ids=SPELLED)
def test_chunks_in_every_form_of_dask_are_accepted(chunks: Any, expected: Any) -> None:
    import torch

    for source in (VALUES, torch.from_numpy(VALUES)):
        x = convert(source, "dask", chunks=chunks)
        assert x.chunks == expected
        assert np.array_equal(to_numpy(x), VALUES)
    y = convert(convert(VALUES, "dask"), "dask", chunks=chunks)
    assert np.array_equal(to_numpy(y), VALUES)
    if chunks != "64B":  # this limit depends on the previous blocks
        assert y.chunks == expected


# Without an address in the id, all processes of a test run find the same tests.
INVALID_CHUNKS = [
    "no",
    (2,),
    (2, 2.5),
    ((2, 2), (8,)),
    0,
    {0: 0},
    -2,
    2.5,
    pytest.param(object(), id="object()"),
]


@pytest.mark.parametrize("chunks", INVALID_CHUNKS, ids=repr)
def test_chunks_with_invalid_value_are_refused(chunks: Any) -> None:
    for source in (VALUES, convert(VALUES, "dask")):
        with pytest.raises(interop.InvalidOptionError) as caught:
            convert(source, "dask", chunks=chunks)
        assert str(caught.value).startswith(
            f"chunks={chunks!r} does not fit an array of shape (6, 8): "
        )
        assert caught.value.__cause__


def test_chunks_for_another_target_than_dask_are_refused() -> None:
    x = convert(VALUES, "dask")
    for call in (lambda: convert(x, "torch", chunks=2), lambda: to_numpy(x, chunks=2)):
        with pytest.raises(
            interop.InvalidOptionError, match=r"arrays of \w+ have no chunks\. Remove it\."
        ):
            call()
    with pytest.raises(interop.InvalidOptionError, match="arrays of torch have no chunks"):
        convert(VALUES, "torch", chunks=2)


# -- dask to dask ----------------------------------------------------------------------------------


def test_convert_dask_to_dask_keeps_the_framework_of_the_blocks() -> None:
    import torch

    x = convert(torch.arange(8.0), "dask", chunks=2)
    assert convert(x, "dask") is x
    assert explain(x, "dask").steps[0].verb == "keep"
    assert convert(x, "dask", chunks=4).chunks == ((4, 4),)
    y = convert(x, "dask", dtype="float64", chunks=8)
    assert (y.dtype, y.chunks, y.compute().dtype) == (np.dtype("f8"), ((8,),), torch.float64)
    copied = convert(x, "dask", copy=True, chunks=-1).compute()
    assert isinstance(copied, torch.Tensor)
    assert not interop.shares_memory(copied, x.compute())


# -- objects that are read -------------------------------------------------------------------------


def test_convert_lazy_source_to_dask_reads_block_by_block() -> None:
    from foreign import Lazy

    source = Lazy(VALUES)
    plan = explain(source, "dask", chunks=3)
    assert (plan.title, plan.cost) == ("foreign.Lazy -> dask, float32 (6, 8) on cpu", "lazy")
    assert (plan.reason, plan.bytes_copied) == ("it is read block by block", 0)
    x = convert(source, "dask", chunks=3)
    y = convert(x, "torch")
    assert not source.read
    assert np.array_equal(y.compute(), VALUES)
    assert len(source.read) == 6


@pytest.mark.requires("h5py", "zarr")
@pytest.mark.parametrize("library", ["h5py", "zarr"])
def test_convert_h5py_or_zarr_array_to_dask_reads_when_computed(
    library: str, tmp_path: Path
) -> None:
    if library == "h5py":
        h5py = importlib.import_module("h5py")
        file = h5py.File(io.BytesIO(), "w")
        dataset = file.create_dataset("values", data=VALUES, chunks=(2, 4))
    else:
        import zarr

        dataset = zarr.create_array(
            str(tmp_path / "values"), shape=VALUES.shape, chunks=(2, 4), dtype="f4"
        )
        dataset[...] = VALUES
    x = convert(dataset, "dask", chunks=(4, 4))
    dataset[0, 0] = 7  # the array is read later
    assert x.chunks == ((4, 2), (4, 4))
    assert to_numpy(x)[0].tolist() == [7, *range(1, 8)]
    if library == "h5py":
        file.close()


@pytest.mark.parametrize("array", [np.array(["a"]), np.array([None]), np.array(["2026"], "M8[Y]")])
def test_convert_non_numbers_to_dask_is_refused(array: Any) -> None:
    with pytest.raises(
        interop.UnsupportedArrayError, match=r"to dask: NumPy's .* is not a dtype of plain numbers"
    ):
        convert(array, "dask")


def test_convert_list_or_sparse_tensor_to_dask_is_refused() -> None:
    import torch

    with pytest.raises(interop.NotAnArrayError, match="a list is not an array"):
        convert([1, 2], "dask")
    with pytest.raises(interop.UnsupportedArrayError, match="to_dense"):
        convert(torch.eye(2).to_sparse(), "dask")


@pytest.mark.requires("torch")
def test_convert_meta_tensor_to_dask_does_not_blame_the_device() -> None:
    import torch

    with pytest.raises(
        interop.UnsupportedArrayError, match="cannot convert torch float32"
    ) as caught:
        convert(torch.ones(2, device="meta"), "dask")
    assert "blocks of it need" not in str(caught.value)


FLOAT8 = pytest.param("float8_e5m2", marks=pytest.mark.requires("torch-float8-cat"))


@pytest.mark.parametrize("dtype", ["float32", "uint16", "complex64", "bfloat16", FLOAT8])
def test_convert_tensor_to_dask_gives_blocks_that_can_be_pickled(dtype: str) -> None:
    import torch

    cloudpickle: Any = importlib.import_module("cloudpickle")
    tensor = torch.arange(6).reshape(2, 3).to(getattr(torch, dtype))
    x = convert(tensor, "dask", chunks=2)
    assert interop.shares_memory(x.blocks[0, 0].compute(), tensor)  # in this process
    y = cloudpickle.loads(cloudpickle.dumps(x)).compute()
    assert (type(y), y.dtype) == (torch.Tensor, tensor.dtype)
    assert y.tolist() == tensor.tolist()
