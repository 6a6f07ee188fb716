"""scikit-learn's array-API tests, with `move_to` and `_convert_to_numpy` done by interop."""

from __future__ import annotations

import importlib
from typing import Any

import interop
from peers.harness import counted, replace_everywhere

DIFFERENCES: dict[str, str] = {}
NOT_HERE = {
    "*[*torch-cuda*": "computes on a GPU",
    "*[*cupy*": "computes on a GPU",
    "test_move_to_array_api_conversions[numpy to torch cuda]": "computes on a GPU",
    "test_convert_to_numpy_gpu[torch]": "computes on a GPU",
}

convert = counted(interop.convert)
to_numpy = counted(interop.to_numpy)


def pytest_configure() -> None:
    """Replace both functions in every module of scikit-learn that imported them."""
    arrays = importlib.import_module("sklearn.utils._array_api")
    sparse = importlib.import_module("scipy.sparse")

    def move_to(*arrays_: Any, xp: Any, device: Any) -> Any:
        if any(map(sparse.issparse, arrays_)) and not arrays._is_numpy_namespace(xp):
            msg = "Sparse arrays are only accepted (and passed through) when the target namespace is Numpy"
            raise TypeError(msg)
        narrow = arrays._max_precision_float_dtype(xp, device) == xp.float32
        moved = [
            x if x is None or sparse.issparse(x) else _moved(x, xp, device, narrow=narrow)
            for x in arrays_
        ]
        return moved[0] if len(moved) == 1 else tuple(moved)

    replace_everywhere(arrays.move_to, move_to)
    replace_everywhere(arrays._convert_to_numpy, lambda array, xp: to_numpy(array))  # noqa: ARG005


def _moved(x: Any, xp: Any, device: Any, *, narrow: bool) -> Any:
    """Convert an array, with float64 as float32 if scikit-learn says the device lacks float64."""
    dtype = "float32" if narrow and str(x.dtype).endswith("float64") else None
    return convert(x, xp, device=device, dtype=dtype)
