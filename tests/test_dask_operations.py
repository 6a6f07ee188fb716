"""Dask operations on torch blocks that keep the blocks in torch, compared with NumPy blocks."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import interop
import lazily
from interop import to_numpy
from lazily import VALUES, blocks_of, convert, on

pytestmark = pytest.mark.requires("dask", "torch", "jax")


@pytest.fixture(autouse=True, params=["synchronous", "threads"])
def scheduler(request: pytest.FixtureRequest) -> Iterator[None]:
    with on(request.param):
        yield


def lazy(to: str, array: Any = VALUES) -> Any:
    return convert(lazily.lazy(array), to)


def check(x: Any, expected: Any) -> None:
    """Check that all blocks stay in their framework, and that values and dtypes equal NumPy's."""
    blocks = blocks_of(x)
    assert {interop.framework_of(block) for block in blocks} in ({"torch"}, {"jax"})
    assert interop.framework_of(x.compute()) == interop.framework_of(blocks[0])
    assert x.dtype == expected.dtype
    np.testing.assert_allclose(to_numpy(x), expected, rtol=1e-6, strict=True)


OPERATIONS: dict[str, Callable[[Any], Any]] = {
    "slices": lambda x: x[1:5, ::2],
    "one row": lambda x: x[2],
    "one element": lambda x: x[2, 3],
    "a new axis": lambda x: x[None],
    "arithmetic": lambda x: 2 * x + x / 3 - x**2,
    "comparison": lambda x: x > 3,
    "sign": lambda x: abs(-x),
    "reshape": lambda x: x.reshape(48),
    "ravel": lambda x: x.ravel(),
    "swapaxes": lambda x: x.swapaxes(0, 1),
    "persist": lambda x: x.persist(),
    "map_blocks": lambda x: x.map_blocks(lambda block: block * 2),
}
ONLY_DASK: dict[str, Callable[[Any], Any]] = {
    "rechunk": lambda x: x.rechunk((2, 8)),
    "rechunk to one": lambda x: x.rechunk(-1),
    "blocks": lambda x: x.blocks[:, :],
}


@pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS)
def test_dask_operations_on_torch_blocks_keep_torch_blocks(operation: Any) -> None:
    x = (
        VALUES
        if operation not in (OPERATIONS["persist"], OPERATIONS["map_blocks"])
        else lazy("numpy")
    )
    check(operation(lazy("torch")), np.asarray(operation(x)))


@pytest.mark.parametrize("to", ["torch", "jax"])
@pytest.mark.parametrize("operation", ONLY_DASK.values(), ids=ONLY_DASK)
def test_rechunk_of_torch_or_jax_blocks_keeps_framework_and_values(operation: Any, to: str) -> None:
    check(operation(lazy(to)), VALUES)


@pytest.mark.parametrize("to", ["torch", "jax"])
@pytest.mark.parametrize("axis", [0, 1])
def test_concatenate_and_stack_of_torch_or_jax_blocks_match_numpy(axis: int, to: str) -> None:
    import dask.array as da

    x = lazy(to)
    check(da.concatenate([x, 2 * x], axis=axis), np.concatenate([VALUES, 2 * VALUES], axis))
    check(da.stack([x, 2 * x], axis=axis), np.stack([VALUES, 2 * VALUES], axis))


@pytest.mark.parametrize("to", ["torch", "jax"])
@pytest.mark.parametrize("index", [[0, 5, 2], [3, 3, 0], list(range(5, -1, -1))], ids=str)
@pytest.mark.parametrize("axis", [0, 1])
def test_indexing_by_integers_of_torch_or_jax_blocks_matches_numpy(
    index: list[int], axis: int, to: str
) -> None:
    """Dask converts the indices to uint8, which torch would interpret as a mask."""
    key = (slice(None),) * axis + (index,)
    check(lazy(to)[key], VALUES[key])


@pytest.mark.parametrize("to", ["torch", "jax"])
def test_indexing_by_integers_above_255_matches_numpy(to: str) -> None:
    """Dask uses 2-byte integers for indices above 255."""
    array = np.arange(1200, dtype="f4").reshape(600, 2)
    index = [599, 300, 299, 0]
    check(convert(convert(array, "dask", chunks=(300, 2)), to)[index], array[index])


# NumPy runs these operations and returns torch tensors, by the deprecated __array_wrap__.
BY_NUMPY: dict[str, Callable[[Any], Any]] = {
    "transpose": lambda x: x.T,
    "a function of NumPy": lambda x: np.exp(x / 48),
    "rounding": lambda x: np.floor(x / 3),
    "matmul": lambda x: x @ x.T,
    "an array of NumPy's": lambda x: x + VALUES,
}


@pytest.mark.filterwarnings("ignore:__array_wrap__:DeprecationWarning")
@pytest.mark.parametrize("operation", BY_NUMPY.values(), ids=BY_NUMPY)
def test_numpy_operations_on_torch_blocks_keep_torch_blocks(operation: Any) -> None:
    check(operation(lazy("torch")), operation(VALUES))


@pytest.mark.parametrize("of", ["sum", "mean", "max", "std"])
@pytest.mark.parametrize("to", ["torch", "jax"])
def test_reductions_after_convert_to_numpy_match_numpy(of: str, to: str) -> None:
    """Dask cannot reduce torch blocks. After a zero-copy conversion to NumPy, Dask can."""
    back = convert(lazy(to), "numpy")
    for axis in (None, 0):
        result: Any = getattr(back, of)(axis=axis).compute()
        assert issubclass(type(result), (np.ndarray, np.generic))
        np.testing.assert_allclose(result, getattr(VALUES, of)(axis=axis), rtol=1e-5)
    assert np.array_equal(back[back > 40].compute(), VALUES[VALUES > 40])


def test_rechunk_of_bfloat16_blocks_keeps_dtype_and_values() -> None:
    import torch

    x = lazy("torch", np.arange(48.0).reshape(6, 8))
    y = convert(x, "torch", dtype="bfloat16")
    computed = y.rechunk((6, 2)).compute()
    assert computed.dtype == torch.bfloat16
    assert to_numpy(y[1:, ::3]).dtype.name == "bfloat16"
    assert np.array_equal(computed.float(), np.arange(48).reshape(6, 8))


def test_sizeof_of_torch_or_jax_array_equals_nbytes() -> None:
    from dask.sizeof import sizeof

    for to in ("torch", "jax"):
        lazy(to)
        assert sizeof(convert(VALUES, to)) == VALUES.nbytes
