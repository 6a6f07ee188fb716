"""Tests of an adapter. Copy this file, and replace pyarrow by your library."""

from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
import pytest
from arrow_adapter import adapter
from numpy.typing import NDArray

import interop
from interop.testing import AdapterSuite

interop.register(adapter)  # an installed entry point makes this line unnecessary


class TestAdapter(AdapterSuite):
    framework = "pyarrow"  # the name of the adapter
    dtypes: ClassVar[tuple[str, ...]] = tuple(
        name for name in AdapterSuite.dtypes if name not in ("bool", "complex64")
    )

    def make(self, array: NDArray[Any]) -> Any:
        """Return an array of the library in new memory, with the values and dtype of an ndarray."""
        return pa.Tensor.from_numpy(np.array(array))


def test_convert_unsupported_dtype_raises_with_hint() -> None:
    with pytest.raises(interop.UnsupportedArrayError) as caught:
        interop.convert(np.ones(3, complex), "pyarrow")
    assert caught.value.reason == "pyarrow.Tensor has no dtype complex128"
    assert caught.value.hint == 'Pass dtype="float32".'


def test_convert_negative_strides_copies_with_reason() -> None:
    plan = interop.explain(np.ones(3, "float32")[::-1], "pyarrow")
    assert plan.bytes_copied == 12
    assert plan.reason == "pyarrow.Tensor has no negative strides"


def test_convert_narrower_dtype_does_not_warn(recwarn: pytest.WarningsRecorder) -> None:
    x = pa.Tensor.from_numpy(np.array([1e300]))
    assert interop.to_numpy(x, dtype="float32").tolist() == [np.inf]
    assert not recwarn.list


def test_adopted_memory_outlives_the_source() -> None:
    x = interop.convert(np.arange(1000.0), "pyarrow")  # no name refers to the source any more
    np.zeros(1000)  # NumPy would reuse the memory here
    np.testing.assert_array_equal(interop.to_numpy(x), np.arange(1000.0))
