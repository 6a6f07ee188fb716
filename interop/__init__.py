"""Convert any array to any framework: zero-copy when the device allows it, by an explicit host copy when it doesn't.

>>> import numpy as np, interop
>>> interop.to_torch(np.arange(3))
tensor([0, 1, 2])

Importing this loads no framework, not even NumPy: each is imported when one of its arrays is met or wanted.
"""

from interop._convert import convert, convert_like, explain, to_cupy, to_numpy, to_torch
from interop._options import options
from interop._plan import Plan, Step
from interop._questions import FrameworkInfo, device_of, framework_of, frameworks, namespace, shares_memory
from interop._registry import register
from interop._stream import stream
from interop.adapter import Device
from interop.errors import (
    CopyRequiredError,
    DeviceUnavailableError,
    FrameworkNotInstalledError,
    GradientError,
    HostCopyError,
    InteropError,
    InvalidOptionError,
    NotAnArrayError,
    ShapeError,
    UnknownFrameworkError,
    UnsupportedArrayError,
)

__all__ = [
    "CopyRequiredError",
    "Device",
    "DeviceUnavailableError",
    "FrameworkInfo",
    "FrameworkNotInstalledError",
    "GradientError",
    "HostCopyError",
    "InteropError",
    "InvalidOptionError",
    "NotAnArrayError",
    "Plan",
    "ShapeError",
    "Step",
    "UnknownFrameworkError",
    "UnsupportedArrayError",
    "__version__",
    "convert",
    "convert_like",
    "device_of",
    "explain",
    "framework_of",
    "frameworks",
    "namespace",
    "options",
    "register",
    "shares_memory",
    "stream",
    "to_cupy",
    "to_numpy",
    "to_torch",
]

__version__ = "0.1.0"
