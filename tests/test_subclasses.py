"""Subclasses in the same framework keep class and state together, or lose both."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
import pytest
import torch

import interop

TENSOR: Any = torch.Tensor  # Any, so that methods may have any signature
PARAMETER: Any = torch.nn.Parameter
NDARRAY: Any = np.ndarray
pytestmark = pytest.mark.requires("torch")

CHANGES: list[Any] = [{"dtype": "float64"}, {"copy": True}, {"dtype": "int8", "casting": "unsafe"}]
changes = pytest.mark.parametrize("keywords", CHANGES, ids=str)


class Meta(TENSOR):  # type: ignore[misc]
    """A tensor subclass whose metadata every operation preserves, as MONAI's MetaTensor."""

    affine: Any = "default"

    @classmethod
    def __torch_function__(
        cls, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        result = super().__torch_function__(function, types, args, kwargs or {})
        if not isinstance(result, Meta):
            return result
        tensors = args[0] if isinstance(args[0], list) else args
        for x in tensors:
            if isinstance(x, Meta):
                result.__dict__.update(vars(x))
        return result


class Methods(TENSOR):  # type: ignore[misc]
    """A tensor subclass whose metadata only `to` and `clone` preserve."""

    affine: Any = "default"

    def clone(self, **keywords: Any) -> Self:
        return self._with_affine(super().clone(**keywords))

    def to(self, *args: Any, **keywords: Any) -> Self:
        if keywords:
            msg = "this class knows positional arguments only"
            raise TypeError(msg)
        return self._with_affine(super().to(*args))

    def _with_affine(self, result: Any) -> Any:
        result.affine = self.affine
        return result


class Forgetful(torch.Tensor):
    """A tensor subclass whose attributes no operation of torch preserves."""

    affine: Any = "default"


class Signal(np.ndarray[Any, Any]):
    """An ndarray subclass whose attributes NumPy preserves."""

    affine: Any = "default"

    def __array_finalize__(self, source: Any) -> None:
        vars(self).update(getattr(source, "__dict__", {}))


class ForgetfulArray(np.ndarray[Any, Any]):
    """An ndarray subclass whose attributes no operation preserves."""

    affine: Any = "default"


def tensor(cls: type[Any], **keywords: Any) -> Any:
    x = torch.arange(6.0).reshape(2, 3).to(**keywords).as_subclass(cls)
    x.affine = "mine"
    return x


def array(cls: type[Any]) -> Any:
    x: Any = np.arange(6.0, dtype="f4").reshape(2, 3).view(cls)
    x.affine = "mine"
    return x


def assert_values(result: Any, keywords: Any) -> None:
    assert str(result.dtype).removeprefix("torch.") == keywords.get("dtype", "float32")
    assert result.tolist() == [[0, 1, 2], [3, 4, 5]]


# torch


@changes
@pytest.mark.parametrize("cls", [Meta, Methods])
def test_to_torch_subclass_with_state_keeps_class_and_state(cls: type[Any], keywords: Any) -> None:
    x = tensor(cls)
    result: Any = interop.to_torch(x, **keywords)
    assert (type(result), result.affine) == (cls, "mine")
    assert not interop.shares_memory(result, x)
    assert_values(result, keywords)


@changes
def test_to_torch_subclass_that_loses_its_state_returns_a_plain_tensor(keywords: Any) -> None:
    result: Any = interop.to_torch(tensor(Forgetful), **keywords)
    assert type(result) is torch.Tensor
    assert_values(result, keywords)


@changes
def test_to_torch_subclass_without_attributes_keeps_its_class(keywords: Any) -> None:
    result: Any = interop.to_torch(
        torch.arange(6.0).reshape(2, 3).as_subclass(Forgetful), **keywords
    )
    assert type(result) is Forgetful
    assert_values(result, keywords)


@pytest.mark.parametrize("cls", [Meta, Methods])
def test_convert_tree_subclass_keeps_its_state(cls: type[Any]) -> None:
    result = interop.convert_tree({"images": [tensor(cls)]}, "torch", dtype="float64")
    assert result["images"][0].affine == "mine"


def test_implemented_in_subclass_keeps_its_state() -> None:
    @interop.implemented_in("torch", dtype="float64")
    def affine(x: Any) -> Any:
        return x.affine, str(x.dtype)

    assert affine(tensor(Meta)) == ("mine", "torch.float64")


def test_stack_subclass_with_state_keeps_class_and_state() -> None:
    result: Any = interop.stack([tensor(Meta), tensor(Meta)], "torch")
    assert (type(result), result.affine, tuple(result.shape)) == (Meta, "mine", (2, 2, 3))


def test_stack_subclass_that_loses_its_state_returns_a_plain_tensor() -> None:
    result: Any = interop.stack([tensor(Forgetful), tensor(Forgetful)], "torch", axis=-1)
    assert (type(result), tuple(result.shape)) == (torch.Tensor, (2, 3, 2))


def test_copyto_subclass_writes_values_and_leaves_state() -> None:
    dst, source = tensor(Meta), tensor(Meta) + 1
    interop.copyto(dst, source, batch_bytes=8)
    assert dst.tolist() == [[1, 2, 3], [4, 5, 6]]
    assert dst.affine == "mine"


@changes
def test_to_numpy_subclass_with_raising_hooks_returns_its_values(keywords: Any) -> None:
    class Asked(TENSOR):  # type: ignore[misc]
        @classmethod
        def __torch_function__(cls, *_: Any, **__: Any) -> Any:
            raise AssertionError

        def __getattribute__(self, name: str) -> Any:
            redefined = (
                "shape",
                "dtype",
                "device",
                "detach",
                "to",
                "clone",
                "numpy",
                "requires_grad",
            )
            if name in redefined:
                raise AssertionError(name)
            return super().__getattribute__(name)

    x = torch.arange(6.0).reshape(2, 3).as_subclass(Asked)
    assert_values(interop.to_numpy(x, **keywords), keywords)
    assert_values(interop.to_torch(x, **keywords), keywords)
    assert interop.stack([x, x], "numpy").shape == (2, 2, 3)
    assert interop.device_of(x) == interop.Device(1, 0)


def test_to_torch_parameter_subclass_with_its_own_to_keeps_class_and_state() -> None:
    class Quantized(PARAMETER):  # type: ignore[misc]
        def to(self, *args: Any) -> Any:
            result = Quantized(self.data.to(*args), requires_grad=False)
            result.__dict__.update(vars(self))
            return result

    x = Quantized(torch.ones(3), requires_grad=False)
    x.scale = 2
    result: Any = interop.to_torch(x, dtype="float64")
    assert (type(result), result.scale, result.dtype) == (Quantized, 2, torch.float64)


def test_to_torch_parameter_becomes_a_tensor_in_the_graph() -> None:
    weight = torch.nn.Parameter(torch.ones(3))
    result: Any = interop.to_torch(weight, dtype="float64")
    assert type(result) is torch.Tensor
    assert result.grad_fn is not None


@changes
def test_to_torch_subclass_in_a_graph_keeps_state_and_gradient(keywords: Any) -> None:
    leaf = tensor(Meta).requires_grad_()
    result: Any = interop.to_torch(leaf, **keywords)
    assert result.affine == "mine"
    assert result.requires_grad == result.dtype.is_floating_point


@pytest.mark.parametrize(
    "keywords", [{"copy": True}, {"dtype": "float32", "casting": "unsafe"}], ids=str
)
def test_to_torch_conjugated_subclass_is_resolved_with_its_state(keywords: Any) -> None:
    x: Any = torch.tensor([1 + 2j]).as_subclass(Meta)
    x.affine = "mine"
    result: Any = interop.to_torch(x.conj(), **keywords)
    assert (type(result), result.affine, result.is_conj()) == (Meta, "mine", False)
    assert result.tolist() == ([1 - 2j] if "copy" in keywords else [1])


# Subclasses with wrong results


def misbehaving(answer: Any) -> type[torch.Tensor]:
    """Return a class whose `to` and `clone` return `answer(plain copy)`."""

    class Odd(TENSOR):  # type: ignore[misc]
        def to(self, *args: Any) -> Any:
            return answer(self, self.as_subclass(torch.Tensor).to(*args))

        def clone(self) -> Any:
            return answer(self, self.as_subclass(torch.Tensor).clone())

    return Odd


ODD: dict[str, Any] = {
    "another dtype": lambda _, copied: copied.to(torch.float16),
    "another device": lambda _, copied: copied.to("meta"),
    "another shape": lambda _, copied: copied[:1],
    "itself": lambda x, _: x,
    "a view of itself": lambda x, _: x.as_subclass(torch.Tensor)[:],
    "no tensor": lambda _, copied: copied.numpy(),
    "nothing": lambda *_: None,
    "an error": lambda *_: 1 / 0,
}


@changes
@pytest.mark.parametrize("answer", ODD.values(), ids=ODD)
def test_to_torch_subclass_with_a_wrong_result_returns_a_plain_tensor(
    answer: Any, keywords: Any
) -> None:
    x = torch.arange(6.0).reshape(2, 3).as_subclass(misbehaving(answer))
    result: Any = interop.to_torch(x, **keywords)
    assert type(result) is torch.Tensor
    assert result.device.type == "cpu"
    assert not interop.shares_memory(result, x)
    assert_values(result, keywords)


def test_to_torch_subclass_that_detaches_does_not_lose_the_gradient() -> None:
    x = (
        torch.ones(2, 3)
        .as_subclass(misbehaving(lambda _, copied: copied.detach()))
        .requires_grad_()
    )
    assert interop.to_torch(x, dtype="float64").grad_fn is not None


def test_stack_subclass_with_a_wrong_result_returns_a_plain_tensor() -> None:
    class Odd(TENSOR):  # type: ignore[misc]
        @classmethod
        def __torch_function__(
            cls, function: Any, types: Any, args: Any = (), kwargs: Any = None
        ) -> Any:
            if function is torch.stack:
                return torch.zeros(1)
            return super().__torch_function__(function, types, args, kwargs or {})

    x = torch.arange(6.0).reshape(2, 3).as_subclass(Odd)
    result: Any = interop.stack([x, x], "torch")
    assert type(result) is torch.Tensor
    assert result.tolist() == [[[0, 1, 2], [3, 4, 5]]] * 2


# NumPy and CuPy


@changes
def test_to_numpy_subclass_with_state_keeps_class_and_state(keywords: Any) -> None:
    result: Any = interop.to_numpy(array(Signal), **keywords)
    assert (type(result), result.affine) == (Signal, "mine")
    assert_values(result, keywords)


@changes
def test_to_numpy_subclass_that_loses_its_state_returns_a_plain_ndarray(keywords: Any) -> None:
    result = interop.to_numpy(array(ForgetfulArray), **keywords)
    assert type(result) is np.ndarray
    assert_values(result, keywords)


@changes
def test_to_torch_ndarray_subclass_with_raising_copy_method_is_converted(keywords: Any) -> None:
    class Odd(NDARRAY):  # type: ignore[misc]
        def copy(self, *_: Any) -> Any:
            raise AssertionError

    x = np.arange(6.0, dtype="f4").reshape(2, 3).view(Odd)
    assert_values(interop.to_torch(x, **keywords), keywords)
    assert_values(interop.to_numpy(x, **keywords), keywords)


def test_to_numpy_copy_of_a_masked_array_keeps_the_mask() -> None:
    masked = np.ma.MaskedArray([1.0, 2.0], mask=[True, False])
    assert interop.to_numpy(masked, copy=True).tolist() == [None, 2]


@pytest.mark.requires("cupy", "gpu")
def test_to_cupy_subclass_keeps_its_state_or_returns_a_plain_array() -> None:
    import cupy

    class ForgetfulCuPy(cupy.ndarray):  # type: ignore[misc]
        affine = "default"

    x = cupy.empty((2, 3), "f4").view(ForgetfulCuPy)
    x.affine = "mine"
    result = interop.to_cupy(x, copy=True)
    assert getattr(result, "affine", None) in (None, "mine")


@pytest.mark.requires("gpu")
def test_to_torch_subclass_on_a_device_keeps_its_state() -> None:
    there: Any = interop.to_torch(tensor(Meta), device="cuda")
    back: Any = interop.to_torch(there, device="cpu")
    assert (type(there), there.affine, there.device.type) == (Meta, "mine", "cuda")
    assert (type(back), back.affine, back.tolist()) == (Meta, "mine", [[0, 1, 2], [3, 4, 5]])


def test_to_torch_of_an_ndarray_subclass_that_redefines_view_shares_memory() -> None:
    class Guarded(np.ndarray[Any, Any]):
        def view(self, *_: Any, **__: Any) -> Any:
            raise AssertionError

    x = np.ndarray.view(np.arange(3.0), Guarded)
    tensor = interop.to_torch(x)
    assert interop.shares_memory(x, tensor)
    assert tensor.tolist() == [0.0, 1.0, 2.0]
