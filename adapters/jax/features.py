"""Features that older releases of JAX lack, each with the first release that has the feature.

Release numbers are never compared. If the oldest supported release has a feature, delete the other
way here.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import jax
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence


def major_to_minor(x: Any) -> Sequence[int]:
    """Return the axes of an array in the order of memory, from outermost on."""
    try:
        return x.format.layout.major_to_minor
    # Since JAX 0.6.2. Before, `format` was called `layout`, and `layout` was `device_local_layout`.
    # The class `jax.Array` has none of them, so an array is asked.
    except AttributeError:
        return x.layout.device_local_layout.major_to_minor


@cache  # not at import, because the call initialises the backends of JAX
def adopts_other_orders() -> bool:
    """Return whether JAX adopts memory whose axes are in another order than row-major.

    JAX 0.6 and JAX 0.10 do, and JAX 0.7 raises an error.
    """
    try:
        jax.dlpack.from_dlpack(np.zeros((2, 3), np.float32).T)
    except MemoryError:
        raise
    except Exception:  # noqa: BLE001 - an error of XLA, whose class has had several names
        return False
    return True
