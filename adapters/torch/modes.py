"""Modes of torch in which tensors have no values: `torch.func` and `FakeTensorMode`."""

from __future__ import annotations

from typing import Any, Final

import torch

# Private names: torch has no public way to ask for these modes.
_C: Any = torch._C
is_transformed: Final = _C._functorch.is_functorch_wrapped_tensor
"""Return whether a tensor is inside `torch.func` (vmap, grad), so that it has no values yet."""
dispatch_mode: Final = _C._get_dispatch_mode
FAKE: Final = _C._TorchDispatchModeKey.FAKE


def is_faked() -> bool:
    """Return whether `FakeTensorMode` is on.

    The mode refuses real tensors, or turns them into tensors without numbers.
    """
    return dispatch_mode(FAKE) is not None
