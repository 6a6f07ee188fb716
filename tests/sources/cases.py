"""The source objects and the expected conversions: the rows of the table in the docs.

This module imports no library. A case creates its object on request.
"""

import datetime as dt
import decimal
import importlib
import importlib.util
import io
from collections.abc import Callable
from typing import Any, Final, NamedTuple

ZERO, GUARDED, COPIED, READ, REFUSED = (
    "zero-copy",
    "zero-copy, read-only",
    "copy",
    "read, a copy",
    "refused",
)
TARGETS: Final = ("numpy", "torch")
GRID: Final = [[0, 1, 2], [3, 4, 5]]
DAY: Final = dt.date(2020, 1, 2)


class Case(NamedTuple):
    """A source object: name, required packages, factory, values, and expected outcomes."""

    name: str
    packages: tuple[str, ...]
    make: Callable[..., Any]
    values: Any = None
    numpy: str = REFUSED
    torch: str = REFUSED

    def source(self) -> Any:
        """Make the object from the imported packages. The first package is the library."""
        return self.make(*map(importlib.import_module, self.packages))

    @property
    def missing(self) -> list[str]:
        """Return the packages that are not installed."""
        return [
            name
            for name in self.packages
            if importlib.util.find_spec(name.partition(".")[0]) is None
        ]

    @property
    def outcomes(self) -> dict[str, str]:
        """Return the expected outcome by target."""
        return {"numpy": self.numpy, "torch": self.torch}

    @property
    def library(self) -> str:
        """Return the library, under whose name the docs list the case."""
        return self.name.partition(" ")[0]


# -- columns and tables ----------------------------------------------------------------------------

PANDAS: Final = ("pandas",)
PANDAS_ARROW: Final = ("pandas", "pyarrow")
PANDAS_NUMPY: Final = ("pandas", "numpy")
POLARS: Final = ("polars",)
ARROW: Final = ("pyarrow",)
ARROW_TENSOR: Final = ("pyarrow", "numpy")
SHARED: Final = (GUARDED, COPIED)
MADE: Final = (READ, READ)
LENT: Final = (ZERO, ZERO)


def arrow(values: list[Any], dtype: str) -> Callable[..., Any]:
    return lambda pd, _: pd.Series(values, dtype=dtype)


def table(np: Any) -> Any:
    return np.array(GRID)


def frozen(np: Any) -> Any:
    return np.frombuffer(b"a", "uint8")


def nested(pa: Any, values: list[float | None]) -> Any:
    kind = pa.fixed_shape_tensor(pa.float64(), [2])
    return pa.ExtensionArray.from_storage(
        kind, pa.FixedSizeListArray.from_arrays(pa.array(values, pa.float64()), 2)
    )


COLUMNS: Final = [
    Case("pandas Series of NumPy's int64", PANDAS, lambda pd: pd.Series([1, 2, 3]), [1, 2, 3], *SHARED),
    Case("pandas Series `Int64`", PANDAS, lambda pd: pd.Series([1, 2], dtype="Int64"), [1, 2], *SHARED),
    Case("pandas Series `Int64` with NA", PANDAS, lambda pd: pd.Series([1, None], dtype="Int64")),
    Case("pandas Series `Float64`", PANDAS, lambda pd: pd.Series([1, 2], dtype="Float64"), [1, 2], *SHARED),
    Case("pandas Series `Float64` with NA", PANDAS, lambda pd: pd.Series([1, None], dtype="Float64")),
    Case("pandas Series `boolean`", PANDAS, lambda pd: pd.Series([True, False], dtype="boolean"), [1, 0], *SHARED),
    Case("pandas Series `boolean` with NA", PANDAS, lambda pd: pd.Series([True, None], dtype="boolean")),
    Case("pandas Series `int64[pyarrow]`", PANDAS_ARROW, arrow([1, 2], "int64[pyarrow]"), [1, 2], *SHARED),
    Case("pandas Series `bool[pyarrow]`, as bits", PANDAS_ARROW, arrow([True, False], "bool[pyarrow]"), [1, 0], *MADE),
    Case("pandas Series `int64[pyarrow]` with NA", PANDAS_ARROW, arrow([1, None], "int64[pyarrow]")),
    Case("pandas Series `double[pyarrow]` with NA", PANDAS_ARROW, arrow([1, None], "double[pyarrow]")),
    Case("pandas Series, sparse", PANDAS, lambda pd: pd.Series(pd.arrays.SparseArray([0, 0, 1])), [0, 0, 1], *MADE),
    Case("pandas Series of objects", PANDAS, lambda pd: pd.Series([1, pd.NA], dtype=object)),
    Case("pandas Series of text", PANDAS, lambda pd: pd.Series(["1", "2"])),
    Case("pandas Series of categories", PANDAS, lambda pd: pd.Series([1, 2], dtype="category")),
    Case("pandas Series of words", PANDAS, lambda pd: pd.Series(["a", "b"])),
    Case("pandas Index of words", PANDAS, lambda pd: pd.Index(["a", "b"])),
    Case("pandas Series of categories of words", PANDAS, lambda pd: pd.Series(["a", "b"], dtype="category")),
    Case("pandas Categorical of words", PANDAS, lambda pd: pd.Categorical(["a", "b"])),
    Case("pandas Series of times", PANDAS, lambda pd: pd.Series(pd.to_datetime(["2020-01-02"]))),
    Case("pandas Index", PANDAS, lambda pd: pd.Index([1, 2]), [1, 2], *SHARED),
    Case("pandas extension array `Int64`", PANDAS, lambda pd: pd.array([1, 2]), [1, 2], *LENT),
    Case("pandas DataFrame of one dtype", PANDAS_NUMPY, lambda pd, np: pd.DataFrame(table(np)), GRID, *SHARED),
    Case("pandas DataFrame of two dtypes", PANDAS, lambda pd: pd.DataFrame({"a": [1], "b": [2.5]}), [[1, 2.5]], *MADE),
    Case("pandas DataFrame with NA", PANDAS, lambda pd: pd.DataFrame({"b": [1, None]}, dtype="Int64")),
    Case("pandas DataFrame with text", PANDAS, lambda pd: pd.DataFrame({"a": [1, 2], "b": ["x", "y"]})),
    Case("polars Series", POLARS, lambda pl: pl.Series([1, 2]), [1, 2], *SHARED),
    Case("polars Series in several chunks", POLARS, lambda pl: pl.Series([1]).append(pl.Series([2])), [1, 2], *MADE),
    Case("polars Series of Booleans, as bits", POLARS, lambda pl: pl.Series([True, False]), [1, 0], *MADE),
    Case("polars Series of arrays", POLARS, lambda pl: pl.Series(GRID, dtype=pl.Array(pl.Int64, 3)), GRID, *SHARED),
    Case("polars Series with null", POLARS, lambda pl: pl.Series([1.0, None])),
    Case("polars Series of arrays with null inside", POLARS, lambda pl: pl.Series([[1.0, None]]).reshape((1, 2))),
    Case("polars Series of text", POLARS, lambda pl: pl.Series(["1"])),
    Case("polars Series of dates", POLARS, lambda pl: pl.Series([DAY])),
    Case("polars Series of categories", POLARS, lambda pl: pl.Series(["a"], dtype=pl.Categorical)),
    Case("polars Series of categories of numbers", POLARS, lambda pl: pl.Series(["1.5"], dtype=pl.Categorical)),
    Case("polars Series of words", POLARS, lambda pl: pl.Series(["a", "b"])),
    Case("polars Series of decimals", POLARS, lambda pl: pl.Series([decimal.Decimal("1.5")])),
    Case("polars Series of lists", POLARS, lambda pl: pl.Series([[1], [2, 3]])),
    Case("polars Series of structs", POLARS, lambda pl: pl.Series([{"a": 1}])),
    Case("polars DataFrame", POLARS, lambda pl: pl.DataFrame({"a": [1, 2], "b": [3.0, 4]}), [[1, 3], [2, 4]], *MADE),
    Case("polars DataFrame with null", POLARS, lambda pl: pl.DataFrame({"a": [1, 2], "b": [3, None]})),
    Case("pyarrow Array", ARROW, lambda pa: pa.array([1, 2]), [1, 2], *SHARED),
    Case("pyarrow Array, a slice", ARROW, lambda pa: pa.array([1, 2, 3])[1:], [2, 3], *SHARED),
    Case("pyarrow Array of Booleans, as bits", ARROW, lambda pa: pa.array([True, False]), [1, 0], *MADE),
    Case("pyarrow Array with null", ARROW, lambda pa: pa.array([1.0, None])),
    Case("pyarrow Array of text", ARROW, lambda pa: pa.array(["1"])),
    Case("pyarrow Array of words", ARROW, lambda pa: pa.array(["a", "b"])),
    Case("pyarrow ChunkedArray of words", ARROW, lambda pa: pa.chunked_array([["a"], ["b"]])),
    Case(
        "pyarrow Array of dictionary codes of words", ARROW, lambda pa: pa.array(["a", "b"]).dictionary_encode()
    ),
    Case(
        "pyarrow ChunkedArray of dictionary codes", ARROW, lambda pa: pa.chunked_array([[1.5]]).dictionary_encode()
    ),
    Case("pyarrow Array of dates", ARROW, lambda pa: pa.array([DAY])),
    Case("pyarrow Array of dictionary codes", ARROW, lambda pa: pa.array([1, 2]).dictionary_encode()),
    Case("pyarrow Array of lists", ARROW, lambda pa: pa.array([[1], [2, 3]])),
    Case("pyarrow Array of tensors", ARROW, lambda pa: nested(pa, [1, 2, 3, 4]), [[1, 2], [3, 4]], *SHARED),
    Case("pyarrow Array of tensors with null inside", ARROW, lambda pa: nested(pa, [1, None, 3, 4])),
    Case("pyarrow ChunkedArray of one chunk", ARROW, lambda pa: pa.chunked_array([[1, 2]]), [1, 2], *SHARED),
    Case("pyarrow ChunkedArray of several chunks", ARROW, lambda pa: pa.chunked_array([[1], [2]]), [1, 2], *MADE),
    Case("pyarrow ChunkedArray with null", ARROW, lambda pa: pa.chunked_array([[1], [None]])),
    Case("pyarrow Table", ARROW, lambda pa: pa.table({"a": [1, 2], "b": [3, 4]}), [[1, 3], [2, 4]], *MADE),
    Case("pyarrow Table with null", ARROW, lambda pa: pa.table({"a": [1, 2], "b": [3, None]})),
    Case("pyarrow RecordBatch", ARROW, lambda pa: pa.record_batch({"a": [1, 2]}), [[1], [2]], *MADE),
    Case("pyarrow Tensor", ARROW_TENSOR, lambda pa, np: pa.Tensor.from_numpy(np.array(GRID)), GRID, *LENT),
    Case("pyarrow Tensor, immutable", ARROW_TENSOR, lambda pa, np: pa.Tensor.from_numpy(frozen(np)), [97], *SHARED),
]  # fmt: skip


# -- arrays, images and files ----------------------------------------------------------------------

XARRAY: Final = ("xarray", "numpy")
XARRAY_PANDAS: Final = ("xarray", "pandas")
STRICT: Final = ("array_api_strict",)
GREY: Final = [[[value] * 3 for value in row] for row in GRID]
IMAGE: Final = ("PIL.Image", "numpy")
H5PY: Final = ("h5py", "numpy")
ZARR: Final = ("zarr", "numpy")


def over_pandas(xr: Any, pd: Any) -> Any:
    return xr.DataArray(pd.array([1, None]))


def image(pil: Any, np: Any, mode: str) -> Any:
    return pil.fromarray(np.array(GRID, "uint8")).convert(mode)


def indices(pil: Any, np: Any) -> Any:
    """Return a palette image, whose pixels are palette indices."""
    x = pil.fromarray(np.array(GRID, "uint8"), "L").convert("P")
    x.putpalette([channel for i in range(256) for channel in (255 - i, 0, 0)])
    return x


def dataset(h5py: Any, data: Any) -> Any:
    return h5py.File(io.BytesIO(), "w").create_dataset("x", data=data)


def on_library_device(xp: Any) -> Any:
    return xp.ones(2, device=xp.Device("device1"))


REST: Final = [
    Case("xarray DataArray", XARRAY, lambda xr, np: xr.DataArray(np.array(GRID)), GRID, *LENT),
    Case("xarray Variable", XARRAY, lambda xr, np: xr.Variable(("y", "x"), np.array(GRID)), GRID, *LENT),
    Case("xarray index", XARRAY, lambda xr, np: xr.IndexVariable("x", np.arange(3)), [0, 1, 2], *MADE),
    Case("xarray Dataset", XARRAY, lambda xr, np: xr.Dataset({"name": ("x", np.arange(3))})),
    Case("xarray DataArray of times", XARRAY, lambda xr, np: xr.DataArray(np.array(["2020"], "M8[ns]"))),
    Case("xarray DataArray over pandas' `Int64` with NA", XARRAY_PANDAS, over_pandas),
    Case("array-api-strict Array", STRICT, lambda xp: xp.asarray([1.0, 2.0]), [1, 2], *LENT),
    Case("array-api-strict Array on `device1`", STRICT, on_library_device, [1, 1], COPIED, COPIED),
    Case("Pillow image `L`", IMAGE, lambda pil, np: image(pil, np, "L"), GRID, *MADE),
    Case("Pillow image `RGB`", IMAGE, lambda pil, np: image(pil, np, "RGB"), GREY, *MADE),
    Case("Pillow image `1`", IMAGE, lambda pil, np: pil.fromarray(np.array([[True, False]])), [[1, 0]], *MADE),
    Case("Pillow image `F`", IMAGE, lambda pil, np: image(pil, np, "F"), GRID, *MADE),
    Case("Pillow image `P` (the indices, not the colours)", IMAGE, indices, GRID, *MADE),
    Case("h5py dataset", H5PY, lambda h5py, np: dataset(h5py, np.array(GRID)), GRID, *MADE),
    Case("h5py dataset, big-endian", H5PY, lambda h5py, np: dataset(h5py, np.array(GRID, ">f8")), GRID, *MADE),
    Case("h5py dataset of records", H5PY, lambda h5py, np: dataset(h5py, np.zeros(2, "i4,f4"))),
    Case("h5py dataset of text", H5PY, lambda h5py, _: dataset(h5py, ["a", "b"])),
    Case("zarr array", ZARR, lambda zarr, np: zarr.array(np.array(GRID), chunks=(1, 3)), GRID, *MADE),
]  # fmt: skip

CASES: Final = [*COLUMNS, *REST]
