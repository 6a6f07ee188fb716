"""Array-API namespaces without an adapter as targets."""

import sys
import types
from collections.abc import Iterator
from typing import Any, ClassVar

import array_api_strict as strict
import numpy as np
import pytest
from numpy.typing import NDArray

import interop
from interop._identify import registry
from interop.adapter import Facts
from interop.testing import AdapterSuite
from registering import registered

BASE = np.arange(6.0).reshape(2, 3)


def readonly(array: NDArray[Any]) -> NDArray[Any]:
    array = array.copy()
    array.flags.writeable = False
    return array


# A namespace that shares memory and has no adapter: array-api-strict


@pytest.mark.parametrize("to", ["array_api_strict", strict])
@pytest.mark.requires("numpy-dlpack")
def test_convert_to_a_namespace_by_name_or_module_shares_memory(to: Any) -> None:
    for _ in range(3):
        x = interop.convert(BASE, to)
        assert type(x) is type(strict.empty(0))
        assert interop.shares_memory(x, BASE)
        assert interop.to_numpy(x).tolist() == BASE.tolist()
    assert interop.explain(BASE, to).zero_copy


def test_convert_array_of_the_namespace_returns_the_array_itself() -> None:
    x = strict.ones(3)
    assert interop.convert(x, strict) is x
    assert not interop.shares_memory(interop.convert(x, strict, copy=True), x)
    assert interop.convert(x, strict, dtype=strict.float32).dtype == strict.float32


@pytest.mark.requires("numpy-dlpack")
def test_convert_read_only_array_to_a_namespace_stays_read_only() -> None:
    array = readonly(BASE)
    x = interop.convert(array, strict)
    assert interop.explain(array, strict).readonly
    assert interop.shares_memory(x, array)
    with pytest.raises(ValueError, match="read-only"):
        x[0, 0] = 7


def test_convert_copy_true_to_a_namespace_is_writable_and_independent() -> None:
    x = interop.convert(readonly(BASE), strict, copy=True)
    x[0, 0] = 7
    assert BASE[0, 0] == 0


def test_convert_cast_to_a_namespace_is_one_copy_without_a_warning() -> None:
    array = np.array([1 + 2j, 3])
    plan = interop.explain(array, strict, dtype="int8", casting="unsafe")
    assert plan.bytes_copied == 2
    assert interop.to_numpy(
        interop.convert(array, strict, dtype="int8", casting="unsafe")
    ).tolist() == [1, 3]


def test_convert_accepts_device_and_dtype_objects_of_a_namespace() -> None:
    x = interop.convert(BASE, strict, dtype=strict.float32, device=strict.Device("CPU_DEVICE"))
    assert x.dtype == strict.float32
    assert interop.to_numpy(BASE, dtype=strict.int64, casting="unsafe").dtype == np.int64


@pytest.mark.parametrize(
    ("x", "keywords", "error", "reason"),
    [
        (
            BASE,
            {"dtype": "float16"},
            interop.UnsupportedArrayError,
            'has no float16. Pass dtype="float32".',
        ),
        (
            BASE,
            {"device": "cuda"},
            interop.InvalidOptionError,
            "can't be on cuda. Its devices are ",
        ),
        (np.array(["a"]), {}, interop.UnsupportedArrayError, "not a dtype of plain numbers"),
    ],
)
def test_convert_to_a_namespace_refuses_an_unsupported_dtype_or_device(
    x: Any, keywords: Any, error: type[Exception], reason: str
) -> None:
    with pytest.raises(error) as caught:
        interop.convert(x, strict, **keywords)
    assert reason in str(caught.value)
    assert "array_api_strict" in str(caught.value)


@pytest.mark.requires("torch", "numpy-dlpack")
def test_convert_to_a_namespace_refuses_a_gradient_without_detach() -> None:
    import torch

    t = torch.ones(3, requires_grad=True)
    with pytest.raises(interop.GradientError, match="array_api_strict would cut it off"):
        interop.convert(t, strict)
    assert interop.shares_memory(interop.convert(t, strict, detach=True), t)


@pytest.mark.requires("cupy", "gpu")
def test_convert_gpu_array_to_a_namespace_moves_to_the_host() -> None:
    import cupy

    x = interop.to_cupy(BASE)
    assert isinstance(x, cupy.ndarray)
    assert interop.explain(x, strict).host_bytes == BASE.nbytes
    assert interop.to_numpy(interop.convert(x, strict)).tolist() == BASE.tolist()


def test_namespace_target_works_with_stack_convert_tree_and_implemented_in() -> None:
    assert type(interop.stack([BASE, BASE], strict)) is type(strict.empty(0))
    tree = interop.convert_tree({"a": BASE, "b": "text"}, strict)
    assert type(tree["a"]) is type(strict.empty(0))
    assert type(interop.implemented_in("numpy", returns=strict)(lambda x: -x)(BASE)) is type(
        strict.empty(0)
    )


def test_implemented_in_namespace_with_unrecognisable_arrays_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    namespace = types.ModuleType("unnamed")
    namespace.asarray = Unnamed  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "unnamed", namespace)
    with pytest.raises(interop.UnknownFrameworkError) as caught:
        interop.implemented_in(namespace)
    assert str(caught.value) == (
        "implemented_in('unnamed') cannot convert results back: unnamed has no adapter, and its arrays have no "
        "__array_namespace__. Register an adapter with interop.register."
    )


class Unnamed:
    """An array of a namespace from before the standard."""

    def __init__(self, x: Any) -> None:
        self.shape, self.dtype = x.shape, x.dtype


def test_namespace_used_as_a_target_is_not_listed_as_a_framework() -> None:
    x = strict.ones(3)
    assert type(interop.to_numpy(x)) is np.ndarray
    with pytest.raises(interop.UnknownFrameworkError):
        interop.framework_of(x)
    assert isinstance(registry.find(strict).describe(x), Facts)
    assert "array_api_strict" not in {info.name for info in interop.frameworks()}


def test_register_adapter_takes_precedence_over_the_generic_adapter() -> None:
    generic = registry.find(strict)
    with registered(type("Better", (type(generic),), {})()):
        assert registry.find("array_api_strict") is not generic
        assert interop.framework_of(strict.ones(3)) == "array_api_strict"
    assert registry.find("array_api_strict") is generic


@pytest.fixture(scope="class")
def _strict_registered() -> Iterator[None]:
    with registered(registry.find(strict)):
        yield


@pytest.mark.usefixtures("_strict_registered")
@pytest.mark.requires("numpy-dlpack")
class TestGenericAdapter(AdapterSuite):
    """The conformance suite for the generic adapter of a registered namespace."""

    framework = "array_api_strict"
    dtypes: ClassVar[tuple[str, ...]] = tuple(n for n in AdapterSuite.dtypes if n != "float16")

    def make(self, array: NDArray[Any]) -> Any:
        return strict.asarray(array, copy=True)
