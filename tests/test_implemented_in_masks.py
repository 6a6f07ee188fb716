"""Masked arrays are refused by decorated functions, as by `to_torch`, because the mask is lost."""

from collections.abc import Generator
from typing import Any

import numpy as np
import pytest
import torch

import interop
from interop import implemented_in

pytestmark = pytest.mark.requires("torch")
MASKED = np.ma.masked_array([1.0, 2.0, 3.0], mask=[False, True, False])
NOTHING_MASKED = np.ma.masked_array([1.0, 2.0, 3.0])
TENSOR = torch.arange(3.0)


def first(x: Any, *_: Any, xp: Any = None) -> Any:
    del xp
    return x


def total(x: Any) -> Any:
    return np.asarray(x).sum()


@pytest.mark.parametrize("framework", ["numpy", "torch", "array_api"])
@pytest.mark.parametrize(
    "call",
    [
        lambda f, x: f(x),
        lambda f, x: f([x]),
        lambda f, x: f(TENSOR, {"x": x}),
        lambda f, x: f(np.ones(2), x),
    ],
)
def test_implemented_in_masked_argument_is_refused(framework: Any, call: Any) -> None:
    decorated = implemented_in(framework)(first)
    with pytest.raises(
        interop.UnsupportedArrayError, match="some elements are masked, and the mask would be"
    ) as caught:
        call(decorated, MASKED)
    assert caught.value.__notes__[0].startswith("in the arguments of first: at ")


def test_implemented_in_masked_argument_refusal_has_a_working_hint() -> None:
    with pytest.raises(interop.UnsupportedArrayError) as caught:
        implemented_in("numpy")(total)(MASKED)
    assert str(caught.value) == (
        "cannot pass numpy float64 (3,) on cpu to total: some elements are masked, and the mask would be lost. "
        "Fill them first: x.filled(value)."
    )
    assert implemented_in("numpy")(total)(MASKED.filled(0)) == 4


@pytest.mark.requires("scipy")
def test_implemented_in_masked_argument_does_not_reach_scipy() -> None:
    ndimage: Any = pytest.importorskip("scipy.ndimage")
    smooth: Any = implemented_in("numpy")(ndimage.gaussian_filter)
    with pytest.raises(interop.UnsupportedArrayError, match="masked"):
        smooth(MASKED, 1.0)
    assert np.array_equal(
        smooth(NOTHING_MASKED, 1.0), ndimage.gaussian_filter([1.0, 2.0, 3.0], 1.0)
    )


def test_implemented_in_masked_argument_excluded_by_only_passes() -> None:
    kept = implemented_in("numpy", only="y", returns=None)(lambda x, y: (x, y))
    assert kept(MASKED, TENSOR)[0] is MASKED


def test_implemented_in_masked_array_sent_to_a_generator_is_refused() -> None:
    @implemented_in("numpy")
    def echo(x: Any) -> Generator[Any, Any]:
        while True:
            x = yield x

    generator = echo(TENSOR)
    next(generator)
    with pytest.raises(interop.UnsupportedArrayError, match="masked") as caught:
        generator.send(MASKED)
    assert caught.value.__notes__ == ["in what echo is sent: at value"]


@pytest.mark.parametrize("wrap", [lambda x: x, lambda x: [x], lambda x: {"x": (x,)}])
def test_implemented_in_masked_result_is_refused_for_another_framework(wrap: Any) -> None:
    masked = implemented_in("numpy")(lambda _: wrap(MASKED))
    with pytest.raises(interop.UnsupportedArrayError, match="masked") as caught:
        masked(TENSOR)
    assert caught.value.__notes__[0].startswith("in the result of <lambda>: at result")


def test_implemented_in_masked_result_stays_masked_for_numpy() -> None:
    assert implemented_in("numpy")(lambda _: MASKED)(np.ones(3)) is MASKED
    with pytest.raises(interop.UnsupportedArrayError, match="masked"):
        implemented_in("numpy", returns="torch")(lambda _: MASKED)(np.ones(3))


@pytest.mark.requires("dask")
def test_per_block_masked_blocks_are_refused_when_computed() -> None:
    da: Any = pytest.importorskip("dask.array")
    x = da.ma.masked_greater(da.from_array(np.arange(4.0), chunks=2), 1)
    decorated: Any = implemented_in("numpy", per_block=True)(first)
    with pytest.raises(interop.UnsupportedArrayError, match="masked"):
        decorated(x).compute(scheduler="synchronous")
