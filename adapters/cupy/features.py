"""Features that older releases of CuPy lack, each with the first release that has the feature.

A feature is looked up once, at import, and release numbers are never compared. If the oldest
supported release has a feature, delete the code here for releases without it.
"""

from __future__ import annotations

from typing import Any, Final

import cupy
import numpy as np
from cupy.cuda import Stream


class _Handle:
    """A stream given by its handle, for `cupy.cuda.Stream.from_external`."""

    def __init__(self, handle: int) -> None:
        self._handle = handle

    def __cuda_stream__(self) -> tuple[int, int]:
        # The version of the protocol is 0 (`__cuda_stream__` of cuda.core).
        return 0, self._handle


if hasattr(Stream, "from_external"):  # since CuPy 14

    def external_stream(handle: int) -> Any:
        """Return a CuPy stream for the handle of another library's stream."""
        return Stream.from_external(_Handle(handle))

else:
    external_stream = cupy.cuda.ExternalStream

STREAMS_WITHOUT_PROTOCOL: Final[tuple[Any, ...]] = (
    () if hasattr(Stream, "__cuda_stream__") else (Stream, cupy.cuda.ExternalStream)
)
"""The classes of CuPy's streams, if they lack `__cuda_stream__`. Since CuPy 14, they have it."""


BFLOAT16: np.dtype[Any] | None = None
"""The dtype bfloat16, if CuPy's kernels accept it. Since CuPy 14 with NumPy 2.1.2."""
BFLOAT16_HINT = 'Update CuPy to 14 and NumPy to 2.1.2 or later, or pass dtype="float32".'
"""How to get the dtype, or do without."""
try:
    import ml_dtypes
except ImportError:
    BFLOAT16_HINT = 'Run pip install ml-dtypes, or pass dtype="float32".'
else:
    _dtype = np.dtype(ml_dtypes.bfloat16)
    if any(_dtype.char in types for types in cupy.add.types):
        BFLOAT16 = _dtype
