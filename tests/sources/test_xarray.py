"""Wrappers such as xarray's: the wrapped array keeps its device, laziness and memory."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import interop
import lazily
import units

pytestmark = pytest.mark.requires("torch", "xarray")


def wrap(array: Any) -> Any:
    xr: Any = pytest.importorskip("xarray")
    return xr.DataArray(array)


def variable(array: Any) -> Any:
    xr: Any = pytest.importorskip("xarray")
    return xr.Variable([f"d{i}" for i in range(array.ndim)], array)


WRAPPERS = pytest.mark.parametrize("wrapper", [wrap, variable])


@WRAPPERS
def test_convert_wrapped_ndarray_shares_memory(wrapper: Any) -> None:
    array = np.arange(6.0).reshape(2, 3)
    x = wrapper(array)
    assert interop.to_numpy(x, copy=False) is x.data
    interop.to_torch(x, copy=False)[0, 0] = 7
    assert array[0, 0] == 7
    assert interop.shares_memory(x, array)
    assert interop.device_of(x) == interop.device_of(array)
    assert np.shares_memory(np.from_dlpack(interop.export(x)), array)


@WRAPPERS
def test_convert_wrapped_ndarray_with_copy_true_is_independent(wrapper: Any) -> None:
    array = np.zeros(2)
    interop.to_numpy(wrapper(array), copy=True)[0] = 1
    assert array.tolist() == [0, 0]


@WRAPPERS
@pytest.mark.requires("dask")
def test_convert_wrapped_dask_array_stays_lazy(wrapper: Any) -> None:
    x = wrapper(lazily.lazy())
    result = lazily.convert(x, "torch")
    assert interop.framework_of(result) == "dask"
    assert interop.explain(x, "torch") == interop.explain(x.data, "torch")
    assert result.compute().tolist() == lazily.VALUES.tolist()


@WRAPPERS
@pytest.mark.requires("dask")
def test_verbs_with_wrapped_dask_array_give_the_computed_values(wrapper: Any) -> None:
    values = lazily.VALUES.tolist()
    x = wrapper(lazily.lazy())
    dst = np.zeros(lazily.VALUES.shape)
    interop.copyto(dst, x)
    pieces = [row for piece in interop.batches(x, "torch", size=4) for row in piece.tolist()]
    assert interop.to_torch(x).tolist() == dst.tolist() == pieces == values
    assert interop.stack([x, x], "torch")[1].tolist() == values
    assert interop.unify(np.zeros(1), x)[1].tolist() == values


@WRAPPERS
@pytest.mark.requires("dask")
def test_policy_host_copy_error_refuses_to_compute_wrapped_dask_array(wrapper: Any) -> None:
    x = wrapper(lazily.lazy())
    with interop.options(host_copy="error"):
        with pytest.raises(interop.HostCopyError):
            interop.to_numpy(x)
        with pytest.raises(interop.HostCopyError):
            interop.copyto(np.zeros(lazily.VALUES.shape), x)


@WRAPPERS
@pytest.mark.requires("cupy", "gpu")
def test_convert_wrapped_cupy_array_shares_device_memory(wrapper: Any) -> None:
    import cupy

    array = cupy.array([1.0, 2.0])
    x = wrapper(array)
    assert interop.explain(x, "torch").zero_copy
    assert interop.to_torch(x, copy=False).data_ptr() == array.data.ptr
    assert interop.to_cupy(x) is array
    assert interop.device_of(x) == interop.device_of(array)
    assert interop.to_numpy(x).tolist() == [1, 2]
    with interop.options(host_copy="error"), pytest.raises(interop.HostCopyError):
        interop.to_numpy(x)


@WRAPPERS
def test_convert_wrapped_tensor_returns_the_tensor(wrapper: Any) -> None:
    import torch

    class Duck(torch.Tensor):
        """A tensor with the array API, which xarray wraps instead of converting to NumPy."""

        def __array_namespace__(self, api_version: str | None = None) -> Any:
            return torch

    tensor = torch.ones(2, requires_grad=True).as_subclass(Duck)
    x = wrapper(tensor)
    assert interop.to_torch(x) is tensor
    with pytest.raises(interop.GradientError):
        interop.to_numpy(x)
    assert np.shares_memory(interop.to_numpy(x, detach=True), tensor.detach().numpy())


@pytest.mark.requires("jax")
def test_convert_wrapped_jax_array_returns_the_array() -> None:
    import jax.numpy as jnp

    array = jnp.ones(2)
    assert interop.to_jax(wrap(array)) is array


@pytest.mark.requires("array_api_strict")
def test_convert_wrapped_array_of_another_namespace_shares_memory() -> None:
    xp: Any = pytest.importorskip("array_api_strict")
    array = xp.zeros(2)
    interop.to_torch(wrap(array), copy=False)[0] = 1
    assert float(array[0]) == 1


@pytest.mark.requires("zarr")
@pytest.mark.filterwarnings("ignore:Consolidated metadata")
def test_explain_array_in_a_file_reads_nothing(tmp_path: Path) -> None:
    xr: Any = pytest.importorskip("xarray")
    xr.Dataset({"a": (("y", "x"), np.arange(6.0).reshape(2, 3))}).to_zarr(tmp_path / "x.zarr")
    with xr.open_zarr(tmp_path / "x.zarr", chunks=None) as dataset:
        x = dataset["a"]
        behind = repr(x.variable._data)
        plan = interop.explain(x, "torch")
        assert repr(x.variable._data) == behind, "it was read"
        assert (plan.steps[0].verb, plan.bytes_copied) == ("read", 48)
        assert "stated float64, read to find out" in plan.reason
        assert interop.to_torch(x).tolist() == [[0, 1, 2], [3, 4, 5]]
        with pytest.raises(interop.CopyRequiredError):
            interop.to_torch(x, copy=False)


@pytest.mark.parametrize("to", ["numpy", "torch"])
def test_convert_wrapped_array_with_a_unit_is_refused_with_a_hint_that_runs(to: str) -> None:
    for inner, numbers in ((units.Astropy([1, 2]), "value"), (units.Duck([1, 2]), "magnitude")):
        x = wrap(inner) if isinstance(inner, units.Duck) else hold(inner)
        with pytest.raises(interop.UnsupportedArrayError, match="it has the unit m") as caught:
            interop.convert(x, to)
        assert str(caught.value).endswith(
            f"Convert its numbers: x.{numbers}. Unwrap it before that: x = x.data."
        )
        assert interop.convert(getattr(x.data, numbers), to).tolist() == [1, 2]


def hold(inner: Any) -> Any:
    """Return a wrapper of an ndarray subclass, which xarray itself would replace by an ndarray."""
    x = wrap(np.zeros(inner.shape))
    x.variable._data = inner
    return x


def test_framework_of_a_wrapper_raises_unknown_framework() -> None:
    """A function for NumPy arrays cannot use a wrapper."""
    with pytest.raises(interop.UnknownFrameworkError, match="DataArray can be converted, but"):
        interop.framework_of(wrap(np.zeros(2)))
    assert interop.convert_tree([x := wrap(np.zeros(2))], "torch")[0] is x
    assert interop.convert_tree([x], "torch", foreign=True)[0].tolist() == [0, 0]


def test_convert_named_axes_object_reads_by_the_array_method() -> None:
    class Named:
        """An object with `dims` and `data`, whose `data` would read a file."""

        dims = ("x",)
        shape, dtype = (2,), np.dtype("float64")

        @property
        def data(self) -> Any:
            raise AssertionError("a file was read")

        def __array__(self, dtype: object = None, copy: object = None) -> Any:
            return np.array([1.0, 2.0])

    assert interop.to_torch(Named()).tolist() == [1, 2]


def test_convert_dataset_is_refused_with_a_hint_that_runs() -> None:
    xr: Any = pytest.importorskip("xarray")
    x = xr.Dataset({"name": ("x", np.arange(3))})
    with pytest.raises(
        interop.UnsupportedArrayError,
        match=r'x\["name"\], or all in one array: x\.to_dataarray\(\)',
    ):
        interop.to_torch(x)
    assert interop.to_torch(x["name"]).tolist() == [0, 1, 2]
    assert interop.to_torch(x.to_dataarray()).tolist() == [[0, 1, 2]]
