"""Other dtypes."""

import warnings
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

import interop

from .producers import Computed
from .upstream import may_go_wrong

Array = NDArray[Any]


class TestPackedIntegers:
    """Trap 15, silent: DLPack exports torch's `int1` to `int7` and `uint1` to `uint7` as if they
    were 8 bits wide.

    interop refuses them.
    """

    EVERY = pytest.mark.parametrize(
        "dtype",
        [
            name
            for name in (f"{kind}{bits}" for kind in ("int", "uint") for bits in range(1, 8))
            if hasattr(torch, name)  # torch 2.5 has only the unsigned ones
        ],
    )

    @EVERY
    def test_plain_numpy_from_dlpack_may_widen_sub_byte_integers(self, dtype: str) -> None:
        tensor = torch.empty(3, dtype=getattr(torch, dtype))
        eight = np.dtype(dtype.rstrip("1234567") + "8")
        may_go_wrong(lambda: np.from_dlpack(tensor).dtype, wrong=eight, right=None)

    @EVERY
    @pytest.mark.parametrize("keywords", [{}, {"copy": True}, {"dtype": "int8"}], ids=str)
    def test_to_numpy_sub_byte_integers_are_refused(self, dtype: str, keywords: Any) -> None:
        tensor = torch.empty(3, dtype=getattr(torch, dtype))
        with pytest.raises(interop.UnsupportedArrayError, match=rf"torch {dtype} \(3,\)"):
            interop.to_numpy(tensor, **keywords)

    @EVERY
    def test_to_numpy_sub_byte_refusal_suggests_code_that_runs(self, dtype: str) -> None:
        tensor = torch.ones(3, dtype=torch.uint8).view(getattr(torch, dtype))
        with pytest.raises(interop.UnsupportedArrayError) as caught:
            interop.to_numpy(tensor)
        words = str(caught.value).rpartition(" Use ")[2].removesuffix(" for its bytes.").rstrip(".")
        for remedy in words.split(", or "):
            result = eval(remedy, {"x": tensor, "torch": torch})  # noqa: S307 - our own words
            assert interop.to_numpy(result).tolist() == [1, 1, 1]


class TestUnsigned:
    """Trap 16, silent: torch supports few operations on `uint16`, `uint32` and `uint64`, so users
    often pass such arrays as `int16`, `int32` or `int64`. The upper half of the numbers then wraps
    around to negative numbers.

    interop keeps the dtype, zero-copy, in both directions.
    """

    EVERY = pytest.mark.parametrize("dtype", ["uint16", "uint32", "uint64"])

    @EVERY
    def test_plain_torch_signed_workaround_wraps_unsigned_integers(self, dtype: str) -> None:
        largest = np.array([np.iinfo(dtype).max], dtype)
        signed = torch.from_numpy(largest.astype(dtype.removeprefix("u")))
        may_go_wrong(signed.tolist, wrong=[-1], right=largest.tolist())

    @EVERY
    def test_to_numpy_unsigned_dtype_is_kept_and_shared(self, dtype: str) -> None:
        tensor = torch.tensor(
            [0, torch.iinfo(getattr(torch, dtype)).max], dtype=getattr(torch, dtype)
        )
        array = interop.to_numpy(tensor, copy=False)
        assert (array.dtype, array.tolist()) == (np.dtype(dtype), tensor.tolist())
        assert array.ctypes.data == tensor.data_ptr()

    @EVERY
    def test_to_torch_unsigned_dtype_is_kept_and_shared(self, dtype: str) -> None:
        array = np.array([0, np.iinfo(dtype).max], dtype)
        tensor = interop.to_torch(array, copy=False)
        assert (tensor.dtype, tensor.tolist()) == (getattr(torch, dtype), array.tolist())
        assert tensor.data_ptr() == array.ctypes.data

    @pytest.mark.parametrize("name", ["byte", "short", "intc", "long", "longlong"])
    @pytest.mark.parametrize("sign", ["", "u"])
    def test_to_torch_dtypes_with_c_names_are_shared(self, sign: str, name: str) -> None:
        array = np.array([0, 100], dtype=getattr(np, sign + name))
        tensor = interop.to_torch(array, copy=False)
        assert tensor.dtype == getattr(torch, array.dtype.name)
        array[0] = 7
        assert tensor.tolist() == [7, 100]


RECORDS = np.zeros(2, dtype=[("x", "float32"), ("n", "int32")])
WITHOUT_COUNTERPART: dict[str, tuple[Array, str, str]] = {
    "object": (np.array([1, 2], dtype=object), "object", 'x.astype("int64")'),
    "str": (np.array(["1", "2"]), "<U1", "x.astype(float)"),
    "bytes": (np.array([b"1", b"2"]), r"\|S1", "numpy.frombuffer(x.tobytes(), numpy.uint8)"),
    "variable strings": (
        np.array(["1", "2"], dtype=np.dtypes.StringDType()),
        "StringDType",
        "x.astype(float)",
    ),
    "datetime64": (
        np.array(["2020-01-01"], dtype="datetime64[D]"),
        r"datetime64\[D\]",
        'x.view("int64")',
    ),
    "timedelta64": (
        np.array([1, 2], dtype="timedelta64[s]"),
        r"timedelta64\[s\]",
        'x.view("int64")',
    ),
    "structured": (RECORDS, "float32|<f4", 'x["x"]'),
    "longdouble": (
        np.arange(2, dtype=np.longdouble),
        np.dtype(np.longdouble).name,
        "x.astype(numpy.float64)",
    ),
    "clongdouble": (
        np.array([1 + 2j], np.clongdouble),
        np.dtype(np.clongdouble).name,
        "x.astype(numpy.complex128)",
    ),
}


class TestWithoutCounterpart:
    """Trap 17: Dtypes without a counterpart in the other framework (object, str, datetime64,
    structured and longdouble arrays; torch's complex32 and quantized tensors) fail in a different
    way with each conversion function.

    interop raises `UnsupportedArrayError`, which names the dtype and the likely fix.
    """

    EVERY = pytest.mark.parametrize(
        ("array", "name", "remedy"), WITHOUT_COUNTERPART.values(), ids=WITHOUT_COUNTERPART
    )

    @EVERY
    @pytest.mark.parametrize("keywords", [{}, {"copy": True}, {"dtype": "float64"}], ids=str)
    def test_convert_dtype_without_counterpart_is_refused_with_a_hint(
        self, array: Array, name: str, remedy: str, keywords: Any
    ) -> None:
        for convert in (interop.convert, interop.explain):
            with pytest.raises(interop.UnsupportedArrayError, match=name) as caught:
                convert(array, "torch", **keywords)
            assert remedy in str(caught.value)

    @EVERY
    @pytest.mark.parametrize("to", ["numpy", "torch"])
    def test_convert_foreign_array_without_counterpart_is_refused_with_a_hint(
        self, array: Array, name: str, remedy: str, to: str
    ) -> None:
        with pytest.raises(interop.UnsupportedArrayError, match=name) as caught:
            interop.convert(Computed(array), to)
        assert remedy in str(caught.value)

    @EVERY
    def test_to_torch_hint_for_a_dtype_without_counterpart_works(
        self,
        array: Array,
        name: str,  # noqa: ARG002
        remedy: str,  # noqa: ARG002, RUF100
    ) -> None:
        cured = eval(remedy, {"x": array, "numpy": np})  # noqa: S307 - our own words
        assert interop.to_torch(cured).tolist() == cured.tolist()

    @EVERY
    def test_to_numpy_dtype_without_counterpart_is_kept(
        self,
        array: Array,
        name: str,  # noqa: ARG002
        remedy: str,  # noqa: ARG002
    ) -> None:
        assert interop.to_numpy(array) is array
        copy = interop.to_numpy(array, copy=True)
        assert (copy.dtype, copy.tolist()) == (array.dtype, array.tolist())
        assert not np.shares_memory(copy, array)

    def test_to_numpy_complex32_is_refused_with_a_hint(self) -> None:
        with warnings.catch_warnings(action="ignore"):  # torch's own, once a process
            tensor = torch.ones(3).to(torch.complex32)
        with pytest.raises(
            interop.UnsupportedArrayError, match=r"complex32.*x\.to\(torch\.complex64\)"
        ):
            interop.to_numpy(tensor)
        assert interop.to_numpy(tensor.to(torch.complex64)).tolist() == [1, 1, 1]
