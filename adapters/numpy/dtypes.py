"""NumPy's dtypes by name, and those of ml_dtypes (bfloat16 and 8-bit floats)."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from interop.adapter import EXTENDED_DTYPES, PLAIN_DTYPES

PLAIN: Final[dict[str, np.dtype[Any]]] = {name: np.dtype(name) for name in PLAIN_DTYPES}
NAMES: Final[dict[Any, str]] = {dtype: name for name, dtype in PLAIN.items()}
"""Names by dtype, since a dict answers in 30 ns and `dtype.name` in 1500 ns."""
PLAIN_IDS: Final = frozenset(map(id, PLAIN.values()))
"""The identities of NumPy's own dtype objects, without metadata and without aliases (longlong)."""
_ADDED: Final = 2
"""The value of `dtype.isbuiltin` for a dtype that another package has added to NumPy."""


def dtype_named(name: str) -> np.dtype[Any] | None:
    """Return a dtype by name, or None if neither NumPy nor an installed ml_dtypes has the dtype."""
    return PLAIN.get(name) or _ml_dtype(name)


def _ml_dtype(name: str) -> np.dtype[Any] | None:
    if name not in EXTENDED_DTYPES:
        return None
    try:
        import ml_dtypes  # noqa: PLC0415 - optional
    except ImportError:
        return None
    scalar_type = getattr(ml_dtypes, name, None)
    if scalar_type is None:  # an older release of ml_dtypes
        return None
    return np.dtype(scalar_type)


def is_extended(dtype: np.dtype[Any]) -> bool:
    """Return whether a dtype comes from ml_dtypes."""
    # The name is slow to build, so it is read for added dtypes only.
    return dtype.isbuiltin == _ADDED and dtype.name in EXTENDED_DTYPES


def extended_name(dtype: np.dtype[Any]) -> str | None:
    """Return the name of a dtype from ml_dtypes, or None for any other dtype."""
    if is_extended(dtype):
        return dtype.name
    return None
