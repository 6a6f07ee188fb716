"""The check on a sample that a per-block function computes each part independently of the rest."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import interop
from interop import implemented_in

pytestmark = pytest.mark.requires("dask")
VALUES = np.arange(-6, 6, dtype="float32").reshape(3, 4)


def lazy(array: NDArray[Any] = VALUES, *, chunks: Any = 2) -> Any:
    import dask.array as da

    return da.from_array(array, chunks=chunks)


def softmax(x: Any, axis: int = 1) -> Any:
    numbers = np.exp(x - x.max(axis=axis, keepdims=True)) if x.size else x
    return numbers / numbers.sum(axis=axis, keepdims=True)


def smooth(x: Any) -> Any:
    """Average neighbours along axis 1."""
    padded = np.concatenate([x[:, :1], x, x[:, -1:]], axis=1)
    return (padded[:, :-2] + padded[:, 1:-1] + padded[:, 2:]) / 3


DEPENDENT: dict[str, Any] = {
    "softmax": softmax,
    "cumulative sum": lambda x: np.cumsum(x, axis=1),
    "cumulative sum from the end": lambda x: np.cumsum(x[:, ::-1], axis=1)[:, ::-1],
    "reversal": lambda x: x[:, ::-1],
    "sort": lambda x: np.sort(x, axis=1),
    "rank": lambda x: np.argsort(x, axis=1),
    "filter": smooth,
    "sort in descending order": lambda x: -np.sort(-x, axis=1),
    "cumulative maximum": lambda x: np.maximum.accumulate(x, axis=1),
    "cumulative minimum": lambda x: np.minimum.accumulate(x, axis=1),
    "median": lambda x: x - (np.median(x, axis=1, keepdims=True) if x.size else 0),
    "difference": lambda x: np.diff(x, axis=1, prepend=0),
    "pairs": lambda x: x + np.roll(x, 1, axis=1),
    "centring": lambda x: x - x.mean(axis=1, keepdims=True),
    "position": lambda x: x * np.arange(x.shape[1]),
    "comparison": lambda x: x == x.max(axis=1, keepdims=True),
}


@pytest.mark.parametrize("function", DEPENDENT.values(), ids=DEPENDENT)
def test_per_block_dependence_along_a_chunked_axis_is_refused(function: Any) -> None:
    decorated = implemented_in("numpy", per_block=True)(function)
    with pytest.raises(
        interop.UnsupportedArrayError,
        match="along axis 1, and the array has 2 blocks along that axis",
    ):
        decorated(lazy())


@pytest.mark.parametrize("function", DEPENDENT.values(), ids=DEPENDENT)
def test_per_block_dependence_along_an_unchunked_axis_computes_the_values(function: Any) -> None:
    result = implemented_in("numpy", per_block=True)(function)(lazy(chunks=(1, 4)))
    np.testing.assert_allclose(result.compute(), function(VALUES), rtol=1e-5)


INDEPENDENT: dict[str, Any] = {
    "exponential": np.exp,
    "root": np.sqrt,
    "threshold": lambda x: abs(x) > 0.3,
    "sum of two": lambda x: x + 1j,
    "only nan": lambda x: x * np.nan,
    "only zero": np.zeros_like,
    "infinite": lambda x: np.where(abs(x) > 0.5, np.inf, x),
}


@pytest.mark.parametrize("function", INDEPENDENT.values(), ids=INDEPENDENT)
@pytest.mark.parametrize("dtype", ["float32", "float16", "int16", "uint8", "complex64", "bool"])
def test_per_block_independent_function_is_accepted(function: Any, dtype: str) -> None:
    array = (np.arange(12).reshape(3, 4) % 5).astype(dtype)
    result = implemented_in("numpy", per_block=True)(function)(lazy(array))
    np.testing.assert_allclose(result.compute(), function(array), rtol=1e-3, equal_nan=True)


def test_per_block_softmax_refusal_has_working_hints() -> None:
    decorated: Any = implemented_in("numpy", per_block=True)(softmax)
    x = lazy()
    with pytest.raises(interop.UnsupportedArrayError) as caught:
        decorated(x)
    assert str(caught.value) == (
        "softmax cannot run per block: for a part of a sample, it returns other values than for the "
        "whole sample along axis 1, and the array has 2 blocks along that axis. Make it one block "
        "first: x.rechunk({1: -1}). If each block should be computed on its own, pass the "
        "undecorated function to dask.array.map_blocks."
    )
    rows = decorated(x.rechunk({1: -1})).compute()
    np.testing.assert_allclose(rows, softmax(VALUES), rtol=1e-6)
    assert x.map_blocks(softmax, dtype=x.dtype).compute().sum(axis=1).tolist() == [2, 2, 2]


def test_per_block_axis_argument_decides_the_refusal() -> None:
    decorated: Any = implemented_in("numpy", per_block=True)(softmax)
    x = lazy(chunks=(2, 4))
    np.testing.assert_allclose(decorated(x, axis=1).compute(), softmax(VALUES), rtol=1e-6)
    with pytest.raises(
        interop.UnsupportedArrayError, match="along axis 0, and the array has 2 blocks"
    ):
        decorated(x, axis=0)


def test_per_block_argument_of_fewer_dimensions_is_checked_along_its_own_axis() -> None:
    @implemented_in("numpy", per_block=True)
    def shift(x: Any, y: Any) -> Any:
        return x - y.max() if y.size else x

    x, y = lazy(chunks=-1), lazy(VALUES[0])
    with pytest.raises(
        interop.UnsupportedArrayError, match=r"along axis 0, .*x\.rechunk\(\{0: -1\}\)"
    ):
        shift(x, y)
    np.testing.assert_array_equal(shift(x, y.rechunk({0: -1})).compute(), VALUES - VALUES[0].max())


def test_per_block_random_function_is_accepted() -> None:
    generator = np.random.default_rng(0)
    noisy = implemented_in("numpy", per_block=True)(lambda x: x + generator.random(x.shape))
    assert noisy(lazy()).compute().shape == (3, 4)


def test_per_block_function_that_fails_on_the_sample_is_accepted() -> None:
    @implemented_in("numpy", per_block=True)
    def choosy(x: Any) -> Any:
        if len(x) > 3:
            raise ZeroDivisionError
        return x

    np.testing.assert_array_equal(choosy(lazy()).compute(), VALUES)


@pytest.mark.requires("torch")
def test_per_block_torch_softmax_is_refused_with_blocks_of_torch() -> None:
    import torch

    @implemented_in("torch", per_block=True)
    def normalize(x: Any) -> Any:
        return torch.softmax(x, dim=-1)

    x = interop.convert(torch.from_numpy(VALUES.copy()), "dask", chunks=2)
    with pytest.raises(interop.UnsupportedArrayError, match="along axis 1"):
        normalize(x)
    rows = normalize(x.rechunk({1: -1})).compute()
    assert rows.sum(dim=1).tolist() == pytest.approx([1, 1, 1])


@pytest.mark.requires("torch", "ml_dtypes")
def test_per_block_bfloat16_is_checked() -> None:
    import torch

    x = interop.convert(torch.arange(8).reshape(2, 4).to(torch.bfloat16), "dask", chunks=(2, 2))
    relu: Any = implemented_in("torch", per_block=True)(torch.relu)
    assert relu(x).compute().dtype == torch.bfloat16
    with pytest.raises(interop.UnsupportedArrayError, match="along axis 1"):
        implemented_in("torch", per_block=True)(lambda x: x.cumsum(dim=1))(x)
