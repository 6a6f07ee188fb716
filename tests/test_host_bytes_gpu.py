"""`Plan.host_bytes` is the number of bytes that the CUDA runtime copies over the bus."""

import contextlib
from typing import Any

import ml_dtypes  # noqa: F401 - the names of its dtypes
import numpy as np
import pytest

import interop

pytestmark = pytest.mark.requires("torch", "cupy", "simcuda")
COUNT = 1000
DTYPES = ("bool", "int8", "uint16", "int64", "float16", "bfloat16", "float32", "float64",
    "complex64", "complex128")  # fmt: skip
ROUTES = (
    ("numpy", "torch"), ("numpy", "cupy"), ("torch", "torch"), ("torch", "cupy"), ("jax", "cupy"),
    ("cuda torch", "numpy"), ("cuda torch", "torch"), ("cuda cupy", "numpy"), ("cuda cupy", "torch"),
    ("cuda cupy", "array_api_strict"), ("cuda interface", "torch"), ("array_api_strict", "cupy"),
)  # fmt: skip


class OnDevice:
    """An object of no framework in CUDA memory."""

    def __init__(self, x: Any) -> None:
        self.kept = x
        self.__cuda_array_interface__ = x.__cuda_array_interface__


def make(source: str, dtype: str) -> Any:
    """Return an array, made without interop's casts. No kernel is needed."""
    place, _, framework = source.rpartition(" ")
    if framework == "interface":
        return OnDevice(make("cuda cupy", dtype))
    values = np.ones(COUNT, dtype)
    return interop.convert(values, framework, device=place or "cpu")


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("source", "target"), ROUTES)
def test_host_bytes_of_any_cast_are_the_bytes_that_travel(
    source: str, target: str, dtype: str
) -> None:
    import simcuda

    try:
        x = make(source, dtype)
    except (interop.InteropError, TypeError):
        pytest.skip(f"{source} has no {dtype}")
    device = "cpu" if source.startswith("cuda") else "cuda"
    for wanted in DTYPES:
        keywords: dict[str, Any] = {"device": device, "dtype": wanted, "casting": "unsafe"}
        try:
            plan = interop.explain(x, target, **keywords)
        except interop.InteropError:
            continue
        # A device that casts needs a kernel, which the simulated runtime refuses.
        with simcuda.counting() as counts, contextlib.suppress(Exception):
            interop.convert(x, target, **keywords)
        simcuda.reset()
        if counts.copied_bytes:  # a device that casts before a download has copied nothing yet
            travelled = counts.copied_bytes["HtoD"] + counts.copied_bytes["DtoH"]
            assert plan.host_bytes == travelled, f"{counts.copied_bytes}, but {plan}"
