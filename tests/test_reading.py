"""Objects read by `__array__`: the array that is read counts, not the stated dtype and shape."""

import warnings
from typing import Any

import numpy as np
import pytest

import foreign
import interop

SCALED = [0.25, 0.5, 2.9]
LIES: dict[str, tuple[Any, str]] = {
    "fractions stated as int16": (np.array(SCALED), "int16"),
    "a large number stated as uint8": (np.array([300.7]), "uint8"),
    "a NaN stated as int32": (np.array([np.nan]), "int32"),
    "a complex number stated as float64": (np.array([1 + 2j]), "float64"),
    "a negative number stated as uint64": (np.array([-1]), "uint64"),
    "a wide number stated as float16": (np.array([1e300]), "float16"),
    "a number stated as bool": (np.array([7]), "bool"),
    "another byte order": (np.array([1.5], ">f4"), "float64"),
    "a reversed array": (np.arange(3)[::-1], "int64"),
}
UNSUPPORTED: dict[str, tuple[Any, str]] = {
    "masked": (np.ma.masked_array([1.0, 2.0], [False, True]), "some elements are masked"),
    "text": (np.array(["1"]), "not a dtype of plain numbers"),
    "times": (np.array(["2020"], "M8[s]"), "not a dtype of plain numbers"),
    "objects": (np.array([None, 1]), "not a dtype of plain numbers"),
}
TO = pytest.mark.parametrize("to", ["numpy", "torch"])
LIE = pytest.mark.parametrize("name", LIES)


def scaled() -> foreign.Stated:
    return foreign.Stated(np.array(SCALED))


def equal(result: Any, array: Any) -> bool:
    return np.array_equal(interop.to_numpy(result), array, equal_nan=True) and str(
        result.dtype
    ).endswith(array.dtype.name)


@pytest.mark.requires("torch")
@LIE
@TO
def test_convert_object_with_stated_dtype_returns_the_values_read(name: str, to: str) -> None:
    array, dtype = LIES[name]
    x = foreign.Stated(array, dtype)
    result = interop.convert(x, to)
    assert interop.framework_of(result) == to
    assert equal(result, array)
    assert x.reads == 1


@pytest.mark.requires("torch")
@LIE
def test_verbs_object_with_stated_dtype_return_the_values_read(name: str) -> None:
    array, dtype = LIES[name]
    x = foreign.Stated(array, dtype)
    assert equal(interop.unify(np.zeros(1), x)[1], array)
    assert equal(interop.convert_tree([x], "torch", foreign=True)[0], array)
    assert equal(interop.stack([x, x], "torch")[1], array)
    assert equal(next(iter(interop.batches(x, "torch", size=9))), array)
    assert equal(np.from_dlpack(interop.export(x)), array)
    whole = np.zeros_like(array, array.dtype.newbyteorder("="))
    interop.copyto(whole, x)
    assert equal(whole, array)


@pytest.mark.requires("torch", "dask")
@LIE
def test_convert_object_with_stated_dtype_to_dask_returns_the_values_read(name: str) -> None:
    array, dtype = LIES[name]
    lazy = interop.convert(foreign.Stated(array, dtype), "dask")
    assert lazy.dtype.name == array.dtype.name
    assert equal(interop.to_torch(lazy), array)


@pytest.mark.requires("torch")
@TO
def test_convert_object_with_wrong_stated_shape_returns_the_values_read(to: str) -> None:
    x = foreign.Stated(np.arange(6).reshape(2, 3), "int64", shape=(7,))
    assert interop.convert(x, to).tolist() == [[0, 1, 2], [3, 4, 5]]
    assert [piece.tolist() for piece in interop.batches(x, to, size=1)] == [
        [[0, 1, 2]],
        [[3, 4, 5]],
    ]


@pytest.mark.requires("torch")
@pytest.mark.parametrize("name", UNSUPPORTED)
@TO
def test_convert_object_that_reads_as_masked_or_not_numeric_is_refused(name: str, to: str) -> None:
    array, reason = UNSUPPORTED[name]
    with pytest.raises(interop.UnsupportedArrayError, match=reason) as caught:
        interop.convert(foreign.Stated(array, "float32"), to)
    assert str(caught.value).startswith("cannot convert foreign.Stated ")
    assert str(caught.value).endswith(" Read it before that: x = numpy.asanyarray(x).")


def test_convert_object_whose_array_method_returns_a_list_is_refused() -> None:
    class Listing(foreign.Stated):
        def __array__(self, dtype: object = None, copy: object = None) -> Any:
            return [1, 2]

    with pytest.raises(
        interop.UnsupportedArrayError, match="its __array__ returns a list instead of an ndarray"
    ):
        interop.to_numpy(Listing(np.zeros(2)))


# -- keywords --------------------------------------------------------------------------------------


@pytest.mark.requires("torch")
@TO
def test_convert_dtype_casts_from_the_dtype_read(to: str) -> None:
    assert interop.convert(scaled(), to, dtype="float32").tolist() == pytest.approx(SCALED)
    with pytest.raises(
        interop.UnsupportedArrayError, match=r'Pass casting="unsafe" to accept that'
    ):
        interop.convert(scaled(), to, dtype="int16")
    assert interop.convert(scaled(), to, dtype="int16", casting="unsafe").tolist() == [0, 0, 2]
    assert interop.convert(
        foreign.Stated(np.array([1, 2]), "float64"), to, dtype="int32"
    ).tolist() == [1, 2]


@pytest.mark.requires("torch")
@TO
def test_convert_copy_false_refuses_before_reading(to: str) -> None:
    x = scaled()
    with pytest.raises(
        interop.CopyRequiredError, match=r"it has to be read by __array__ \(stated int16"
    ):
        interop.convert(x, to, copy=False)
    with pytest.raises(interop.CopyRequiredError):
        interop.export(x).__dlpack__(copy=False)
    assert x.reads == 0


@pytest.mark.requires("torch")
@pytest.mark.parametrize("copy", [None, True])
@TO
def test_convert_object_that_keeps_its_array_returns_an_independent_array(
    copy: bool | None, to: str
) -> None:
    array = np.arange(6.0).reshape(2, 3)
    for kept in (array, array[:1], array.T):
        result = interop.convert(foreign.Array(kept), to, copy=copy)
        result[...] = 7
    assert array.tolist() == [[0, 1, 2], [3, 4, 5]]


@pytest.mark.requires("torch")
def test_copyto_stated_dtype_checks_the_cast_from_the_dtype_read() -> None:
    dst = np.zeros(3, "int16")
    with pytest.raises(interop.UnsupportedArrayError, match=r'Pass casting="unsafe"'):
        interop.copyto(dst, scaled())
    assert dst.tolist() == [0, 0, 0]
    interop.copyto(dst, scaled(), casting="unsafe")
    assert dst.tolist() == [0, 0, 2]


def test_stack_stated_object_with_array_of_the_dtype_read_stacks() -> None:
    for arrays in ([scaled(), np.zeros(3)], [np.zeros(3), scaled()]):
        stacked = interop.stack(arrays, "numpy")
        assert sorted(stacked.tolist()) == [[0, 0, 0], SCALED]


@pytest.mark.requires("torch")
def test_stack_compares_the_dtypes_that_were_read() -> None:
    arrays = [scaled(), np.zeros(3, "int16")]
    with pytest.raises(interop.UnsupportedArrayError, match="float64 at 0, int16 at 1"):
        interop.stack(arrays, "numpy")
    assert interop.stack(arrays, "torch", dtype="float64").tolist() == [SCALED, [0, 0, 0]]


# -- plans and records -----------------------------------------------------------------------------


@pytest.mark.requires("torch")
def test_explain_stated_dtype_is_marked_as_stated_and_not_read() -> None:
    x = scaled()
    assert str(interop.explain(x, "torch", dtype="float32")) == (
        "foreign.Stated -> torch, float32 (3,) on cpu: 18 bytes copied, because it has to be read by __array__ "
        "(stated int16, read to find out), and the dtype changes from int16 to float32\n"
        "  read by the source's framework: int16 on cpu, 6 bytes\n"
        "  share: int16 on cpu\n"
        "  copy by the target's framework: float32 on cpu, 12 bytes"
    )
    assert x.reads == 0


@pytest.mark.requires("torch")
def test_watch_records_the_dtype_and_bytes_read() -> None:
    with interop.watch() as seen:
        interop.to_torch(scaled())
        interop.to_torch(scaled(), dtype="float32")
        np.from_dlpack(interop.export(scaled()))
    plans = [record.plan for record in seen.records]
    assert [plan.bytes_copied for plan in plans] == [24, 36, 24]
    assert [plan.dtype for plan in plans] == ["float64", "float32", "float64"]
    assert [(plan.steps[0].verb, plan.steps[0].dtype) for plan in plans] == [
        ("read", "float64")
    ] * 3
    assert {plan.source for plan in plans} == {"foreign.Stated"}


@pytest.mark.requires("torch", "dask")
def test_watch_records_the_dtype_and_bytes_read_for_dask() -> None:
    with interop.watch() as seen:
        interop.convert(scaled(), "dask")
    plan = seen.records[-1].plan
    assert (plan.target, plan.dtype, plan.bytes_copied) == ("dask", "float64", 24)


@pytest.mark.requires("torch", "cupy", "gpu")
def test_policy_counts_the_bytes_that_were_read() -> None:
    with interop.options(max_host_bytes=6):
        assert interop.explain(scaled(), "cupy").host_bytes == 6
        with pytest.raises(interop.HostCopyError):
            interop.to_cupy(scaled())
    with interop.options(host_copy="warn"), warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert interop.to_numpy(interop.to_cupy(scaled())).tolist() == SCALED
    assert len(caught) == 2, "one for each direction"


@pytest.mark.requires("torch")
def test_policy_ignores_reads_to_the_host() -> None:
    with interop.options(host_copy="error"):
        assert interop.to_torch(scaled()).tolist() == SCALED


# -- datasets that Dask reads block by block -------------------------------------------------------


class Variable(foreign.Stated):
    """A file variable that is sliced, and may return another dtype than stated."""

    def __getitem__(self, index: Any) -> Any:
        return self._array[index]


@pytest.mark.requires("torch", "dask")
def test_compute_block_of_another_dtype_than_stated_is_refused() -> None:
    """Dask trusts the stated dtype, so it would add these floats as integers."""
    lazy = interop.convert(Variable(np.array(SCALED)), "dask", chunks=2)
    with pytest.raises(interop.UnsupportedArrayError, match="its dtype was stated as int16"):
        lazy.sum().compute()
    whole = interop.convert(interop.to_numpy(Variable(np.array(SCALED))), "dask")
    assert float(whole.sum()) == pytest.approx(sum(SCALED))


@pytest.mark.requires("torch", "dask")
def test_compute_masked_block_is_refused() -> None:
    x = Variable(np.ma.masked_array([1.0, 2.0, 3.0], [False, True, False]), "float64")
    lazy = interop.convert(x, "dask", chunks=2)
    assert lazy[2:].compute().tolist() == [3]
    with pytest.raises(interop.UnsupportedArrayError, match="some elements are masked"):
        lazy.compute()


@pytest.mark.requires("torch", "dask")
def test_convert_dataset_to_dask_can_be_pickled() -> None:
    import pickle

    lazy = interop.convert(Variable(np.arange(4.0), "float64"), "dask", chunks=2)
    assert pickle.loads(pickle.dumps(lazy)).compute().tolist() == [0, 1, 2, 3]  # noqa: S301 - our own bytes


@pytest.mark.requires("dask")
@pytest.mark.parametrize("dtype", [None, "float32", "int8"])
@pytest.mark.parametrize("kind", ["read", "lazy", "lazy in blocks"])
@TO
def test_copy_false_of_an_object_that_is_read_raises_the_same_error_as_explain(
    to: str, kind: str, dtype: str | None
) -> None:
    import dask.array

    chunks: Any = 1 if kind == "lazy in blocks" else 3
    x: Any = dask.array.from_array(np.array(SCALED), chunks=chunks)
    if kind == "read":
        x = foreign.Array(np.array(SCALED))
    keywords: dict[str, Any] = {"copy": False, "dtype": dtype, "compute": True}
    expected = interop.UnsupportedArrayError if dtype == "int8" else interop.CopyRequiredError
    with pytest.raises(expected) as planned:
        interop.explain(x, to, **keywords)
    with pytest.raises(expected) as converted:
        interop.convert(x, to, **keywords)
    assert str(planned.value) == str(converted.value)


@pytest.mark.requires("torch", "gpu")
@pytest.mark.parametrize(
    "policy", [{"host_copy": "error"}, {"host_copy": "warn"}, {"max_host_bytes": 0}]
)
def test_copy_false_of_an_object_that_is_read_is_refused_before_the_policy(
    policy: dict[str, Any],
) -> None:
    x = foreign.Array(np.array(SCALED))
    for function in (interop.explain, interop.convert):
        with (
            interop.options(**policy),
            pytest.raises(interop.CopyRequiredError, match="Leave copy=False out") as caught,
        ):
            function(x, "torch", copy=False, device="cuda")
        assert type(caught.value) is interop.CopyRequiredError  # a HostCopyError is one, too
