"""Scalars and objects that are not arrays."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.dlpack import from_dlpack

import interop

from .upstream import may_fail

SCALARS: dict[str, Any] = {
    "bool": np.bool_(True),
    "int8": np.int8(-3),
    "uint64": np.uint64(2**64 - 1),
    "float16": np.float16(0.5),
    "float32": np.arange(3, dtype="float32").sum(),
    "float64": np.float64(3),
    "complex64": np.complex64(1 + 2j),
}


class TestScalars:
    """Trap 18: A NumPy scalar such as `np.float64(3)` or the result of `a.sum()` is an "invalid
    capsule" to torch.

    interop converts it to a 0-d array of the same dtype, which is a copy.
    """

    EVERY = pytest.mark.parametrize(("dtype", "scalar"), SCALARS.items(), ids=SCALARS)

    def test_plain_torch_may_reject_numpy_scalars(self) -> None:
        scalar: Any = np.float64(3)
        may_fail(lambda: from_dlpack(scalar), RuntimeError)
        may_fail(lambda: torch.from_numpy(scalar), TypeError)

    @EVERY
    @pytest.mark.parametrize("keywords", [{}, {"copy": True}], ids=str)
    def test_to_torch_numpy_scalar_returns_a_0d_tensor(
        self, dtype: str, scalar: Any, keywords: Any
    ) -> None:
        tensor = interop.to_torch(scalar, **keywords)
        assert (tensor.shape, tensor.dtype, tensor.item()) == (
            (),
            getattr(torch, dtype),
            scalar.item(),
        )

    @EVERY
    def test_to_numpy_scalar_returns_a_writable_0d_array(self, dtype: str, scalar: Any) -> None:
        array = interop.to_numpy(scalar)
        assert type(array) is np.ndarray
        assert (array.shape, array.dtype, array.item()) == ((), np.dtype(dtype), scalar.item())
        assert array.flags.writeable

    @pytest.mark.parametrize("to", ["numpy", "torch"])
    def test_convert_numpy_scalar_is_a_copy_with_a_reason(self, to: str) -> None:
        plan = interop.explain(np.float64(3), to)
        assert (plan.zero_copy, plan.bytes_copied) == (False, 8)
        assert plan.reason == "a NumPy scalar has no memory to share"
        with pytest.raises(
            interop.CopyRequiredError, match="a NumPy scalar has no memory to share"
        ):
            interop.convert(np.float64(3), to, copy=False)

    def test_to_torch_numpy_scalar_with_dtype_is_cast(self) -> None:
        assert interop.to_torch(np.float64(3), dtype="float32").dtype == torch.float32

    @pytest.mark.requires("ml_dtypes")
    def test_to_torch_bfloat16_scalar_returns_a_0d_tensor(self) -> None:
        import ml_dtypes

        tensor = interop.to_torch(ml_dtypes.bfloat16(1.5))
        assert (tensor.shape, tensor.dtype, tensor.item()) == ((), torch.bfloat16, 1.5)

    @pytest.mark.parametrize(
        "scalar", [np.str_("a"), np.datetime64("2020-01-01"), np.longdouble(1)], ids=repr
    )
    def test_to_torch_scalar_of_unsupported_dtype_is_refused(self, scalar: Any) -> None:
        with pytest.raises(interop.UnsupportedArrayError, match="not a dtype of plain numbers"):
            interop.to_torch(scalar)


NO_ARRAYS: dict[str, tuple[Callable[[], Any], str]] = {
    "list": (lambda: [1, 2], r"a list is not an array.*numpy\.asarray\(x\) or torch\.tensor\(x\)"),
    "tuple": (
        lambda: (1, 2),
        r"a tuple is not an array.*numpy\.asarray\(x\) or torch\.tensor\(x\)",
    ),
    "nested": (lambda: [[torch.ones(2)]], "a list is not an array"),
    "str": (lambda: "1, 2", "str is not an array"),
    "None": (lambda: None, "None is not an array"),
    "int": (lambda: 1, "int is not an array"),
    "float": (lambda: 1.5, "float is not an array"),
    "dict": (lambda: {"a": np.ones(3)}, "dict is not an array"),
    "generator": (lambda: (i for i in range(3)), "generator is not an array"),
    "object": (object, "object is not an array.*__dlpack__.*buffer protocol"),
    "capsule": (
        lambda: np.ones(3).__dlpack__(),
        "a raw capsule can be used only once.*the array that made it",
    ),
    "versioned": (
        lambda: interop.export(np.ones(3)).__dlpack__(max_version=(1, 0)),
        "a raw capsule can be used only once",
    ),
    "module": (lambda: np, "module is not an array"),
    "class": (lambda: np.ndarray, "is a class and not an array"),
    "Tensor": (lambda: torch.Tensor, "is a class and not an array"),
    "dtype": (lambda: torch.float32, "dtype is not an array"),
}


class TestNoArrays:
    """Trap 19: A list, a str, None and a raw capsule fail deep inside the framework, with messages
    about dtypes or capsules. Some calls succeed, and then the capsule cannot be used again.

    interop raises `NotAnArrayError`, which says what to call instead. A capsule can still be used
    afterwards.
    """

    @pytest.mark.parametrize("to", ["numpy", "torch"])
    @pytest.mark.parametrize(("make", "words"), NO_ARRAYS.values(), ids=NO_ARRAYS)
    def test_convert_object_that_is_not_an_array_raises_with_a_hint(
        self, make: Callable[[], Any], words: str, to: str
    ) -> None:
        x = make()
        for call in (interop.convert, interop.explain):
            with pytest.raises(interop.NotAnArrayError, match=words):
                call(x, to)
        for ask in (interop.framework_of, interop.device_of):
            with pytest.raises(interop.NotAnArrayError, match=words):
                ask(x)

    def test_to_torch_refused_capsule_stays_usable(self) -> None:
        array = np.arange(3)
        capsule = array.__dlpack__()
        with pytest.raises(interop.NotAnArrayError):
            interop.to_torch(capsule)
        assert from_dlpack(capsule).data_ptr() == array.ctypes.data

    def test_to_numpy_object_that_is_not_an_array_raises_type_error(self) -> None:
        with pytest.raises(TypeError):
            interop.to_numpy([1, 2])
