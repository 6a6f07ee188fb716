"""Names of torch's dtypes, and the dtypes that NumPy has with the package ml_dtypes only."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import torch

from interop.adapter import PLAIN_DTYPES

# NumPy's bridge in torch does not know these dtypes. They cross as integers of equal size and are
# viewed as dtypes of ml_dtypes on the other side.
CARRIED: Final = {
    "bfloat16": torch.int16, "float8_e4m3fn": torch.uint8, "float8_e4m3fnuz": torch.uint8,
    "float8_e5m2": torch.uint8, "float8_e5m2fnuz": torch.uint8, "float8_e8m0fnu": torch.uint8,
}  # fmt: skip
"""For the name of a dtype, the integer dtype that crosses in its place."""
DTYPES: Final[dict[str, torch.dtype]] = {
    name: getattr(torch, name) for name in (*PLAIN_DTYPES, *CARRIED) if hasattr(torch, name)
}
"""By name. torch before 2.7 has no float8_e8m0fnu."""
CARRIERS: Final = {DTYPES[name]: CARRIED[name] for name in CARRIED if name in DTYPES}
"""For a dtype, the integer dtype that crosses in its place."""
NAMES: Final = {dtype: name for name, dtype in DTYPES.items()}


def of_ml_dtypes(dtype: torch.dtype) -> Any:
    """Return the scalar type of ml_dtypes for one of the `CARRIERS`."""
    import ml_dtypes  # noqa: PLC0415 - optional; the planner has asked the target for the dtype

    return getattr(ml_dtypes, NAMES[dtype])


def numpy_dtype(dtype: torch.dtype) -> np.dtype[Any]:
    """Return the dtype of NumPy or ml_dtypes for the same numbers as a dtype of torch."""
    return np.dtype(of_ml_dtypes(dtype) if dtype in CARRIERS else NAMES[dtype])
