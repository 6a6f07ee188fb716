"""NumPy scalars in results of decorated functions: 0-d arrays for callers of other frameworks."""

from collections.abc import Generator
from typing import Any

import numpy as np
import pytest
import torch

import interop
from interop import implemented_in

pytestmark = pytest.mark.requires("torch")
TENSOR = torch.arange(4.0)
NUMBERS = [
    np.float16(1), np.float32(1), np.float64(1), np.complex64(1), np.complex128(1), np.int8(1), np.int64(1),
    np.uint8(1), np.uint32(1), np.bool_(True),
]  # fmt: skip
NO_NUMBERS = [
    np.str_("a"), np.bytes_(b"a"), np.datetime64("2020-01-01"), np.timedelta64(1, "s"), np.void(b"ab"),
    np.longdouble(1), np.clongdouble(1), 1, 1.0, 1j, True, None, "a",
]  # fmt: skip


def kind(x: Any) -> str:
    return type(x).__name__


def returning(value: Any, **keywords: Any) -> Any:
    return implemented_in("numpy", **keywords)(lambda *_: value)


@pytest.mark.parametrize("number", NUMBERS, ids=kind)
def test_implemented_in_scalar_result_becomes_a_zero_dimensional_tensor(number: Any) -> None:
    result = returning(number)(TENSOR)
    assert type(result) is torch.Tensor
    assert (result.shape, interop.to_numpy(result).dtype) == ((), number.dtype)
    assert result.item() == number.item()


@pytest.mark.parametrize("number", NUMBERS, ids=kind)
def test_implemented_in_scalar_result_is_unchanged_for_numpy(number: Any) -> None:
    assert returning(number)(np.ones(1)) is number
    assert returning(number)([np.ones(1)]) is number
    assert returning(number, returns="numpy")(TENSOR) is number
    assert returning(number, returns=None)(TENSOR) is number
    assert returning(number)(1) is number


@pytest.mark.parametrize("value", NO_NUMBERS, ids=kind)
def test_implemented_in_scalar_result_without_a_plain_dtype_is_unchanged(value: Any) -> None:
    assert returning(value)(TENSOR) is value
    assert returning([value])(TENSOR)[0] is value


def test_implemented_in_scalar_result_in_a_container_becomes_a_tensor() -> None:
    value = np.float32(2)
    assert type(returning((value, 1))(TENSOR)[0]) is torch.Tensor
    result = returning({"x": [value, value], "y": "text"})(TENSOR)
    assert type(result["x"][0]) is torch.Tensor
    assert result["x"][0] is result["x"][1]
    assert result["y"] == "text"
    assert type(returning(value, returns="torch")(np.ones(1))) is torch.Tensor


def test_implemented_in_reduction_result_works_with_torch_autograd() -> None:
    norm = implemented_in("numpy")(np.linalg.norm)
    result: Any = norm(torch.tensor([3.0, 4.0]))
    scale = torch.ones((), requires_grad=True)
    (result.to(torch.float64) * scale).backward()
    assert scale.grad is not None
    assert scale.grad.item() == result.item() == 5


def test_implemented_in_scalar_from_a_generator_becomes_a_tensor() -> None:
    @implemented_in("numpy")
    def sums(x: Any) -> Generator[Any, Any, Any]:
        yield x.sum()
        return x.max()

    generator = sums(TENSOR)
    assert type(next(generator)) is torch.Tensor
    with pytest.raises(StopIteration) as stop:
        next(generator)
    assert type(stop.value.value) is torch.Tensor
    assert type(next(sums(TENSOR.numpy()))) is np.float32


def test_implemented_in_scalar_argument_is_passed_unchanged() -> None:
    number = np.float32(2)
    assert implemented_in("torch", returns=None)(lambda _, y: y)(TENSOR, number) is number


def test_implemented_in_zero_dimensional_result_stays_an_array() -> None:
    result = returning(np.array(1.0))(TENSOR)
    assert (type(result), result.shape) == (torch.Tensor, ())
    assert type(implemented_in("torch")(lambda x: x.sum())(np.ones(2))) is np.ndarray


@pytest.mark.requires("ml_dtypes")
def test_implemented_in_bfloat16_scalar_result_becomes_a_tensor() -> None:
    import ml_dtypes

    result = returning(ml_dtypes.bfloat16(1.5))(TENSOR)
    assert (result.dtype, result.item()) == (torch.bfloat16, 1.5)


@pytest.mark.requires("jax")
def test_implemented_in_scalar_result_for_jax_becomes_a_jax_array() -> None:
    import jax.numpy as jnp

    result = returning(np.float32(1))(jnp.ones(1))
    assert (interop.framework_of(result), result.shape, result.dtype) == ("jax", (), np.float32)
    with pytest.raises(
        interop.UnsupportedArrayError, match="JAX converts int64 to int32"
    ) as caught:
        returning(np.int64(1))(jnp.ones(1))
    assert caught.value.__notes__ == ["in the result of <lambda>: at result"]


@pytest.mark.requires("array_api_strict")
def test_implemented_in_scalar_result_for_a_namespace_becomes_an_array() -> None:
    import array_api_strict as strict

    result = returning(np.float64(1))(strict.ones(1))
    assert (type(result), result.shape) == (type(strict.ones(1)), ())


@pytest.mark.requires("dask")
def test_implemented_in_scalar_result_for_dask_becomes_a_dask_array() -> None:
    import dask.array as da

    result: Any = implemented_in("dask")(lambda _: np.float64(2))(da.ones(2))
    assert interop.framework_of(result) == "dask"
    assert result.compute() == 2


@pytest.mark.requires("gpu")
@pytest.mark.parametrize(
    "framework",
    [
        "torch",
        pytest.param("cupy", marks=pytest.mark.requires("cupy", "kernels")),
    ],  # CuPy fills the array by a kernel
)
def test_implemented_in_scalar_result_goes_to_the_device_of_the_caller(framework: str) -> None:
    x = interop.convert(np.ones(2, "float32"), framework, device="cuda")
    result = returning(np.float32(3))(x)
    assert (interop.framework_of(result), str(interop.device_of(result))) == (framework, "cuda:0")
    assert interop.to_numpy(result, device="cpu") == 3
    with interop.options(host_copy="error"), pytest.raises(interop.HostCopyError):
        implemented_in("torch", device="cuda")(lambda _: np.float32(3))(x)
