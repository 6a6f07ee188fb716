"""The keywords of a conversion, in every accepted form."""

from typing import Any

import ml_dtypes
import numpy as np
import pytest
import torch

import interop
from memory import strides
from strategies import numpy_dtype, torch_dtype

pytestmark = pytest.mark.requires("torch", "ml_dtypes")

NDARRAY = np.arange(6, dtype="float32").reshape(2, 3)
TENSOR = torch.arange(6, dtype=torch.float32).reshape(2, 3)
everywhere = pytest.mark.parametrize(
    ("x", "to"), [(x, to) for x in (NDARRAY, TENSOR) for to in ("numpy", "torch")],
    ids=["numpy-numpy", "numpy-torch", "torch-numpy", "torch-torch"],
)  # fmt: skip

CPUS = [
    "cpu",
    "cpu:0",
    torch.device("cpu"),
    torch.device("cpu", 0),
    (1, 0),
    interop.Device(1),
    interop.Device(1, 0),
    None,
]


@everywhere
@pytest.mark.parametrize("spec", CPUS, ids=repr)
def test_convert_accepts_the_host_device_in_every_form(x: Any, to: str, spec: Any) -> None:
    result = interop.convert(x, to, device=spec, copy=False)
    assert interop.device_of(result) == (1, 0)
    assert interop.shares_memory(result, x)
    assert result is x or interop.framework_of(x) != to


FORMS = {
    "float64": [
        "float64",
        "f8",
        "d",
        np.dtype("float64"),
        np.float64,
        np.double,
        float,
        torch.float64,
        "torch.double",
    ],
    "float16": ["float16", "half", np.half, torch.half, "torch.half", "torch.float16"],
    "bfloat16": [
        "bfloat16",
        ml_dtypes.bfloat16,
        ml_dtypes.finfo(ml_dtypes.bfloat16).dtype,  # type: ignore[no-untyped-call]
        torch.bfloat16,
        "torch.bfloat16",
    ],
    "float8_e5m2": ["float8_e5m2", ml_dtypes.float8_e5m2, torch.float8_e5m2, "torch.float8_e5m2"],
    "complex128": ["complex128", complex, torch.cdouble, np.complex128],
    "int64": ["int64", int, np.int64, torch.long, "torch.long"],
    "bool": ["bool", bool, np.bool_, "?", torch.bool],
}


@everywhere
@pytest.mark.parametrize(
    ("name", "form"), [(name, form) for name, forms in FORMS.items() for form in forms]
)
def test_convert_accepts_a_dtype_in_every_form(x: Any, to: str, name: str, form: Any) -> None:
    result = interop.convert(x, to, dtype=form, casting="unsafe")
    assert result.dtype == (torch_dtype(name) if to == "torch" else numpy_dtype(name))
    assert result.tolist() == TENSOR.to(torch_dtype(name)).tolist()


@everywhere
@pytest.mark.parametrize("form", ["float32", np.float32, torch.float32, None])
def test_convert_to_the_same_dtype_shares_memory(x: Any, to: str, form: Any) -> None:
    assert interop.shares_memory(interop.convert(x, to, dtype=form, copy=False), x)


def test_to_numpy_with_a_dtype_gives_native_byte_order() -> None:
    """Without dtype=, a byte-swapped array is returned unchanged. With dtype=, it is converted."""
    swapped = NDARRAY.astype(NDARRAY.dtype.newbyteorder())
    assert interop.to_numpy(swapped) is swapped
    result = interop.to_numpy(swapped, dtype="float32")
    assert result.dtype == np.dtype("float32")
    assert result.tolist() == NDARRAY.tolist()


class Stream:
    def __cuda_stream__(self) -> tuple[int, int]:
        return 0, 7


@everywhere
@pytest.mark.parametrize("stream", [None, -1, 0, 7, Stream()])
def test_convert_host_memory_ignores_the_stream(x: Any, to: str, stream: Any) -> None:
    assert interop.shares_memory(interop.convert(x, to, stream=stream, copy=False), x)


@everywhere
def test_convert_copy_true_keeps_the_order_of_axes(x: Any, to: str) -> None:
    cube = interop.convert(
        np.arange(24.0).reshape(2, 3, 4).transpose(1, 2, 0), interop.framework_of(x)
    )
    copied = interop.convert(cube, to, copy=True)
    assert strides(copied) == strides(cube)
    assert copied.tolist() == cube.tolist()
