"""Functions of one framework, run for each block of a Dask array."""

import asyncio
import threading
from typing import Any

import numpy as np
import pytest

import interop
import lazily
from interop import implemented_in

pytestmark = pytest.mark.requires("dask", "torch")


def lazy(*, chunks: Any = 2) -> Any:
    return lazily.lazy(VALUES, chunks)


VALUES = np.arange(-6, 6, dtype="float32").reshape(3, 4)


@implemented_in("torch", per_block=True)
def relu(x: Any, shift: Any = 0) -> Any:
    """Cut off what is below zero."""
    import torch

    assert type(x) is torch.Tensor
    return torch.relu(x - shift)


def seen_by(*, chunks: Any = 2) -> tuple[Any, list[tuple[int, ...]]]:
    """Return a lazy result, and the list of block shapes passed to the function."""
    shapes: list[tuple[int, ...]] = []

    @implemented_in("torch", per_block=True)
    def note(x: Any) -> Any:
        shapes.append(tuple(x.shape))
        return x * 2

    return note(lazy(chunks=chunks)), shapes


# -- results ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("chunks", [1, 2, (3, 4), ((1, 2), (3, 1)), "auto"])
def test_per_block_computes_the_values_of_the_whole_array(chunks: Any) -> None:
    x = lazy(chunks=chunks)
    result = relu(x, shift=2)
    assert (interop.framework_of(result), result.chunks) == ("dask", x.chunks)
    assert type(result._meta) is np.ndarray  # the caller's blocks
    np.testing.assert_array_equal(result.compute(), np.maximum(VALUES - 2, 0), strict=True)


def test_per_block_before_compute_calls_the_function_on_samples_only() -> None:
    result, shapes = seen_by()
    tried = len(shapes)
    assert shapes == [(1, 1), (9, 9), (2, 9), (9, 2)]
    result.compute()
    assert sorted(shapes[tried:]) == [(1, 2), (1, 2), (2, 2), (2, 2)]


def test_per_block_result_has_the_dtype_of_the_function() -> None:
    @implemented_in("torch", per_block=True)
    def positive(x: Any) -> Any:
        return x > 0

    result = positive(lazy())
    assert result.dtype == bool
    np.testing.assert_array_equal(result.compute(), VALUES > 0, strict=True)


def test_per_block_with_returns_none_keeps_torch_blocks() -> None:
    import torch

    @implemented_in("torch", per_block=True, returns=None)
    def twice(x: Any) -> Any:
        return x * 2

    result = twice(lazy())
    assert isinstance(result._meta, torch.Tensor)
    computed = result.compute()
    assert type(computed) is torch.Tensor
    assert computed.tolist() == (VALUES * 2).tolist()


def test_per_block_torch_blocks_stay_torch_blocks() -> None:
    import torch

    x = interop.convert(torch.from_numpy(VALUES.copy()), "dask", chunks=2)
    result = relu(x)
    assert isinstance(result._meta, torch.Tensor)
    assert result.compute().tolist() == np.maximum(VALUES, 0).tolist()


def test_per_block_without_a_lazy_array_runs_the_function_directly() -> None:
    import torch

    assert np.array_equal(relu(VALUES), np.maximum(VALUES, 0))
    assert type(relu(torch.ones(2))) is torch.Tensor
    assert relu.__name__ == "relu"
    assert relu.__doc__ == "Cut off what is below zero."


# -- arguments -------------------------------------------------------------------------------------


def test_per_block_several_lazy_arrays_are_aligned_and_broadcast() -> None:
    shift = interop.convert(np.arange(4, dtype="float32"), "dask", chunks=3)
    for result in (
        relu(lazy(), shift),
        relu(lazy(), shift=shift),
        relu(x=lazy(chunks=1), shift=shift),
    ):
        np.testing.assert_array_equal(result.compute(), np.maximum(VALUES - np.arange(4), 0))


def test_per_block_eager_argument_is_passed_whole_and_converted() -> None:
    result = relu(lazy(chunks=(2, 4)), np.arange(4, dtype="float32"))
    np.testing.assert_array_equal(result.compute(), np.maximum(VALUES - np.arange(4), 0))


def test_per_block_works_on_methods_and_static_methods() -> None:
    class Scale:
        factor = 3

        @implemented_in("torch", per_block=True)
        def times(self, x: Any) -> Any:
            return x * self.factor

        @staticmethod
        @implemented_in("torch", per_block=True)
        def negative(x: Any) -> Any:
            return -x

    np.testing.assert_array_equal(Scale().times(lazy()).compute(), VALUES * 3)
    np.testing.assert_array_equal(Scale.negative(lazy()).compute(), -VALUES)


def test_per_block_only_leaves_unnamed_arguments_unconverted() -> None:
    @implemented_in("torch", per_block=True, only="x")
    def add(x: Any, y: Any) -> Any:
        assert type(y) is np.ndarray
        return x + y.sum()

    np.testing.assert_array_equal(add(lazy(), np.ones(2, "float32")).compute(), VALUES + 2)


def test_per_block_function_that_fails_on_one_element_gets_an_empty_sample() -> None:
    @implemented_in("numpy", per_block=True)
    def spread(x: Any) -> Any:
        if x.size == 1:
            raise ValueError
        return x - x.mean() if x.size else x

    np.testing.assert_allclose(spread(lazy(chunks=-1)).compute(), VALUES - VALUES.mean())


def test_per_block_uses_the_options_of_the_caller_when_computed() -> None:
    import torch

    with interop.options(detach=True):
        result = relu(lazy(chunks=(2, 4)), torch.ones(4, requires_grad=True))

    @implemented_in("torch", per_block=True)
    def scale(x: Any) -> Any:
        return x * torch.ones(1, requires_grad=True)

    with interop.options(detach=True):
        scaled = scale(lazy())
    np.testing.assert_array_equal(scaled.compute(), VALUES)
    np.testing.assert_array_equal(result.compute(), np.maximum(VALUES - 1, 0))
    with pytest.raises(interop.GradientError):
        scale(lazy())


def test_per_block_function_works_in_several_threads() -> None:
    results: list[Any] = []
    threads = [
        threading.Thread(target=lambda: results.append(relu(lazy()).compute())) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 4
    assert all(np.array_equal(result, np.maximum(VALUES, 0)) for result in results)


# -- refusals --------------------------------------------------------------------------------------


def test_implemented_in_lazy_array_is_refused_without_per_block() -> None:
    @implemented_in("torch")
    def norm(x: Any) -> Any:
        return x.norm()

    with pytest.raises(interop.UnsupportedArrayError) as caught:
        norm(lazy())
    assert str(caught.value) == (
        "norm is written for torch, so it needs all of a lazy array in memory. Compute the array: "
        "interop.convert(x, 'torch', compute=True). Or, only if norm can compute each block without "
        "the others, decorate it with per_block=True and pass the array as an argument of its own."
    )
    assert caught.value.__notes__ == ["in the arguments of norm: at x"]


def test_implemented_in_dask_body_gets_dask_arrays() -> None:
    @implemented_in("dask")
    def total(x: Any) -> Any:
        assert interop.framework_of(x) == "dask"
        return x.sum(axis=0)

    result = total(VALUES)
    assert type(result) is np.ndarray
    assert np.array_equal(result, VALUES.sum(axis=0))
    assert interop.framework_of(total(lazy())) == "dask"


def test_per_block_lazy_array_in_a_container_is_refused() -> None:
    @implemented_in("torch", per_block=True)
    def add(x: Any, others: Any) -> Any:
        return x + others[0]

    with pytest.raises(
        interop.UnsupportedArrayError, match="Pass it as an argument of its own"
    ) as caught:
        add(lazy(), [lazy()])
    assert caught.value.__notes__ == ["in the arguments of add: at others[0]"]


@pytest.mark.parametrize(("returned", "error", "message"), [
    (lambda x: x.sum(), interop.ShapeError, r"f returned the shape \(\) for a block with ndim=2, and"),
    (lambda x: (x, x), interop.UnsupportedArrayError, "f returned an object of the class tuple for a block, and"),
    (lambda _: None, interop.UnsupportedArrayError, "f returned an object of the class NoneType for a block"),
])  # fmt: skip
def test_per_block_result_of_another_shape_or_type_is_refused_at_the_call(
    returned: Any, error: Any, message: str
) -> None:
    @implemented_in("torch", per_block=True)
    def f(x: Any) -> Any:
        return returned(x)

    with pytest.raises(error, match=message):
        f(lazy())


def test_per_block_shape_changed_only_in_larger_blocks_is_refused_at_compute() -> None:
    @implemented_in("torch", per_block=True)
    def first(x: Any) -> Any:
        return x[:1]

    with pytest.raises(
        interop.ShapeError, match=r"first returned the shape \(1, 2\) for a block of shape \(2, 2\)"
    ):
        first(lazy()).compute()


def test_per_block_error_on_both_samples_has_a_note() -> None:
    @implemented_in("torch", per_block=True)
    def fail(_: Any) -> Any:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError) as caught:
        fail(lazy())
    assert (
        "interop called fail with blocks of one element and of no elements"
        in caught.value.__notes__[0]
    )


def test_per_block_refuses_coroutines_generators_and_array_api() -> None:
    async def wait(x: Any) -> Any:
        await asyncio.sleep(0)
        return x

    def give(x: Any) -> Any:
        yield x

    for function in (wait, give):
        with pytest.raises(TypeError, match=f"{function.__name__} is a coroutine or a generator"):
            implemented_in("torch", per_block=True)(function)
    with pytest.raises(interop.InvalidOptionError, match="Remove per_block"):
        implemented_in("array_api", per_block=True)
