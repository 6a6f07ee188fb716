"""Dask arrays with blocks on a GPU: counted uploads, zero-copy handoffs, and no leaks.

Joining blocks needs kernels, which the simulated GPU lacks. So these tests take the blocks one by
one, or use a single block.
"""

import gc
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import interop
from interop import explain, options, to_numpy, watch
from lazily import VALUES, blocks_of, convert, dask_array, lazy, on
from simulated_devices import GPU0, GPU1

pytestmark = pytest.mark.requires("torch", "cupy", "simcuda", "dask")
BYTES = VALUES.nbytes
GPU = ["cupy", "torch"]


@pytest.fixture(autouse=True)
def clean() -> Iterator[None]:
    """Check that the device has no errors, no races, and no memory except the pools."""
    import simcuda
    from handoffs import runs

    runs.clean()
    before = simcuda.live().device_bytes  # includes pools filled by tests in other files
    yield
    assert not simcuda.races()
    assert not simcuda.errors()
    gc.collect()
    runs.clean()
    assert simcuda.live().device_bytes == before
    assert simcuda.live().pending == 0


@pytest.fixture(params=["synchronous", "threads"])
def scheduler(request: pytest.FixtureRequest) -> Iterator[None]:
    with on(request.param):
        yield


def on_gpu(x: Any, to: str) -> Any:
    return convert(x, to, device="cuda")


def check(x: Any) -> None:
    """Check that every block has the class and the device of the meta, and the right values."""
    from dask.array.core import slices_from_chunks

    for block, index in zip(blocks_of(x), slices_from_chunks(x.chunks), strict=True):
        assert isinstance(x._meta, type(block))
        assert interop.device_of(block) == interop.device_of(x) == GPU0
        assert np.array_equal(to_numpy(block), VALUES[index])


# -- lazily ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("to", GPU)
@pytest.mark.usefixtures("scheduler")
def test_convert_dask_array_to_gpu_uploads_when_computed(to: str) -> None:
    import simcuda

    with simcuda.counting() as counts:
        x = on_gpu(lazy(), to)
        assert (x.dtype, x._meta.dtype, x._meta.nbytes) == (np.float32, np.float32, 0)
        assert counts.memcpys == 0
    check(x)


@pytest.mark.parametrize("dtype", ["bool", "int64", "float16", "bfloat16", "float8_e5m2"])
@pytest.mark.parametrize("ndim", [0, 1, 2])
def test_convert_dask_array_to_gpu_gives_a_meta_that_matches_the_blocks(
    dtype: str, ndim: int
) -> None:
    import torch

    tensor = torch.ones((2,) * ndim).to(getattr(torch, dtype))
    x = on_gpu(convert(tensor, "dask", chunks=1), "torch")
    assert (x.dtype.name, x._meta.dtype.name, x._meta.ndim, str(x._meta.device)) == (
        dtype,
        dtype,
        ndim,
        "cuda:0",
    )
    for block in blocks_of(x):
        assert (block.dtype, block.device) == (tensor.dtype, torch.device("cuda:0"))


@pytest.mark.parametrize(("source", "to"), [("cupy", "torch"), ("torch", "cupy")])
@pytest.mark.usefixtures("scheduler")
def test_convert_dask_array_between_gpu_frameworks_shares_memory(source: str, to: str) -> None:
    x = on_gpu(lazy(), source).persist()
    y = convert(x, to)
    check(y)
    assert explain(x, to).host_bytes == explain(x, to).bytes_copied == 0
    assert explain(x, to).zero_copy
    with options(host_copy="error"):
        y = convert(x, to)
    before = blocks_of(x)
    for here, there in zip(before, blocks_of(y), strict=True):
        assert interop.shares_memory(here, there)


@pytest.mark.parametrize("schedule", ["lazy", "greedy", "adversary"])
@pytest.mark.usefixtures("scheduler")
def test_convert_dask_array_through_gpu_has_no_race_under_any_schedule(schedule: str) -> None:
    """The route is an upload, a handoff and a download."""
    import simcuda

    simcuda.schedule(schedule)
    x = convert(convert(on_gpu(lazy(), "cupy"), "torch"), "numpy")
    assert np.array_equal(x.compute(), VALUES)
    assert np.array_equal(to_numpy(x), VALUES)


@pytest.mark.parametrize("to", GPU)
def test_convert_gpu_array_to_dask_stays_on_the_gpu(to: str) -> None:
    source = convert(VALUES, to, device="cuda")
    with options(host_copy="error"):
        x = convert(
            source, "dask", chunks=(4, 8)
        )  # whole rows, which can be downloaded without a kernel
        assert explain(source, "dask").zero_copy
        blocks = blocks_of(x)
    assert all(interop.shares_memory(block, source) for block in blocks)
    check(x)
    convert(source, "dask", copy=True, chunks=2)
    assert explain(source, "dask", copy=True).host_bytes == 0


# -- computed --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "source", [pytest.param("cupy", marks=pytest.mark.requires("kernels")), "torch"]
)
@pytest.mark.parametrize("to", ["numpy", *GPU])
def test_convert_gpu_dask_array_with_compute_gives_the_values(source: str, to: str) -> None:
    """Dask copies CuPy blocks even if the array has a single block."""
    x = on_gpu(lazy(chunks=-1), source)
    with watch() as seen:
        result = convert(x, to, compute=True)
    assert interop.framework_of(result) == to
    assert interop.device_of(result) == ((1, 0) if to == "numpy" else GPU0)
    assert np.array_equal(to_numpy(result), VALUES)
    upload, *_, whole = seen.records
    assert (upload.source, upload.target, upload.host_bytes) == ("numpy", source, BYTES)
    assert (whole.source, whole.target, whole.host_bytes) == (
        "dask",
        to,
        BYTES * (1 + (to == "numpy")),
    )


@pytest.mark.parametrize("source", GPU)
def test_convert_gpu_dask_array_to_numpy_counts_each_byte_once(source: str) -> None:
    x = convert(on_gpu(lazy(), source), "numpy")
    assert np.array_equal(to_numpy(x), VALUES)
    assert explain(on_gpu(lazy(), source), "numpy").host_bytes == BYTES


# -- the policy ------------------------------------------------------------------------------------


@pytest.mark.parametrize("to", GPU)
def test_policy_refuses_dask_uploads_at_convert_time(to: str) -> None:
    x = lazy()
    assert explain(x, to, device="cuda").host_bytes == BYTES
    policies: list[Any] = [{"host_copy": "error"}, {"max_host_bytes": BYTES - 1}]
    for policy in policies:
        with options(**policy), pytest.raises(interop.HostCopyError, match="192 bytes travel"):
            on_gpu(x, to)
    with options(max_host_bytes=BYTES):
        y = on_gpu(x, to)
    check(y)


@pytest.mark.parametrize("to", GPU)
def test_policy_warns_once_about_dask_uploads_at_convert_time(to: str) -> None:
    x = lazy()
    with options(host_copy="warn"), warnings.catch_warnings(record=True, action="always") as caught:
        y = on_gpu(x, to)
        (warning,) = caught
        blocks_of(y)
    assert caught == [warning]
    assert (warning.category, warning.filename) == (interop.HostCopyWarning, __file__)
    assert str(warning.message).startswith(
        "192 bytes travel between the host and a device:\ndask -> "
    )


def test_policy_refuses_dask_downloads_at_convert_time() -> None:
    x = on_gpu(lazy(), "cupy")
    with options(host_copy="error"), pytest.raises(interop.HostCopyError):
        convert(x, "numpy")
    with options(host_copy="error"), pytest.raises(interop.HostCopyError, match="384 bytes travel"):
        to_numpy(x)


def test_convert_dask_array_to_missing_device_is_refused_before_computing() -> None:
    with pytest.raises(interop.DeviceUnavailableError):
        convert(lazy(), "cupy", device="cuda:7")
    (block, *_) = blocks_of(convert(lazy(), "torch", device="cuda:1"))
    assert interop.device_of(block) == GPU1


@pytest.mark.parametrize("to", GPU)
def test_convert_masked_dask_array_to_gpu_is_refused_with_the_reason(to: str) -> None:
    masked = dask_array().ma.masked_array(lazy(), mask=VALUES > 40)
    with pytest.raises(interop.UnsupportedArrayError, match="some elements are masked"):
        blocks_of(on_gpu(masked, to))


def test_policy_warns_once_about_an_upload_before_chunking() -> None:
    import torch

    with interop.options(host_copy="warn"), warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        x: Any = interop.convert(torch.ones(4), "dask", device="cuda", chunks=2)
    assert [one.category for one in said] == [interop.HostCopyWarning]
    assert "16 bytes travel" in str(said[0].message)
    assert interop.device_of(x) == GPU0
