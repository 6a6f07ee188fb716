"""xarray's tests of wrapped arrays, with xarray's `to_numpy` replaced by interop."""

from __future__ import annotations

import importlib
from typing import Any

import interop
from peers.harness import counted, replace_everywhere

DIFFERENCES: dict[str, str] = {}
NOT_HERE = {
    "*[*cupy*": "computes on a GPU",
    "*cftime*": "cftime is not installed",
    "test_basic_compute": "starts processes, where interop is not put in",
}

to_numpy = counted(interop.to_numpy)


def pytest_configure() -> None:
    """Replace the function in all xarray modules, except for xarray's wrappers and non-arrays."""
    importlib.import_module("xarray")
    compat = importlib.import_module("xarray.namedarray.pycompat")
    utils = importlib.import_module("xarray.namedarray.utils")
    indexing = importlib.import_module("xarray.core.indexing")
    own = compat.to_numpy

    def replacement(data: Any, **keywords: Any) -> Any:
        if isinstance(data, indexing.ExplicitlyIndexed):
            data = data.get_duck_array()
        return to_numpy(data) if utils.is_duck_array(data) else own(data, **keywords)

    replace_everywhere(own, replacement)
