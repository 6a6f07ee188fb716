"""Features that older releases of JAX lack, each with the first release that has the feature.

Release numbers are never compared. If the oldest supported release has a feature, delete the other
way here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

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
