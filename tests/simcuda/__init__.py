"""CUDA without a GPU: a simulated runtime for real PyTorch and real CuPy. See README.md."""

from .builder import build
from .runtime import (
    SCHEDULES,
    Access,
    Counts,
    Failure,
    Live,
    Race,
    captured,
    counting,
    counts,
    drain,
    errors,
    library,
    live,
    load,
    loaded,
    races,
    reset,
    schedule,
)
from .toolkit import SimcudaError

__all__ = [
    "SCHEDULES",
    "Access",
    "Counts",
    "Failure",
    "Live",
    "Race",
    "SimcudaError",
    "build",
    "captured",
    "counting",
    "counts",
    "drain",
    "errors",
    "library",
    "live",
    "load",
    "loaded",
    "races",
    "reset",
    "schedule",
]
