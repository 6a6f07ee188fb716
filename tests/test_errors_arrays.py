"""Arrays that cannot be converted as requested: each is named, and the suggested code works."""

import re
import warnings
from typing import Any, Final

import ml_dtypes
import numpy as np
import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

import interop
import simcuda
from hidden import hide_ml_dtypes

pytestmark = pytest.mark.requires("torch", "ml_dtypes")


def quiet(make: Any, *arguments: Any, **keywords: Any) -> Any:
    """Call a function without torch's warnings of experimental or deprecated features."""
    with warnings.catch_warnings(action="ignore"):
        return make(*arguments, **keywords)


def fake() -> torch.Tensor:
    with FakeTensorMode():
        return torch.ones(2)


def nested(layout: Any) -> Any:
    return quiet(torch.nested.nested_tensor, [torch.ones(2), torch.ones(3)], layout=layout)


# These are missing in the type hints of torch, and two of them in older releases, too.
UINT1: Final = getattr(torch, "uint1")  # noqa: B009
INT4: Final = getattr(torch, "int4", UINT1)
FLOAT4: Final = getattr(torch, "float4_e2m1fn_x2", UINT1)
BYTES: Final = "has no counterpart elsewhere. Use x.view(torch.uint8) for its bytes."
PLAIN: Final = "is not a dtype of plain numbers."
RAW: Final = "numpy.frombuffer(x.tobytes(), numpy.uint8) for its bytes."
NESTED: Final = "it is nested. Use x.to_padded_tensor(0.0) or x.unbind()."
FIELDS: Final = "[('name', '<i4'), ('age', '<i4')]"
JAGGED: Final = (lambda: nested(torch.jagged), "float32 ()", NESTED)
TENSORS: Final = [
    (lambda: torch.eye(2).to_sparse(), "float32 (2, 2)", "its layout is torch.sparse_coo. Use x.to_dense()."),
    (lambda: quiet(torch.eye(2).to_sparse_csr), "float32 (2, 2)", "its layout is torch.sparse_csr. Use x.to_dense()."),
    (
        lambda: quiet(torch.quantize_per_tensor, torch.ones(2), 0.5, 0, torch.qint8), "qint8 (2,)",
        "it is quantized. Use x.dequantize() or x.int_repr().",
    ),
    (lambda: nested(torch.strided), "float32 ()", NESTED),
    JAGGED,
    (
        lambda: torch._efficientzerotensor(2),  # pyright: ignore[reportPrivateImportUsage]
        "float32 (2,)",
        "it is a gradient of zeros without memory. Use torch.zeros_like(x).",
    ),
    (
        lambda: quiet(torch.ones, 2, dtype=torch.complex32), "complex32 (2,)",
        "torch.complex32 has no counterpart elsewhere. Use x.to(torch.complex64).",
    ),
    (lambda: torch.ones(2, dtype=torch.uint8).view(INT4), f"{str(INT4)[6:]} (2,)", f"{INT4} {BYTES}"),
    (lambda: torch.ones(2, dtype=torch.uint8).view(UINT1), "uint1 (2,)", f"torch.uint1 {BYTES}"),
    (
        lambda: torch.ones(2, dtype=torch.uint8).view(FLOAT4), f"{str(FLOAT4)[6:]} (2,)",
        f"{FLOAT4} {BYTES}",
    ),
]  # fmt: skip
NDARRAYS: Final = [
    (
        lambda: np.array([1, 2], object), "object (2,)",
        f'NumPy\'s object {PLAIN} Convert its elements to numbers first: x.astype("int64").',
    ),
    (lambda: np.array(["1.5"]), "<U3 (1,)", f"NumPy's <U3 {PLAIN} Convert it first: x.astype(float)."),
    (
        lambda: np.array(["1.5"], np.dtypes.StringDType()), "StringDType() (1,)",
        f"NumPy's StringDType() {PLAIN} Convert it first: x.astype(float).",
    ),
    (
        lambda: np.array([b"1.5"]), "|S3 (1,)",
        f"NumPy's |S3 {PLAIN} Convert it first: x.astype(float), or {RAW}",
    ),
    (
        lambda: np.array(["2026"], "M8[Y]"), "datetime64[Y] (1,)",
        f'NumPy\'s datetime64[Y] {PLAIN} View it as numbers: x.view("int64").',
    ),
    (
        lambda: np.array([1], "m8[s]"), "timedelta64[s] (1,)",
        f'NumPy\'s timedelta64[s] {PLAIN} View it as numbers: x.view("int64").',
    ),
    (
        lambda: np.zeros(2, [("name", "i4"), ("age", "i4")]), f"{FIELDS} (2,)",
        f'NumPy\'s {FIELDS} {PLAIN} Pass its fields one by one: x["name"].',
    ),
    (lambda: np.zeros(2, "V4"), "|V4 (2,)", f'NumPy\'s |V4 {PLAIN} View its bytes as numbers: x.view("uint8").'),
    (
        lambda: np.ones(2, "longdouble"), f"{np.dtype('g')} (2,)",
        f"NumPy's {np.dtype('g')} {PLAIN} Convert it first: x.astype(numpy.float64).",
    ),
    (
        lambda: np.ones(2, "clongdouble"), f"{np.dtype('G')} (2,)",
        f"NumPy's {np.dtype('G')} {PLAIN} Convert it first: x.astype(numpy.complex128).",
    ),
    (
        lambda: np.ones(2, ml_dtypes.int4), "int4 (2,)",
        f"NumPy's int4 {PLAIN} Convert it first: x.astype(numpy.float64).",
    ),
    (
        lambda: np.ma.masked_array([1, 2], mask=[True, False]), "int64 (2,)",
        "some elements are masked, and the mask would be lost. Fill them first: x.filled(value).",
    ),
]  # fmt: skip
UNSUPPORTED: Final = [("torch", "numpy", *case) for case in TENSORS] + [
    ("numpy", "torch", *case) for case in NDARRAYS
]
each_unsupported = pytest.mark.parametrize(
    ("source", "to", "make", "facts", "reason"),
    [
        pytest.param(
            *case,
            id=case[-1],
            marks=pytest.mark.requires("torch-jagged-padding") if case[2:] == JAGGED else (),
        )
        for case in UNSUPPORTED
    ],
)


@each_unsupported
def test_convert_unsupported_array_is_refused_with_a_working_hint(
    source: str, to: str, make: Any, facts: str, reason: str
) -> None:
    x = make()
    for copy in (None, True, False):
        with pytest.raises(interop.UnsupportedArrayError) as caught:
            interop.convert(x, to, copy=copy)
        assert str(caught.value) == f"cannot convert {source} {facts} on cpu to {to}: {reason}"
    remedy = re.search(r'(torch\.\w+)?\(?x(\.\w+\([^)]*\)|\["\w+"\]|\))', reason)
    assert remedy
    cured = quiet(
        eval, remedy[0], {"x": x, "torch": torch, "numpy": np, "value": 0}
    )  # the code in the message
    assert interop.explain(cured, to)


@pytest.mark.parametrize(
    ("source", "make", "reason"), [(case[0], case[2], case[-1]) for case in UNSUPPORTED]
)
def test_convert_unsupported_array_to_own_framework_returns_the_array(
    source: str, make: Any, reason: str
) -> None:
    x = make()
    assert interop.convert(x, source) is x
    assert interop.convert(x, source, copy=False) is x
    with pytest.raises(interop.UnsupportedArrayError, match=re.escape(reason)):
        interop.convert(x, source, dtype="int32", casting="unsafe")


def test_to_numpy_copy_of_a_masked_array_keeps_the_mask() -> None:
    masked = np.ma.masked_array([1, 2], mask=[True, False])
    copied = interop.to_numpy(masked, copy=True)
    assert not np.shares_memory(masked, copied)
    assert np.ma.getmaskarray(copied).tolist() == [True, False]


# Tensors without values


def test_to_numpy_meta_tensor_is_refused() -> None:
    with pytest.raises(interop.UnsupportedArrayError) as caught:
        interop.to_numpy(torch.ones(2, 3, device="meta"))
    reason = (
        "a tensor on the device 'meta' has no values to read. Make it with values on another one."
    )
    assert (
        str(caught.value) == f"cannot convert torch float32 (2, 3) on no device to numpy: {reason}"
    )


def test_to_numpy_fake_tensor_is_refused() -> None:
    with pytest.raises(interop.UnsupportedArrayError) as caught:
        interop.to_numpy(fake())
    reason = "a FakeTensor has no memory of its own. Convert the tensor that it stands for."
    assert str(caught.value) == f"cannot convert torch float32 (2,) on cpu to numpy: {reason}"


@pytest.mark.parametrize("transform", [torch.func.vmap, torch.func.grad, torch.func.jacfwd])
def test_to_numpy_inside_a_torch_func_transform_is_refused(transform: Any) -> None:
    with pytest.raises(interop.UnsupportedArrayError) as caught:
        quiet(transform(interop.to_numpy), torch.ones(3))
    reason = "inside torch.func (vmap, grad) there are no values yet. Convert outside of it."
    shape = "()" if transform is torch.func.vmap else "(3,)"
    assert str(caught.value) == f"cannot convert torch float32 {shape} on cpu to numpy: {reason}"


# Dtypes that one side lacks


def test_to_torch_unsupported_dtype_is_refused_with_a_working_hint() -> None:
    x = np.ones((2, 3), ml_dtypes.float8_e3m4)
    with pytest.raises(interop.UnsupportedArrayError) as caught:
        interop.to_torch(x)
    reason = 'torch has no float8_e3m4. Pass dtype="float32".'
    assert str(caught.value) == f"cannot convert numpy float8_e3m4 (2, 3) on cpu to torch: {reason}"
    assert interop.to_torch(x, dtype="float32").tolist() == [[1.0] * 3] * 2


def test_to_numpy_bfloat16_without_ml_dtypes_is_refused_with_a_working_hint(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    x = torch.ones((2, 3), dtype=torch.bfloat16)
    assert interop.to_numpy(x).dtype == ml_dtypes.bfloat16
    hide_ml_dtypes(monkeypatch)
    with pytest.raises(interop.UnsupportedArrayError) as caught:
        interop.to_numpy(x)
    reason = 'NumPy has no bfloat16 without ml_dtypes. Run pip install ml-dtypes, or pass dtype="float32".'
    assert str(caught.value) == f"cannot convert torch bfloat16 (2, 3) on cpu to numpy: {reason}"
    assert interop.to_numpy(x, dtype="float32").tolist() == [[1.0] * 3] * 2


WITHOUT_NUMBERS: Final[dict[str, Any]] = {
    "sparse": lambda: torch.eye(2).to_sparse(),
    "csr": lambda: quiet(torch.eye(2).to_sparse_csr),
    "nested": lambda: nested(torch.strided),
    "mkldnn": lambda: torch.ones(2).to_mkldnn(),
    "meta": lambda: torch.ones(2, device="meta"),
}


@pytest.mark.parametrize("make", WITHOUT_NUMBERS.values(), ids=WITHOUT_NUMBERS)
def test_to_torch_copy_true_copies_tensors_of_any_layout(make: Any) -> None:
    x = make()
    copied = interop.to_torch(x, copy=True)
    assert copied is not x
    assert copied.layout == x.layout


MOVABLE: Final[dict[str, Any]] = {
    "sparse": lambda: torch.eye(4).to_sparse(),
    "csr": lambda: quiet(torch.eye(4).to_sparse_csr),
    "csc": lambda: quiet(torch.eye(4).to_sparse_csc),
    "bsr": lambda: quiet(lambda: torch.eye(4).to_sparse_bsr((2, 2))),
    "bsc": lambda: quiet(lambda: torch.eye(4).to_sparse_bsc((2, 2))),
    "nested": lambda: nested(torch.strided),
    "jagged": lambda: nested(torch.jagged),
    "lazy": torch.nn.UninitializedParameter,
}
"""Tensors without plain numbers that torch moves to another device."""


@pytest.mark.requires("simcuda")
@pytest.mark.parametrize("make", MOVABLE.values(), ids=MOVABLE)
def test_to_torch_tensor_without_plain_numbers_is_moved_by_torch_and_counted(make: Any) -> None:
    x = make()
    plan = interop.explain(x, "torch", device="cuda")
    with simcuda.counting() as counts:
        moved = interop.to_torch(x, device="cuda")
    assert moved.device.type == "cuda"
    assert type(moved) is type(x)
    assert moved.layout == x.layout
    assert plan.host_bytes == counts.copied_bytes["HtoD"]
    if plan.host_bytes:
        with (
            interop.options(host_copy="error"),
            pytest.raises(interop.HostCopyError, match=f"{plan.host_bytes} bytes"),
        ):
            interop.to_torch(x, device="cuda")


@pytest.mark.requires("gpu")
@pytest.mark.parametrize("name", ["mkldnn", "meta"])
def test_to_torch_tensor_that_torch_cannot_move_is_refused(name: str) -> None:
    x = WITHOUT_NUMBERS[name]()
    assert interop.to_torch(x) is x
    with pytest.raises(interop.UnsupportedArrayError, match=r"to torch: .*(layout|meta)"):
        interop.to_torch(x, device="cuda")


def test_to_torch_meta_tensor_is_not_moved_to_the_host() -> None:
    with pytest.raises(interop.UnsupportedArrayError, match="has no values to read"):
        interop.to_torch(torch.ones(2, device="meta"), device="cpu")
