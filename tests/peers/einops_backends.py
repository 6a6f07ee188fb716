"""einops' tests, with conversions by interop in the backends for NumPy, torch and JAX."""

from __future__ import annotations

import importlib
from typing import Any

import interop
from peers.harness import counted

DIFFERENCES: dict[str, str] = {}
NOT_HERE = {
    "test_flax_layers": "flax is not installed",
    "test_torch_compile*": "compiles for a minute, and calls no conversion",
}

convert = counted(interop.convert)
to_numpy = counted(interop.to_numpy)


def pytest_configure() -> None:
    """Replace `from_numpy` and `to_numpy` of three backends."""
    backends = importlib.import_module("einops._backends")
    for backend in (backends.NumpyBackend, backends.TorchBackend, backends.JaxBackend):
        backend.from_numpy = _from_numpy
        backend.to_numpy = lambda self, x: to_numpy(x, detach=True)  # noqa: ARG005 - a method


def _from_numpy(self: Any, x: Any) -> Any:
    """Convert to the framework of a backend. Torch floats require a gradient, as in einops."""
    array = convert(x, self.framework_name)
    if self.framework_name == "torch" and self.is_float_type(array):
        array.requires_grad = True
    return array
