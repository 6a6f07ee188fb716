"""Memory that only its library can read, and protocols that lend a copy."""

from typing import Any

import pytest

import interop


@pytest.mark.requires("torch", "array_api_strict")
@pytest.mark.parametrize("place", ["device1", "device2", "no_float64"])
@pytest.mark.parametrize("to", ["numpy", "torch"])
def test_convert_from_strict_device_moves_to_cpu_before_reading(
    place: str, to: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    xp: Any = pytest.importorskip("array_api_strict")
    x = xp.ones(2, dtype=xp.float32, device=xp.Device(place))
    export = type(x).__dlpack__

    def checked_export(self: Any, **keywords: Any) -> Any:
        assert self.device == xp.Device("CPU_DEVICE"), "memory of the device was asked for"
        return export(self, **keywords)

    def never(*_: Any, **__: Any) -> Any:
        raise AssertionError("its memory was asked for")

    monkeypatch.setattr(type(x), "__dlpack__", checked_export)
    for protocol in ("__buffer__", "__array__"):
        monkeypatch.setattr(type(x), protocol, never)
    assert interop.explain(x, to).steps[0].verb == "move"
    assert interop.convert(x, to).tolist() == [1, 1]


@pytest.mark.requires("torch", "array_api_strict", "numpy-dlpack")
def test_to_torch_from_strict_cpu_shares_memory() -> None:
    xp: Any = pytest.importorskip("array_api_strict")
    x = xp.zeros(2)
    interop.to_torch(x, copy=False)[0] = 1
    assert float(x[0]) == 1


@pytest.mark.requires("torch", "array_api_strict", "xarray")
def test_convert_wrapped_strict_device_array_plans_like_the_unwrapped_array() -> None:
    xp: Any = pytest.importorskip("array_api_strict")
    xr: Any = pytest.importorskip("xarray")
    x = xr.DataArray(xp.ones(2, device=xp.Device("device1")))
    assert interop.to_torch(x).tolist() == [1, 1]
    assert interop.explain(x, "torch") == interop.explain(x.data, "torch")


def test_to_numpy_when_array_protocol_raises_chains_the_cause() -> None:
    class Refusing:
        shape = (2,)
        dtype = "float64"

        def __array__(self, *_: Any, **__: Any) -> Any:
            raise RuntimeError("its file is closed")

    with pytest.raises(
        interop.UnsupportedArrayError, match=r"Refusing can't be read: .* RuntimeError"
    ) as caught:
        interop.to_numpy(Refusing())
    assert type(caught.value.__cause__) is RuntimeError


@pytest.mark.requires("torch", "xarray")
def test_to_torch_from_xarray_data_shares_memory() -> None:
    import numpy as np

    xr: Any = pytest.importorskip("xarray")
    array = np.zeros(2)
    interop.to_torch(xr.DataArray(array).data, copy=False)[0] = 1
    assert array.tolist() == [1, 0]


@pytest.mark.requires("torch", "pyarrow")
def test_to_numpy_from_pyarrow_array_shares_the_arrow_buffer() -> None:
    pa: Any = pytest.importorskip("pyarrow")
    x = pa.array([1.0, 2.0, 3.0])
    assert interop.to_numpy(x).ctypes.data == x.buffers()[1].address
    assert interop.to_numpy(x[1:]).ctypes.data == x.buffers()[1].address + 8
    assert interop.shares_memory(x, interop.to_numpy(x))
    assert not interop.shares_memory(x, interop.to_torch(x))


@pytest.mark.requires("pandas")
def test_to_numpy_from_pandas_index_cannot_change_the_index() -> None:
    pd: Any = pytest.importorskip("pandas")
    x = pd.Index([1, 2, 3])
    assert x.__array__().flags.writeable, "pandas checked_export it for writing"
    assert not interop.to_numpy(x).flags.writeable
    interop.to_numpy(x, copy=True)[0] = 9
    assert x.get_loc(1) == 0


@pytest.mark.requires("pandas", "polars")
@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_copyto_into_dataframe_is_refused(library: str) -> None:
    x = pytest.importorskip(library).DataFrame({"a": [1.0], "b": [2]})
    with pytest.raises(interop.InteropError):
        interop.copyto(x, [[3.0, 4.0]])


@pytest.mark.requires("pandas")
@pytest.mark.parametrize(
    "labels", [[3.0, 2.0, 1.0, 0.0], ["a", "b", "c", "d"], [9, 8, 7, 6]], ids=str
)
def test_batches_of_labelled_pandas_data_slice_by_position(labels: list[Any]) -> None:
    pd: Any = pytest.importorskip("pandas")
    for x in (
        pd.Series([1, 2, 3, 4], index=labels),
        pd.Series([1, 2, 3, 4], index=labels, dtype="Int64"),
    ):
        assert [piece.tolist() for piece in interop.batches(x, "numpy", size=2)] == [[1, 2], [3, 4]]
    table = pd.DataFrame({"a": [1, 2, 3, 4], "b": [0.5] * 4}, index=labels)
    assert [piece.tolist() for piece in interop.batches(table[["a"]], "numpy", size=2)] == [
        [[1], [2]],
        [[3], [4]],
    ]
    assert [piece.shape for piece in interop.batches(table, "numpy", size=1, axis=1)] == [
        (4, 1),
        (4, 1),
    ]
