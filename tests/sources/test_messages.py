"""The text of each refusal, and that the code in its hint gives an array."""

import re
from collections.abc import Iterable
from typing import Any, Final

import pytest

import interop

from .cases import CASES, REFUSED, Case

FILL: Final = "missing value, which numbers cannot express. Fill or drop them first:"
SAYS: Final = {
    "pandas Series `Int64` with NA": f"it has 1 {FILL} x.fillna(value), x.dropna().",
    "pandas Series `double[pyarrow]` with NA": f"it has 1 {FILL} x.fillna(value), x.dropna().",
    "pandas Series of text": "it holds text. Convert it to numbers first: x.astype(float).",
    "pandas Series of categories": (
        "it holds categories. Convert their codes, or the values: x.cat.codes, x.astype(float)."
    ),
    "pandas Series of words": "it holds text. Number the distinct texts: x.factorize()[0].",
    "pandas Index of words": "it holds text. Number the distinct texts: x.factorize()[0].",
    "pandas Series of categories of words": "it holds categories. Convert their codes: x.cat.codes.",
    "pandas Categorical of words": "it holds categories. Convert their codes: x.codes.",
    "pandas Series of times": 'it holds times. Convert it to numbers first: x.astype("int64").',
    "pandas DataFrame with NA": f"its column 'b' has 1 {FILL} x.fillna(value), x.dropna().",
    "pandas DataFrame with text": "its column 'b' holds text. Leave it out, or convert the columns one by one.",
    "polars Series with null": f"it has 1 {FILL} x.fill_null(value), x.drop_nulls().",
    "polars Series of arrays with null inside": (
        f"it has 1 {FILL} x.explode().fill_null(value), x.explode().drop_nulls()."
    ),
    "polars Series of text": "it holds text. Convert it to numbers first: x.cast(float).",
    "polars Series of dates": "it holds times. Convert it to numbers first: x.to_physical().",
    "polars Series of categories": "it holds categories. Convert their codes: x.to_physical().",
    "polars Series of categories of numbers": (
        "it holds categories. Convert their codes, or the values: x.to_physical(), x.cast(str).cast(float)."
    ),
    "polars Series of words": 'it holds text. Number the distinct texts: x.rank("dense").',
    "polars Series of decimals": "it holds decimals. Convert it to numbers first: x.cast(float).",
    "polars Series of lists": "it holds lists. Flatten it first: x.explode().",
    "polars Series of structs": "it holds records. Convert their fields one by one.",
    "polars DataFrame with null": f"its column 'b' has 1 {FILL} x.fill_null(value), x.drop_nulls().",
    "pyarrow Array with null": f"it has 1 {FILL} x.fill_null(value), x.drop_null().",
    "pyarrow Array of text": 'it holds text. Convert it to numbers first: x.cast("float64").',
    "pyarrow Array of words": "it holds text. Number the distinct texts: x.dictionary_encode().indices.",
    "pyarrow ChunkedArray of words": (
        "it holds text. Number the distinct texts: x.combine_chunks().dictionary_encode().indices."
    ),
    "pyarrow Array of dictionary codes of words": "it holds categories. Convert their codes: x.indices.",
    "pyarrow ChunkedArray of dictionary codes": (
        "it holds categories. Convert their codes, or the values: x.combine_chunks().indices, "
        "x.cast(x.type.value_type)."
    ),
    "pyarrow Array of dates": 'it holds times. Convert it to numbers first: x.cast("int32").',
    "pyarrow Array of dictionary codes": (
        "it holds categories. Convert their codes, or the values: x.indices, x.dictionary_decode()."
    ),
    "pyarrow Array of lists": "it holds lists. Flatten it first: x.flatten().",
    "pyarrow Array of tensors with null inside": (
        f"it has 1 {FILL} x.storage.flatten().fill_null(value), x.storage.flatten().drop_null()."
    ),
    "pyarrow Table with null": f"its column 'b' has 1 {FILL} x.drop_null().",
    "xarray DataArray of times": (
        "NumPy's datetime64[ns] is not a dtype of plain numbers. "
        'View it as numbers: x.view("int64"). Unwrap it before that: x = x.data.'
    ),
    "xarray DataArray over pandas' `Int64` with NA": (
        f"it has 1 {FILL} x.fillna(value), x.dropna(). Unwrap it before that: x = x.data."
    ),
    "xarray Dataset": (
        'it holds several named arrays. Convert one of them: x["name"], or all in one array: x.to_dataarray().'
    ),
}
CALLS: Final = re.compile(r"x(?:\.\w+(?:\([^()]*\))?(?:\[0\])?)+")
NAMED: Final = {case.name: case for case in CASES}


def cases(names: Iterable[str]) -> pytest.MarkDecorator:
    chosen = [NAMED[name] for name in names]
    marks = [
        pytest.mark.requires("torch", *(p.partition(".")[0] for p in case.packages))
        for case in chosen
    ]
    return pytest.mark.parametrize(
        "case",
        [
            pytest.param(case, id=case.name, marks=mark)
            for case, mark in zip(chosen, marks, strict=True)
        ],
    )


def refusal(x: Any) -> str:
    with pytest.raises(interop.UnsupportedArrayError) as caught:
        interop.to_torch(x)
    return str(caught.value)


@cases(SAYS)
def test_to_torch_refusal_gives_the_reason_and_a_hint(case: Case) -> None:
    message = refusal(case.source())
    assert re.match(r"cannot convert \S+ .+ on cpu to torch: ", message)
    assert message.endswith(f": {SAYS[case.name]}")


@cases(name for name in SAYS if CALLS.search(SAYS[name]))
def test_to_torch_refusal_hint_runs_and_gives_an_array(case: Case) -> None:
    x = case.source()
    scope: dict[str, Any] = {"x": x, "value": 0}
    if case.library == "array-api-strict":
        scope["device"] = x.to_device.__globals__["CPU_DEVICE"]
    if "Unwrap it before that: x = x.data." in SAYS[case.name]:
        scope["x"] = x.data
    for call in CALLS.findall(SAYS[case.name]):
        if call != "x.data":
            assert len(interop.to_torch(eval(call, scope)))  # noqa: S307 - our own words


def test_refused_cases_have_a_pinned_message_or_a_listed_exception() -> None:
    refused = {case.name for case in CASES if case.numpy == REFUSED}
    assert refused - SAYS.keys() == {
        "h5py dataset of records",
        "h5py dataset of text",
        "pandas Series `Float64` with NA",
        "pandas Series `boolean` with NA",
        "pandas Series `int64[pyarrow]` with NA",
        "pandas Series of objects",
        "pyarrow ChunkedArray with null",
    }


@pytest.mark.requires("torch", "pandas", "polars", "pyarrow")
def test_to_torch_refusal_names_the_source_with_dtype_and_shape() -> None:
    names = ("pandas Series `Int64` with NA", "pandas DataFrame with NA", "pyarrow Array with null")
    assert [refusal(NAMED[name].source()).partition(":")[0] for name in names] == [
        "cannot convert pandas.Series Int64 (2,) on cpu to torch",
        "cannot convert pandas.DataFrame Int64 (2, 1) on cpu to torch",
        "cannot convert pyarrow.lib.DoubleArray double (2,) on cpu to torch",
    ]


@pytest.mark.requires("torch", "polars", "pandas", "pyarrow", "zarr", "h5py")
def test_to_torch_from_file_group_or_lazy_frame_raises_not_an_array(tmp_path: Any) -> None:
    pl: Any = pytest.importorskip("polars")
    pa: Any = pytest.importorskip("pyarrow")
    h5py: Any = pytest.importorskip("h5py")
    zarr: Any = pytest.importorskip("zarr")
    pd: Any = pytest.importorskip("pandas")
    with h5py.File(tmp_path / "x.h5", "w") as file:
        for x in (pl.LazyFrame({"a": [1]}), pa.scalar(1), file, zarr.group(), pd.NA):
            with pytest.raises(interop.NotAnArrayError, match=r"is not an array: it "):
                interop.to_torch(x)


@pytest.mark.requires("torch")
def test_convert_raw_dlpack_capsule_is_refused_and_left_unused() -> None:
    import torch
    from torch.utils.dlpack import from_dlpack

    capsule = torch.ones(3).__dlpack__()
    for to in ("numpy", "torch"):
        with pytest.raises(interop.NotAnArrayError) as caught:
            interop.convert(capsule, to)
        words = "a raw capsule can be used only once. Pass the array that made it instead."
        assert str(caught.value) == words
    assert from_dlpack(capsule).tolist() == [1, 1, 1], "nobody has used it"
