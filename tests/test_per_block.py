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
    """Return a lazy result, and the list of shapes that its function is called with."""
    shapes: list[tuple[int, ...]] = []

    @implemented_in("torch", per_block=True)
    def note(x: Any) -> Any:
        shapes.append(tuple(x.shape))
        return x * 2

    return note(lazy(chunks=chunks)), shapes


# -- what it returns ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("chunks", [1, 2, (3, 4), ((1, 2), (3, 1)), "auto"])
def test_the_values_are_those_of_the_whole(chunks: Any) -> None:
    x = lazy(chunks=chunks)
    result = relu(x, shift=2)
    assert (interop.framework_of(result), result.chunks) == ("dask", x.chunks)
    assert type(result._meta) is np.ndarray  # the caller's blocks
    np.testing.assert_array_equal(result.compute(), np.maximum(VALUES - 2, 0), strict=True)


def test_nothing_is_computed_but_samples_to_see_what_comes_out() -> None:
    result, shapes = seen_by()
    tried = len(shapes)
    assert shapes == [(1, 1), (9, 9), (2, 9), (9, 2)]
    result.compute()
    assert sorted(shapes[tried:]) == [(1, 2), (1, 2), (2, 2), (2, 2)]


def test_the_dtype_is_the_functions() -> None:
    @implemented_in("torch", per_block=True)
    def positive(x: Any) -> Any:
        return x > 0

    result = positive(lazy())
    assert result.dtype == bool
    np.testing.assert_array_equal(result.compute(), VALUES > 0, strict=True)


def test_blocks_can_stay_where_the_function_left_them() -> None:
    import torch

    @implemented_in("torch", per_block=True, returns=None)
    def twice(x: Any) -> Any:
        return x * 2

    result = twice(lazy())
    assert isinstance(result._meta, torch.Tensor)
    computed = result.compute()
    assert type(computed) is torch.Tensor
    assert computed.tolist() == (VALUES * 2).tolist()


def test_blocks_of_torch_come_back_as_torch() -> None:
    import torch

    x = interop.convert(torch.from_numpy(VALUES.copy()), "dask", chunks=2)
    result = relu(x)
    assert isinstance(result._meta, torch.Tensor)
    assert result.compute().tolist() == np.maximum(VALUES, 0).tolist()


def test_without_a_lazy_array_it_is_as_without_per_block() -> None:
    import torch

    assert np.array_equal(relu(VALUES), np.maximum(VALUES, 0))
    assert type(relu(torch.ones(2))) is torch.Tensor
    assert relu.__name__ == "relu"
    assert relu.__doc__ == "Cut off what is below zero."


# -- arguments ---------------------------------------------------------------------------------------------------------


def test_several_lazy_arrays_are_aligned_and_broadcast() -> None:
    shift = interop.convert(np.arange(4, dtype="float32"), "dask", chunks=3)
    for result in (relu(lazy(), shift), relu(lazy(), shift=shift), relu(x=lazy(chunks=1), shift=shift)):
        np.testing.assert_array_equal(result.compute(), np.maximum(VALUES - np.arange(4), 0))


def test_other_arrays_are_passed_whole_and_converted() -> None:
    result = relu(lazy(chunks=(2, 4)), np.arange(4, dtype="float32"))
    np.testing.assert_array_equal(result.compute(), np.maximum(VALUES - np.arange(4), 0))


def test_methods() -> None:
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


def test_only_what_is_named_is_cut_into_blocks() -> None:
    @implemented_in("torch", per_block=True, only="x")
    def add(x: Any, y: Any) -> Any:
        assert type(y) is np.ndarray
        return x + y.sum()

    np.testing.assert_array_equal(add(lazy(), np.ones(2, "float32")).compute(), VALUES + 2)


def test_functions_that_one_element_is_too_few_for_are_asked_with_none() -> None:
    @implemented_in("numpy", per_block=True)
    def spread(x: Any) -> Any:
        if x.size == 1:
            raise ValueError
        return x - x.mean() if x.size else x

    np.testing.assert_allclose(spread(lazy(chunks=-1)).compute(), VALUES - VALUES.mean())


def test_the_policy_of_the_caller_goes_with_the_blocks() -> None:
    import torch

    with interop.options(detach=True):
        result = relu(lazy(chunks=(2, 4)), torch.ones(4, requires_grad=True))

    @implemented_in("torch", per_block=True)
    def learn(x: Any) -> Any:
        return x * torch.ones(1, requires_grad=True)

    with interop.options(detach=True):
        learned = learn(lazy())
    np.testing.assert_array_equal(learned.compute(), VALUES)
    np.testing.assert_array_equal(result.compute(), np.maximum(VALUES - 1, 0))
    with pytest.raises(interop.GradientError):
        learn(lazy())


def test_threads_share_a_function() -> None:
    results: list[Any] = []
    threads = [threading.Thread(target=lambda: results.append(relu(lazy()).compute())) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 4
    assert all(np.array_equal(result, np.maximum(VALUES, 0)) for result in results)


# -- refusals ----------------------------------------------------------------------------------------------------------


def test_a_lazy_array_is_refused_where_nobody_has_said_per_block() -> None:
    @implemented_in("torch")
    def norm(x: Any) -> Any:
        return x.norm()

    with pytest.raises(interop.UnsupportedArrayError) as caught:
        norm(lazy())
    assert str(caught.value) == (
        "norm would need all of a lazy array at once, as torch's. Compute it: interop.convert(x, 'torch', "
        "compute=True). Or, only if each block can be computed without the others, decorate norm with per_block=True "
        "and pass the array as an argument of its own."
    )
    assert caught.value.__notes__ == ["in the arguments of norm: at x"]


def test_a_body_that_is_written_for_dask_gets_dasks() -> None:
    @implemented_in("dask")
    def total(x: Any) -> Any:
        assert interop.framework_of(x) == "dask"
        return x.sum(axis=0)

    result = total(VALUES)
    assert type(result) is np.ndarray
    assert np.array_equal(result, VALUES.sum(axis=0))
    assert interop.framework_of(total(lazy())) == "dask"


def test_a_lazy_array_in_a_container_is_refused() -> None:
    @implemented_in("torch", per_block=True)
    def add(x: Any, others: Any) -> Any:
        return x + others[0]

    with pytest.raises(interop.UnsupportedArrayError, match="Pass it as an argument of its own") as caught:
        add(lazy(), [lazy()])
    assert caught.value.__notes__ == ["in the arguments of add: at others[0]"]


@pytest.mark.parametrize(("returned", "error", "message"), [
    (lambda x: x.sum(), interop.ShapeError, r"f returned the shape \(\) for a block of 2 dimensions, and"),
    (lambda x: (x, x), interop.UnsupportedArrayError, "f returned an object of the class tuple for a block, and"),
    (lambda _: None, interop.UnsupportedArrayError, "f returned an object of the class NoneType for a block"),
])  # fmt: skip
def test_what_is_no_array_of_the_blocks_shape_is_refused_at_once(returned: Any, error: Any, message: str) -> None:
    @implemented_in("torch", per_block=True)
    def f(x: Any) -> Any:
        return returned(x)

    with pytest.raises(error, match=message):
        f(lazy())


def test_a_shape_that_only_a_larger_block_changes_is_refused_when_it_is_computed() -> None:
    @implemented_in("torch", per_block=True)
    def first(x: Any) -> Any:
        return x[:1]

    with pytest.raises(interop.ShapeError, match=r"first returned the shape \(1, 2\) for a block of shape \(2, 2\)"):
        first(lazy()).compute()


def test_the_error_of_a_function_that_fails_on_both_has_a_note() -> None:
    @implemented_in("torch", per_block=True)
    def fail(_: Any) -> Any:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError) as caught:
        fail(lazy())
    assert "interop called fail with blocks of one element and of none" in caught.value.__notes__[0]


def test_only_plain_functions_are_run_per_block() -> None:
    async def wait(x: Any) -> Any:
        await asyncio.sleep(0)
        return x

    def give(x: Any) -> Any:
        yield x

    for function in (wait, give):
        with pytest.raises(TypeError, match=f"{function.__name__} is a coroutine or a generator"):
            implemented_in("torch", per_block=True)(function)
    with pytest.raises(interop.InvalidOptionError, match="takes no per_block"):
        implemented_in("array_api", per_block=True)
