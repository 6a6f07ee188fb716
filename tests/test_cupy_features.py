"""CuPy 13: no bfloat16, no `Stream.from_external`, and streams without `__cuda_stream__`.

With a newer CuPy, these features are switched off.
"""

import importlib
import warnings
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import interop
from interop._engine import fastpath

pytestmark = pytest.mark.requires("cupy", "simcuda")
TORCH = pytest.param("torch", marks=pytest.mark.requires("torch"))


@pytest.fixture
def cupy13(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Yield CuPy, and let the adapter use it as it uses CuPy 13."""
    import cupy

    # interop.adapters exists only where interop is installed, so type checkers cannot find it.
    adapter = importlib.import_module("interop.adapters.cupy.adapter")
    features = importlib.import_module("interop.adapters.cupy.features")

    def external_stream(handle: int) -> Any:
        with warnings.catch_warnings(action="ignore"):  # deprecated since CuPy 14
            return cupy.cuda.ExternalStream(handle)

    monkeypatch.setattr(features, "external_stream", external_stream)
    monkeypatch.setattr(features, "STREAMS_WITHOUT_PROTOCOL", (Stream,))
    hint = 'Update CuPy to 14 and NumPy to 2.1.2 or later, or pass dtype="float32".'
    monkeypatch.setattr(features, "BFLOAT16_HINT", hint)
    monkeypatch.delitem(adapter._DTYPES, "bfloat16", raising=False)
    for dtype in [dtype for dtype, name in adapter._NAMES.items() if name == "bfloat16"]:
        monkeypatch.delitem(adapter._NAMES, dtype)
    fastpath.clear()
    yield cupy
    fastpath.clear()


class Stream:
    """A stream object without `__cuda_stream__`, with the attributes of CuPy 13 and torch 2.5."""

    def __init__(self, handle: int) -> None:
        self.ptr = self.cuda_stream = handle


@pytest.mark.requires("ml_dtypes")
def test_to_cupy_bfloat16_on_cupy_13_is_refused_with_a_working_hint(cupy13: Any) -> None:
    import ml_dtypes

    x = np.ones(3, ml_dtypes.bfloat16)
    with pytest.raises(interop.UnsupportedArrayError) as caught:
        interop.to_cupy(x)
    assert str(caught.value) == (
        "cannot convert numpy bfloat16 (3,) on cpu to cupy: CuPy has no bfloat16 here. "
        'Update CuPy to 14 and NumPy to 2.1.2 or later, or pass dtype="float32".'
    )
    result = interop.to_cupy(x, dtype="float32")
    assert isinstance(result, cupy13.ndarray)
    assert result.get().tolist() == [1.0] * 3


@pytest.mark.requires("ml_dtypes")
def test_to_numpy_dtype_bfloat16_on_cupy_13_casts_on_the_host(cupy13: Any) -> None:
    import ml_dtypes

    x = cupy13.zeros(3, "f4")
    result = interop.to_numpy(x, dtype="bfloat16", casting="unsafe")
    assert result.dtype == ml_dtypes.bfloat16
    assert result.tolist() == [0.0] * 3


@pytest.mark.parametrize("library", ["cupy", TORCH])
def test_stream_of_a_class_without_the_protocol_is_parsed_by_its_framework(
    library: str, cupy13: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Stream, "__module__", f"{library}.cuda.streams")
    before = cupy13.cuda.get_current_stream().ptr
    owner = cupy13.cuda.Stream(non_blocking=True)
    with interop.stream(Stream(owner.ptr)):
        assert cupy13.cuda.get_current_stream().ptr == owner.ptr
    assert cupy13.cuda.get_current_stream().ptr == before


@pytest.mark.parametrize("library", ["cupy", TORCH, "numpy"])
def test_stream_of_another_class_of_a_framework_is_refused(library: str) -> None:
    other = type("Event", (SimpleNamespace,), {"__module__": f"{library}.cuda"})(ptr=1)
    with pytest.raises(interop.InvalidOptionError, match=r"^stream must be an int handle"):
        interop.stream(other)
