"""Tensors without a shape, and real tensors under torch's fake tensor mode."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from torch._subclasses import FakeTensorMode

import interop

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.requires("torch")

WANTED = [10.0, 11.0, 12.0]
BIG = 1_100_000


def copied(dst: Any, src: Any) -> Any:
    interop.copyto(dst, src)
    return dst


REAL: dict[str, Callable[[Any], Any]] = {
    "share": interop.to_numpy,
    "convert_tree": lambda x: interop.convert_tree([x], "numpy")[0],
    "share detached": lambda x: interop.to_numpy(x, detach=True),
    "copy": lambda x: interop.to_numpy(x, copy=True),
    "cast": lambda x: interop.to_numpy(x, dtype="float64"),
    "copy within torch": lambda x: interop.to_torch(x, copy=True),
    "cast within torch": lambda x: interop.convert_tree([x], "torch", dtype="float64")[0],
    "stack": lambda x: interop.stack([x, x], "torch"),
    "copyto NumPy": lambda x: copied(np.zeros(3, "f4"), x),
    "copyto itself": lambda x: copied(x, x),
    "export": lambda x: np.from_dlpack(interop.export(x)),
}
NATIVE = {"share", "convert_tree"}
"""These call `Tensor.numpy` directly, which is wrong in the lenient mode: see the traps page."""


def _marks(name: str) -> Any:
    """Return what a verb requires. DLPack of old releases fails in the mode."""
    return pytest.mark.requires("torch-dlpack") if name == "export" else ()


@pytest.mark.parametrize(
    "verb", [pytest.param(verb, marks=_marks(name), id=name) for name, verb in REAL.items()]
)
def test_verbs_in_fake_tensor_mode_keep_values_of_real_tensors(verb: Callable[[Any], Any]) -> None:
    tensor = torch.tensor(WANTED)
    for _ in range(2):  # planned, then cached
        with FakeTensorMode():
            result = verb(tensor)
        assert result.tolist() in (WANTED, [WANTED, WANTED])


@pytest.mark.parametrize(
    "verb",
    [
        pytest.param(verb, marks=_marks(name), id=name)
        for name, verb in REAL.items()
        if name not in NATIVE
    ],
)
def test_verbs_in_lenient_fake_tensor_mode_keep_values_of_real_tensors(
    verb: Callable[[Any], Any],
) -> None:
    tensor = torch.tensor(WANTED)
    for _ in range(2):
        with FakeTensorMode(allow_non_fake_inputs=True):
            result = verb(tensor)
        assert result.tolist() in (WANTED, [WANTED, WANTED])


@pytest.mark.parametrize("keywords", [{}, {"dtype": "float32"}, {"copy": True}], ids=str)
@pytest.mark.parametrize("count", [3, BIG])
@pytest.mark.parametrize("writeable", [True, False])
def test_to_torch_ndarray_in_fake_tensor_mode_is_a_tensor(
    keywords: Any, count: int, writeable: bool
) -> None:
    array = np.ones(count)
    array.flags.writeable = writeable
    with FakeTensorMode():
        tensor = interop.to_torch(array, **keywords)
    assert isinstance(tensor, torch.Tensor)
    assert (tensor.shape, tensor.dtype) == (
        (count,),
        torch.float32 if "dtype" in keywords else torch.float64,
    )


@pytest.mark.parametrize("to", ["numpy", "torch"])
def test_convert_tree_fake_tensor_with_dtype_is_refused_with_its_path(to: str) -> None:
    with FakeTensorMode():
        tree = {"a": [torch.ones(3)]}
        with pytest.raises(
            interop.UnsupportedArrayError, match="FakeTensor has no memory"
        ) as caught:
            interop.convert_tree(tree, to, dtype="float64")
    assert caught.value.__notes__ == ["at tree['a'][0]"]


# Parameters without a shape


def lazy_state() -> dict[str, Any]:
    return dict(torch.nn.LazyBatchNorm1d().state_dict())


@pytest.mark.parametrize("to", ["numpy", "torch"])
@pytest.mark.parametrize(
    "keywords", [{"dtype": "float64"}, {"dtype": "float64", "copy": True}], ids=str
)
def test_convert_tree_lazy_parameter_is_refused_with_its_path(keywords: Any, to: str) -> None:
    for state in (torch.nn.LazyLinear(2).state_dict(), lazy_state()):
        with pytest.raises(
            interop.UnsupportedArrayError, match=r"without a shape yet\. Call the module once"
        ) as caught:
            interop.convert_tree(state, to, **keywords)
        assert caught.value.__notes__ == ["at tree['weight']"]


def test_convert_tree_lazy_parameter_in_a_module_names_its_path() -> None:
    with pytest.raises(interop.UnsupportedArrayError) as caught:
        interop.convert_tree({"model": torch.nn.LazyLinear(2).state_dict()}, "numpy")
    assert caught.value.__notes__ == ["at tree['model']['weight']"]


def test_convert_tree_module_that_was_called_is_converted() -> None:
    module = torch.nn.LazyLinear(2)
    module(torch.ones(1, 3))
    state = interop.convert_tree(module.state_dict(), "numpy")
    assert {name: x.shape for name, x in state.items()} == {"weight": (2, 3), "bias": (2,)}


@pytest.mark.parametrize("keywords", [{}, {"device": "cpu"}, {"dtype": "float32"}], ids=str)
def test_to_torch_unchanged_lazy_parameter_is_the_same_object(keywords: Any) -> None:
    weight = torch.nn.LazyLinear(2).weight
    assert interop.to_torch(weight, **keywords) is weight


@pytest.mark.parametrize("name", ["weight", "running_mean"])
def test_to_torch_copy_of_lazy_parameter_is_a_new_lazy_parameter(name: str) -> None:
    state = lazy_state()
    result = interop.to_torch(state[name], copy=True)
    assert type(result) is type(state[name])
    assert result is not state[name]
    assert vars(result) == vars(state[name])
    assert result.requires_grad == state[name].requires_grad


@pytest.mark.requires("gpu")
def test_convert_tree_lazy_state_moves_to_a_device_and_loads() -> None:
    state = interop.convert_tree(torch.nn.LazyLinear(2).state_dict(), "torch", device="cuda")
    assert {str(x.device) for x in state.values()} == {"cuda:0"}
    module = torch.nn.LazyLinear(2)
    module.load_state_dict(state)
    assert type(module.weight) is torch.nn.UninitializedParameter


def test_stack_lazy_parameters_is_refused_with_the_reason() -> None:
    weight = torch.nn.LazyLinear(2).weight
    with pytest.raises(interop.UnsupportedArrayError, match="without a shape yet"):
        interop.stack([weight, weight], "torch")
