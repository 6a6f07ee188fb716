"""Keywords that are fixed for the fields of a framework's containers.

Indices keep their dtype, for example.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from interop._identify import registry
from interop._model import text
from interop.adapter import CPU, Adapter

if TYPE_CHECKING:
    from collections.abc import Mapping

    Fixed = Mapping[str, Mapping[str, Any]]

_COMMON = "array_api_compat"
"""Package whose containers are those of the array API standard. Every adapter knows them."""


def find(cls: type) -> Fixed:
    """Return the fixed keywords of a container class, by the name of the field."""
    # A class belongs to the framework whose package defines the class or a base (decision 0025).
    for base in text.bases(cls):
        root = text.module_name(base).partition(".")[0]
        adapter = registry.adapter_of_package(root)
        if root == _COMMON:
            # The default of `Adapter` covers the names of the array API standard.
            adapter = Adapter()
        if adapter is None:
            continue
        fixed = adapter.fixed_keywords(base)
        if fixed:
            return fixed
    return {}


def merge_fixed(keywords: Mapping[str, Any], fixed: Mapping[str, Any], to: Any) -> dict[str, Any]:
    """Merge the keywords of a call with the fixed keywords of a field, which take precedence."""
    merged = {**keywords, **fixed}
    # A target without host memory finds a device as for any other array.
    if fixed.get("device") == CPU and CPU.kind not in registry.find(to).device_kinds:
        merged["device"] = keywords.get("device")
    return merged
