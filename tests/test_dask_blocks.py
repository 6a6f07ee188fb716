"""The policy applies to every block, and unusual blocks are handled."""

import math
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import interop
from interop import explain, to_numpy
from lazily import VALUES, blocks_of, convert, counted, dask_array, lazy, of_blocks, on

pytestmark = pytest.mark.requires("dask", "torch", "jax")
TARGETS = ["numpy", "torch", "jax"]


@pytest.fixture(autouse=True)
def synchronous() -> Iterator[None]:
    with on("synchronous"):
        yield


# -- keywords --------------------------------------------------------------------------------------


def test_convert_dask_array_with_invalid_keyword_raises_before_computing() -> None:
    x, seen = counted()
    with pytest.raises(interop.UnsupportedArrayError) as caught:
        convert(x, "torch", dtype="int8")
    assert str(caught.value) == (
        "cannot convert numpy float32 (6, 8) on cpu to torch: int8 would cut off the fractions of float32. "
        'Pass casting="unsafe" to accept that.'
    )
    with pytest.raises(interop.DeviceUnavailableError, match="device"):
        convert(x, "torch", device="xpu")
    with pytest.raises(interop.InvalidOptionError, match="host"):
        convert(x, "numpy", device="cuda")
    with pytest.raises(interop.UnsupportedArrayError, match="JAX converts float64 to float32"):
        convert(x, "jax", dtype="float64")
    with pytest.raises(
        interop.InvalidOptionError, match="stream= does not apply to an array that stays lazy"
    ):
        convert(x, "torch", stream=0)
    assert not seen


@pytest.mark.parametrize("to", ["numpy", "torch"])
def test_convert_dask_array_applies_copy_to_every_block(to: str) -> None:
    source, seen = counted()
    for wanted, shared in ((None, True), (False, True), (True, False)):
        seen.clear()
        results = blocks_of(convert(source, to, copy=wanted))
        assert len(results) == len(seen) == 6
        assert [any(interop.shares_memory(x, block) for block in seen) for x in results] == [
            shared
        ] * 6


def test_convert_dask_array_copy_false_is_refused_before_computing() -> None:
    x, seen = counted()
    for keywords in ({"dtype": "float64"}, {"compute": True}):
        with pytest.raises(interop.CopyRequiredError, match="Leave copy=False out to allow it"):
            convert(x, "torch", copy=False, **keywords)
    with pytest.raises(interop.CopyRequiredError, match="it is lazy, and has to be computed"):
        to_numpy(x, copy=False)
    assert not seen


def test_convert_dask_array_copy_false_raises_if_a_block_needs_a_copy() -> None:
    """The meta does not show the negative strides of the blocks."""
    x = of_blocks(lambda block: block[::-1])
    assert np.array_equal(convert(x, "torch").compute()[:4], VALUES[3::-1])
    with pytest.raises(interop.CopyRequiredError, match="torch has no negative strides"):
        convert(x, "torch", copy=False).compute()


def test_convert_dask_array_applies_readonly_to_every_block() -> None:
    frozen = np.ones((6, 8), "f4")
    frozen.flags.writeable = False
    x = of_blocks(lambda block: frozen[: len(block), : block.shape[1]])
    assert not any(interop.shares_memory(block, frozen) for block in blocks_of(convert(x, "torch")))
    shared = blocks_of(convert(x, "torch", readonly="share"))
    assert all(interop.shares_memory(block, frozen) for block in shared)
    with pytest.raises(interop.CopyRequiredError):
        convert(x, "torch", readonly="error").compute()


def test_convert_dask_array_of_blocks_with_grad_needs_detach() -> None:
    import torch

    x = convert(lazy(), "torch").map_blocks(
        lambda block: block.clone().requires_grad_(), dtype="f4"
    )
    with pytest.raises(interop.GradientError):
        convert(x, "numpy").compute()
    with pytest.raises(interop.GradientError):
        to_numpy(x)
    assert np.array_equal(to_numpy(x, detach=True), VALUES)
    assert np.array_equal(convert(x, "numpy", detach=True).compute(), VALUES)
    computed = interop.to_torch(x)
    assert isinstance(computed, torch.Tensor)
    assert computed.requires_grad


# -- odd arrays ------------------------------------------------------------------------------------


@pytest.mark.parametrize("to", TARGETS)
def test_convert_dask_array_of_unknown_size_gives_the_values(to: str) -> None:
    x = lazy()
    y = convert(x[x > 40], to)
    assert math.isnan(y.shape[0])
    assert "(nan,)" in str(explain(x[x > 40], to))
    assert to_numpy(y).tolist() == [41, 42, 43, 44, 45, 46, 47]
    y.compute_chunk_sizes()
    assert y.shape == (7,)


@pytest.mark.parametrize("to", TARGETS)
def test_convert_dask_array_without_axes_or_elements_keeps_the_shape(to: str) -> None:
    total = convert(lazy().sum(), to)
    assert (total.shape, float(to_numpy(total))) == ((), VALUES.sum())
    assert isinstance(to_numpy(total), np.ndarray)
    empty = convert(lazy(VALUES[:0], chunks=(2, 3)), to)
    assert to_numpy(empty).shape == (0, 8)


@pytest.mark.parametrize("to", ["torch", "jax"])
def test_convert_dask_array_with_masked_elements_is_refused(to: str) -> None:
    da = dask_array()
    some = da.ma.masked_array(lazy(), mask=VALUES > 40)
    none = da.ma.masked_array(lazy(), mask=VALUES > 400)
    assert np.array_equal(to_numpy(convert(none, to)), VALUES)
    with pytest.raises(interop.UnsupportedArrayError, match="some elements are masked"):
        convert(some, to).compute()
    with pytest.raises(interop.UnsupportedArrayError, match="some elements are masked"):
        convert(some, to, compute=True)


def test_convert_dask_array_with_unknown_block_class_is_refused() -> None:
    class Block(SimpleNamespace):
        def __array_function__(self, *_: Any) -> Any:
            return NotImplemented

        def __getitem__(self, _: Any) -> Any:
            return self

    unknown = Block(shape=(0, 0), ndim=2, dtype=np.dtype("f4"))
    x = dask_array().Array({("odd", 0, 0): unknown}, "odd", ((6,), (8,)), meta=unknown)
    for call in (lambda: convert(x, "torch"), lambda: to_numpy(x)):
        with pytest.raises(
            interop.UnsupportedArrayError, match=r"its blocks are of the class .*Block, which no"
        ):
            call()


@pytest.mark.parametrize("array", [np.array(["a"]), np.array([None]), np.array(["2026"], "M8[Y]")])
def test_convert_dask_array_of_non_numbers_is_refused(array: Any) -> None:
    with pytest.raises(interop.UnsupportedArrayError, match="is not a dtype of plain numbers"):
        convert(lazy(array, chunks=1), "torch")
