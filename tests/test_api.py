"""The verbs, and the values that their keywords take."""

from typing import Any

import numpy as np
import pytest
import torch
from array_api_compat import numpy as compat_numpy
from array_api_compat import torch as compat_torch

import interop
from interop._engine.fastpath import REFUSED
from interop._engine.implementation import share_plain
from strategies import torch_dtype

pytestmark = pytest.mark.requires("torch", "ml_dtypes")


class Image(np.ndarray[Any, Any]):
    """A subclass from another package than NumPy."""


class Video(torch.Tensor):
    """A subclass from another package than torch."""


class Loud(torch.Tensor):
    """A tensor subclass for which every torch function raises."""

    @classmethod
    def __torch_function__(cls, *_: Any, **__: Any) -> Any:
        raise AssertionError


NDARRAY = np.arange(6, dtype="float32").reshape(2, 3)
TENSOR = torch.arange(6, dtype=torch.float32).reshape(2, 3)
everywhere = pytest.mark.parametrize(
    ("x", "to"), [(x, to) for x in (NDARRAY, TENSOR) for to in ("numpy", "torch")],
    ids=["numpy-numpy", "numpy-torch", "torch-numpy", "torch-torch"],
)  # fmt: skip


# Targets


@pytest.mark.parametrize("to", ["torch", torch, torch.Tensor, torch.nn, compat_torch])
def test_convert_with_any_name_of_torch_gives_a_tensor(to: Any) -> None:
    for _ in range(2):  # first from the look-up, then from the cache
        result = interop.convert(NDARRAY, to)
        assert type(result) is torch.Tensor
        assert np.shares_memory(result.numpy(), NDARRAY)
        assert interop.convert(TENSOR, to) is TENSOR
    assert interop.explain(NDARRAY, to) == interop.explain(NDARRAY, "torch")


@pytest.mark.parametrize("to", ["numpy", np, np.ndarray, np.linalg, compat_numpy])
def test_convert_with_any_name_of_numpy_gives_an_ndarray(to: Any) -> None:
    for _ in range(2):
        result = interop.convert(TENSOR, to)
        assert type(result) is np.ndarray
        assert np.shares_memory(result, TENSOR.numpy())
        assert interop.convert(NDARRAY, to) is NDARRAY
    assert interop.explain(TENSOR, to) == interop.explain(TENSOR, "numpy")


def test_to_numpy_and_to_torch_behave_like_convert() -> None:
    assert interop.to_numpy(NDARRAY) is NDARRAY
    assert interop.to_torch(TENSOR) is TENSOR
    assert np.shares_memory(interop.to_numpy(TENSOR), TENSOR.numpy())
    assert np.shares_memory(interop.to_torch(NDARRAY).numpy(), NDARRAY)
    assert interop.to_numpy(TENSOR, dtype="int8", casting="unsafe").dtype == np.int8
    assert interop.to_torch(NDARRAY, dtype="float64").dtype == torch.float64


@pytest.mark.parametrize(
    "x", [NDARRAY, TENSOR, memoryview(bytearray(6))], ids=["numpy", "torch", "foreign"]
)
@pytest.mark.parametrize(
    "ref", [NDARRAY, TENSOR, np.float64(3), torch.nn.Parameter(TENSOR.clone())]
)
def test_convert_like_gives_framework_and_device_of_ref(x: Any, ref: Any) -> None:
    result = interop.convert_like(x, ref)
    assert interop.framework_of(result) == interop.framework_of(ref)
    assert interop.device_of(result) == interop.device_of(ref)
    assert interop.shares_memory(result, x)
    assert not interop.shares_memory(interop.convert_like(x, ref, dtype="float64"), x)


# Accepted arrays


@everywhere
def test_convert_on_host_shares_memory_and_keeps_values(x: Any, to: str) -> None:
    result = interop.convert(x, to)
    assert result.tolist() == [[0, 1, 2], [3, 4, 5]]
    assert interop.shares_memory(result, x)


def test_convert_subclass_to_another_framework_gives_a_plain_shared_array() -> None:
    image, video = NDARRAY.copy().view(Image), TENSOR.clone().as_subclass(Video)
    for _ in range(2):
        assert interop.to_numpy(image) is image
        assert interop.to_torch(video) is video
        tensor, array = interop.to_torch(image), interop.to_numpy(video)
        assert (type(tensor), type(array)) == (torch.Tensor, np.ndarray)
        tensor[0, 0] = array[0, 0] = 42
        assert image[0, 0].item() == video[0, 0].item() == 42


def test_to_numpy_of_subclass_bypasses_torch_function() -> None:
    loud = TENSOR.clone().as_subclass(Loud)
    array = interop.to_numpy(loud)
    assert array.tolist() == TENSOR.tolist()
    assert interop.shares_memory(array, loud)
    assert interop.to_numpy(loud, copy=True).tolist() == TENSOR.tolist()


def test_convert_parameter_is_handled_like_a_tensor() -> None:
    weight = torch.nn.Parameter(TENSOR.clone())
    assert interop.to_torch(weight) is weight
    assert interop.to_torch(weight, detach=True) is weight  # a permission, not a command
    array = interop.to_numpy(weight, detach=True)
    array[0, 0] = 42
    assert weight[0, 0] == 42


def test_to_torch_copy_or_cast_of_tensor_stays_in_the_graph() -> None:
    weight = torch.ones(3, requires_grad=True)
    for result in (interop.to_torch(weight, copy=True), interop.to_torch(weight, dtype="float64")):
        (gradient,) = torch.autograd.grad(result.sum(), weight)
        assert gradient.tolist() == [1.0] * 3


@pytest.mark.parametrize("scalar", [np.float64(3), np.int8(3), np.complex64(3), np.bool_(True)])
def test_convert_numpy_scalar_gives_a_0d_array(scalar: Any) -> None:
    array, tensor = interop.to_numpy(scalar), interop.to_torch(scalar)
    assert type(array) is np.ndarray
    assert (array.shape, array.dtype, array.item()) == ((), scalar.dtype, scalar.item())
    assert (tensor.shape, tensor.dtype, tensor.item()) == (
        (),
        torch_dtype(scalar.dtype.name),
        scalar.item(),
    )
    assert [step.verb for step in interop.explain(scalar, "torch").steps] == ["read", "share"]


@pytest.mark.parametrize("copy", [None, True, False])
def test_convert_subclass_within_one_framework_keeps_the_class(copy: bool | None) -> None:
    image = NDARRAY.view(Image)
    assert type(interop.to_numpy(image, copy=copy)) is Image
    video = TENSOR.as_subclass(Video)
    assert type(interop.to_torch(video, copy=copy)) is Video


def test_to_numpy_with_a_target_raises_type_error() -> None:
    function: Any = interop.to_numpy
    with pytest.raises(
        TypeError, match=r"to_numpy\(\) takes 1 positional argument but 2 were given"
    ):
        function(np.ones(3), "numpy")


def test_share_plain_of_an_array_that_is_not_plain_raises() -> None:
    tensor = torch.ones(1).expand(3)  # the elements overlap
    interop.to_numpy(tensor)
    with pytest.raises(REFUSED):
        share_plain(tensor, "numpy")
