"""Features that older releases of torch lack, each with the first release that has the feature.

A feature is looked up once, at import, and release numbers are never compared. If the oldest
supported release has a feature, delete the line here and the code that asks for it.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import torch
from torch import Tensor
from torch.utils._python_dispatch import _disable_current_modes
from torch.utils.dlpack import from_dlpack


class _Accelerator:
    """The part of `torch.accelerator` that is used here, built from torch 2.5."""

    def current_accelerator(self) -> torch.device | None:
        """Return the type of accelerator that this torch was built for."""
        found: torch.device = torch._C._get_accelerator()  # "cpu" if there is none
        return None if found.type == "cpu" else found

    def is_available(self) -> bool:
        """Return whether there is a device of the type."""
        return torch.get_device_module().is_available()

    def device_count(self) -> int:
        """Return the number of devices of the type."""
        return torch.get_device_module().device_count()

    def current_device_index(self) -> int:
        """Return the index of the current device."""
        module = torch.get_device_module()
        return module.current_device() if hasattr(module, "current_device") else 0  # MPS has one

    def synchronize(self, index: int) -> None:  # noqa: ARG002 - one device, or the current one
        """Wait for all work on the current device."""
        torch.get_device_module().synchronize()


accelerator: Final[Any] = getattr(torch, "accelerator", None) or _Accelerator()
"""The module `torch.accelerator`. Since torch 2.6."""

HAS_EXCHANGE_API: Final = hasattr(Tensor, "__dlpack_c_exchange_api__")
"""Whether the class offers DLPack's C exchange API, which `_native.c` requires. Since torch 2.10.

A release without it takes the path in Python.
"""


def _adopts_readonly() -> bool:
    array = np.zeros(1)
    array.flags.writeable = False
    try:
        from_dlpack(array.__dlpack__(max_version=(1, 0)))
    # NumPy lacks the keyword, or torch knows no capsules of DLPack 1.0.
    except (TypeError, RuntimeError):
        return False
    return True


ADOPTS_READONLY: Final = _adopts_readonly()
"""Whether torch adopts read-only ndarrays by DLPack. Since torch 2.9 and NumPy 2.1."""


def _numpy_refuses_zeros() -> bool:
    """Return whether `Tensor.numpy` refuses a tensor of zeros without memory."""
    with _disable_current_modes():
        zeros = torch.ops.aten._efficientzerotensor([1], device="cpu")
        try:
            zeros.numpy()
        except RuntimeError:
            return True
    return False


NUMPY_REFUSES_ZEROS: Final = _numpy_refuses_zeros()
"""Whether `Tensor.numpy` itself refuses zeros without memory. Since torch 2.10.

Older releases return memory that is not the tensor's.
"""
