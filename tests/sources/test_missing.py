"""Missing values: columns and tables with one are refused, and all others convert unchanged."""

import math
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import interop

NUMBERS = {
    "int64": st.integers(-(2**63), 2**63 - 1),
    "uint8": st.integers(0, 255),
    "float64": st.floats(allow_nan=False),
    "bool": st.booleans(),
}
PANDAS = {"int64": "Int64", "uint8": "UInt8", "float64": "Float64", "bool": "boolean"}
ARROW = {"int64": "int64", "uint8": "uint8", "float64": "double", "bool": "bool"}
POLARS = {"int64": "Int64", "uint8": "UInt8", "float64": "Float64", "bool": "Boolean"}
Column = tuple[str, list[Any]]
COLUMNS = st.sampled_from(sorted(NUMBERS)).flatmap(
    lambda name: st.tuples(
        st.just(name), st.lists(st.none() | NUMBERS[name], min_size=1, max_size=6)
    )
)


def check(column: Column, make: Callable[[], Any], *, table: bool = False) -> None:
    """Check that missing values are refused, and that other objects keep dtype and values."""
    name, values = column
    x = make()
    for to in ("numpy", "torch"):
        if None in values:
            with pytest.raises(interop.UnsupportedArrayError, match=r"has \d+ missing value"):
                interop.convert(x, to)
            continue
        result = interop.convert(x, to)
        assert str(result.dtype).removeprefix("torch.") == name
        assert result.tolist() == ([[value] for value in values] if table else values)


@pytest.mark.requires("torch", "pandas")
@given(COLUMNS)
def test_convert_nullable_pandas_column_refuses_only_missing_values(column: Column) -> None:
    pd: Any = pytest.importorskip("pandas")
    name, values = column
    check(column, lambda: pd.Series(values, dtype=PANDAS[name]))
    check(column, lambda: pd.array(values, dtype=PANDAS[name]))
    check(column, lambda: pd.DataFrame({"a": pd.array(values, dtype=PANDAS[name])}), table=True)


@pytest.mark.requires("torch", "pandas", "pyarrow")
@given(COLUMNS)
def test_convert_arrow_backed_pandas_column_refuses_only_missing_values(column: Column) -> None:
    pd: Any = pytest.importorskip("pandas")
    name, values = column
    check(column, lambda: pd.Series(values, dtype=f"{ARROW[name]}[pyarrow]"))


@pytest.mark.requires("torch", "polars")
@given(COLUMNS, st.integers(0, 6))
def test_convert_polars_column_refuses_only_missing_values(column: Column, cut: int) -> None:
    pl: Any = pytest.importorskip("polars")
    name, values = column
    dtype = getattr(pl, POLARS[name])
    check(column, lambda: pl.Series(values, dtype=dtype))
    check(
        column,
        lambda: pl.Series(values[:cut], dtype=dtype).append(pl.Series(values[cut:], dtype=dtype)),
    )
    check(column, lambda: pl.DataFrame({"a": pl.Series(values, dtype=dtype)}), table=True)


@pytest.mark.requires("torch", "pyarrow")
@given(COLUMNS, st.integers(0, 6))
def test_convert_arrow_column_refuses_only_missing_values(column: Column, cut: int) -> None:
    pa: Any = pytest.importorskip("pyarrow")
    name, values = column
    kind = pa.type_for_alias(ARROW[name])
    check(column, lambda: pa.array([None, *values], kind)[1:])
    check(column, lambda: pa.chunked_array([values[:cut], values[cut:]], kind))
    check(column, lambda: pa.table({"a": pa.array(values, kind)}), table=True)


@pytest.mark.requires("torch", "polars")
@pytest.mark.parametrize("shape", [(4,), (2, 2), (1, 2, 2), (2, 1, 2), (1, 2, 1, 2)], ids=str)
def test_to_torch_from_nested_polars_arrays_refuses_only_missing_values(
    shape: tuple[int, ...],
) -> None:
    pl: Any = pytest.importorskip("polars")
    full = pl.Series([1.0, 2.0, 3.0, 4.0]).reshape(shape)
    assert interop.to_torch(full).shape == shape
    for place in range(4):
        values = [None if i == place else 1.0 for i in range(4)]
        with pytest.raises(interop.UnsupportedArrayError, match="it has 1 missing value"):
            interop.to_torch(pl.Series(values).reshape(shape))


@pytest.mark.requires("torch", "pandas")
def test_to_torch_from_numpy_backed_pandas_keeps_nan() -> None:
    pd: Any = pytest.importorskip("pandas")
    for x in (pd.Series([1.0, math.nan]), pd.DataFrame({"a": [1.0, math.nan]})):
        assert math.isnan(float(interop.to_torch(x).ravel()[1]))


@pytest.mark.requires("torch", "pandas", "polars", "pyarrow")
def test_to_torch_from_polars_or_arrow_keeps_nan() -> None:
    pl: Any = pytest.importorskip("polars")
    pa: Any = pytest.importorskip("pyarrow")
    for x in (pl.Series([1.0, math.nan]), pa.array([1.0, math.nan])):
        assert math.isnan(float(interop.to_torch(x)[1]))


@pytest.mark.requires("torch", "pandas")
def test_to_torch_from_nullable_pandas_refuses_nan_that_means_na() -> None:
    pd: Any = pytest.importorskip("pandas")
    zeros = pd.Series([0.0, 1.0], dtype="Float64")
    quotient = zeros / zeros
    assert math.isnan(float(quotient.__array__()[0]))
    assert quotient.isna()[0], "pandas takes NaN for NA here"
    with pytest.raises(interop.UnsupportedArrayError, match="it has 1 missing value"):
        interop.to_torch(quotient)
