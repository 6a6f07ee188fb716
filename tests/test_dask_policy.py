"""The policy and Dask: computing counts, mapping does not, and a map keeps the caller's policy."""

import sys
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import interop
from interop import explain, options, to_numpy, watch
from lazily import VALUES, convert, counted, of_blocks, on

pytestmark = pytest.mark.requires("dask", "torch")
BYTES = VALUES.nbytes
COMPUTE: dict[str, Callable[[Any], Any]] = {
    "to_numpy": interop.to_numpy,
    "to_torch": interop.to_torch,
    "convert": lambda x: convert(x, "torch", compute=True),
    "convert to a class": lambda x: convert(x, np.ndarray, compute=True),
    "convert_tree": lambda x: interop.convert_tree([x], "torch", compute=True),
    "convert_like": lambda x: interop.convert_like(x, VALUES, compute=True),
    "from torch": lambda x: to_numpy(convert(x, "torch")),
    "cast": lambda x: to_numpy(x, dtype="float64"),
}
every_way = pytest.mark.parametrize("compute", COMPUTE.values(), ids=COMPUTE)


@pytest.fixture(autouse=True)
def synchronous() -> Iterator[None]:
    with on("synchronous"):
        yield


def line() -> int:
    return sys._getframe(1).f_lineno


# -- refusals --------------------------------------------------------------------------------------


@every_way
@pytest.mark.parametrize("policy", [{"host_copy": "error"}, {"max_host_bytes": BYTES - 1}])
def test_policy_refuses_before_computing(compute: Any, policy: Any) -> None:
    x, seen = counted()
    with (
        options(**policy),
        pytest.raises(interop.HostCopyError, match="192 bytes travel to this process from where"),
    ):
        compute(x)
    assert not seen
    with options(max_host_bytes=BYTES):
        compute(x)
    assert len(seen) == 6


def test_policy_refusal_shows_the_plan() -> None:
    x, _ = counted()
    with options(host_copy="error"), pytest.raises(interop.HostCopyError) as caught:
        interop.to_torch(x)
    assert str(caught.value) == (
        "cannot convert from dask on cpu to torch on cpu: 192 bytes travel to this process from where they are "
        'computed, or to a device, and host_copy="error" forbids that. Leave the array where it is, or allow the copy: '
        'with interop.options(host_copy="allow"). The plan was:\n'
        "dask -> torch, float32 (6, 8) on cpu: 192 bytes copied, because it is lazy, and has to be computed\n"
        "  compute by the source's framework: float32 on cpu, 192 bytes\n"
        "  share: float32 on cpu"
    )


def test_policy_ignores_conversions_that_stay_lazy() -> None:
    x, seen = counted()
    with options(host_copy="error", max_host_bytes=0):
        y = convert(x, "torch", dtype="float64")
        assert convert(y, "dask", chunks=2).numblocks == (3, 4)
        cut = convert(VALUES, "dask", chunks=2, copy=True)
        for plan in (
            explain(x, "torch"),
            explain(y, "numpy"),
            explain(VALUES, "dask"),
            explain(x, "dask", chunks=2),
        ):
            assert plan.host_bytes == 0
        with pytest.raises(interop.HostCopyError):
            explain(x, "torch", compute=True)
    assert not seen
    assert np.array_equal(to_numpy(y), to_numpy(cut))
    assert explain(x, "torch", compute=True, dtype="float64").host_bytes == BYTES


def test_policy_refuses_unknown_size_with_a_hint() -> None:
    x, seen = counted()
    some = x[x > 40]
    policies: list[Any] = [{"host_copy": "error"}, {"max_host_bytes": 10**9}]
    for policy in policies:
        with options(**policy), pytest.raises(interop.HostCopyError) as caught:
            to_numpy(some)
        assert str(caught.value) == (
            "cannot convert dask float32 (nan,) on cpu to numpy: its shape (nan,) is not known, and the policy asks "
            "for its size. Call its compute_chunk_sizes() first."
        )
    assert not seen
    some.compute_chunk_sizes()
    with options(max_host_bytes=28):
        assert to_numpy(some).shape == (7,)


# -- warnings --------------------------------------------------------------------------------------


@every_way
def test_policy_warns_once_in_the_file_of_the_caller(compute: Any) -> None:
    x, seen = counted()
    with options(host_copy="warn"), warnings.catch_warnings(record=True, action="always") as caught:
        explain(x, "torch", compute=True)
        convert(x, "torch")
        assert not caught
        compute(x)
    (warning,) = caught
    assert (warning.category, warning.filename) == (interop.HostCopyWarning, __file__)
    assert str(warning.message).startswith(
        "192 bytes travel to this process from where they are computed, or to a "
    )
    assert len(seen) == 6


def test_policy_warning_raised_as_error_computes_nothing() -> None:
    x, seen = counted()
    with options(host_copy="warn"), pytest.raises(interop.HostCopyWarning):
        to_numpy(x)
    assert not seen


def test_policy_warns_about_unknown_size() -> None:
    x, _ = counted()
    with options(host_copy="warn"), warnings.catch_warnings(record=True, action="always") as caught:
        to_numpy(x[x > 40])
    assert [warning.category for warning in caught] == [interop.HostCopyWarning]


# -- options at a later time -----------------------------------------------------------------------


def readonly_blocks() -> Any:
    frozen = VALUES.copy()
    frozen.flags.writeable = False
    return of_blocks(lambda block: frozen[: len(block), : block.shape[1]])


def test_options_at_convert_time_apply_when_blocks_are_computed() -> None:
    """Other options during the computation, or on its thread, have no influence."""
    x = readonly_blocks()
    with options(readonly="error"):
        strict = convert(x, "torch")
    free = convert(x, "torch")
    with options(readonly="error"):
        free.compute(scheduler="threads")
    for scheduler in ("synchronous", "threads"):
        with pytest.raises(interop.CopyRequiredError, match="read-only"):
            strict.compute(scheduler=scheduler)
    with pytest.raises(interop.CopyRequiredError, match="read-only"), options(readonly="share"):
        strict.compute()


def test_options_detach_at_convert_time_applies_when_blocks_are_computed() -> None:
    x, _ = counted()
    with options(detach=True):
        y = convert(
            convert(x, "torch").map_blocks(
                lambda block: block.clone().requires_grad_(), dtype="f4"
            ),
            "numpy",
        )
    assert np.array_equal(to_numpy(y), VALUES)


def test_policy_counts_computed_blocks_once() -> None:
    """The policy is applied to all blocks together."""
    x, _ = counted()
    y = convert(x, "torch")
    with options(max_host_bytes=BYTES), watch() as seen:
        assert np.array_equal(to_numpy(y), VALUES)
    assert sum(record.host_bytes for record in seen.records) == BYTES


# -- watch -----------------------------------------------------------------------------------------


def test_watch_records_a_lazy_conversion_without_bytes() -> None:
    x, _ = counted()
    with watch() as seen:
        convert(x, "torch", dtype="float64")
        here = line() - 1
    (record,) = seen.records
    assert (record.source, record.target, record.bytes_copied, record.host_bytes) == (
        "dask",
        "torch",
        0,
        0,
    )
    assert record.plan == explain(x, "torch", dtype="float64")
    assert f":{here} " in f"{record.where} "


def test_watch_records_each_computation_once_with_bytes() -> None:
    x, _ = counted()
    with watch() as seen:
        to_numpy(x)
        interop.to_torch(x, dtype="float64")
    assert [(r.target, r.bytes_copied, r.host_bytes) for r in seen.records] == [
        ("numpy", BYTES, BYTES),
        ("torch", 3 * BYTES, BYTES),
    ]
    assert [record.route for record in seen.records] == [
        "dask on cpu -> numpy on cpu",
        "dask on cpu -> torch on cpu",
    ]
    summary = seen.summary()
    assert (sum(s.calls for s in summary), sum(s.host_bytes for s in summary)) == (2, 2 * BYTES)
    assert f"2 conversions, 0 without a copy; {4 * BYTES} bytes copied, {2 * BYTES} of them" in str(
        summary
    )


def test_watch_records_the_computed_shape_and_dtype() -> None:
    """Where the size was not known, or where the meta has lied."""
    x, _ = counted()
    with watch() as seen:
        to_numpy(x[x > 40])
        to_numpy(x.map_blocks(lambda block: block.astype("f8"), meta=np.empty((0, 0), "f4")))
    assert [(r.plan.shape, r.plan.dtype, r.host_bytes) for r in seen.records] == [
        ((7,), "float32", 28),
        ((6, 8), "float64", 2 * BYTES),
    ]


def test_watch_records_each_block_when_computed() -> None:
    x, _ = counted()
    y = convert(x, "torch", dtype="float64")
    with watch() as seen:
        y.compute()
        assert len(seen.records) == 6
        assert {(r.source, r.target, r.host_bytes) for r in seen.records} == {("numpy", "torch", 0)}
        assert sum(r.bytes_copied for r in seen.records) == 2 * BYTES
        seen.records.clear()
        to_numpy(y)
    assert [(r.source, r.target) for r in seen.records] == [("numpy", "torch")] * 6 + [
        ("dask", "numpy")
    ]


def test_watch_records_a_conversion_to_dask() -> None:
    with watch() as seen:
        convert(VALUES, "dask", chunks=2)
        convert(VALUES, "dask", chunks=2, copy=True)
    ends = [
        (r.source, r.target, r.bytes_copied, r.host_bytes)
        for r in seen.records
        if r.target == "dask"
    ]
    assert ends == [("numpy", "dask", 0, 0), ("numpy", "dask", BYTES, 0)]
    assert sum(r.bytes_copied for r in seen.records) == BYTES


# -- cached plans ----------------------------------------------------------------------------------


def test_plan_cache_with_changing_keywords_gives_the_right_results() -> None:
    import dask.array as da
    import torch

    x, _ = counted()
    for _ in range(4):
        assert convert(x, "dask", chunks=2).numblocks == (3, 4)
        assert convert(x, "dask", chunks=-1).numblocks == (1, 1)
        assert convert(VALUES, "dask", chunks=2).numblocks == (3, 4)
        assert convert(VALUES, "dask", chunks=(6, 1)).numblocks == (1, 8)
        assert isinstance(convert(x, "torch"), da.Array)
        assert isinstance(convert(x, "torch", compute=True), torch.Tensor)
        assert isinstance(convert(x, "torch", compute=False), da.Array)
        assert type(to_numpy(x)) is np.ndarray
        assert convert(x, "numpy").dtype == np.float32
        assert convert(x, "numpy", dtype="float64").dtype == np.float64
        with watch() as seen:
            assert isinstance(convert(x, "torch"), da.Array)
            assert isinstance(interop.to_torch(x), torch.Tensor)
        assert [record.host_bytes for record in seen.records if record.source == "dask"] == [
            0,
            BYTES,
        ]
        with options(host_copy="error"), pytest.raises(interop.HostCopyError):
            to_numpy(x)
