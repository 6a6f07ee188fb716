"""The policy and the defaults of all conversions in a ``with`` block."""

from __future__ import annotations

from typing import TYPE_CHECKING

from interop._engine.parse import parse_values
from interop._model.context import defaults, using_defaults

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from interop._model.request import HostCopy, ReadOnly


def options(
    *,
    host_copy: HostCopy | None = None,
    max_host_bytes: float | None = None,
    detach: bool | None = None,
    readonly: ReadOnly | None = None,
) -> AbstractContextManager[None]:
    """Set the policy and the defaults of every conversion inside the ``with`` block.

    A keyword of a call overrides a default. The settings hold for the current thread or task (a
    `contextvars.ContextVar`) and end with the block. Blocks nest: a setting that is not given keeps
    the value of the outer block.

    The policy limits the bytes that travel between the host and a device, in either direction, as
    `Plan.host_bytes` counts them. Copies within host memory, within a device and from one device to
    another are not limited. `explain` raises the errors of `convert`, and never warns.

    Parameters
    ----------
    host_copy : {"allow", "warn", "error"}, optional
        Whether a conversion may move bytes between the host and a device. "allow" (the default of
        the library) permits the copy, "warn" permits the copy with a `HostCopyWarning`, and "error"
        raises `HostCopyError` before any byte has moved.
    max_host_bytes : int, optional
        The most bytes that one conversion may move between the host and a device, if `host_copy`
        allows any. ``math.inf`` removes the limit of an outer block.
    detach : bool, optional
        Whether a tensor that requires grad may leave its framework without its gradient.
    readonly : {"copy", "share", "error"}, optional
        What happens to read-only memory that the target cannot protect.

    Raises
    ------
    InvalidOptionError
        A value is not valid. Raised by the call, before the block is entered.

    Examples
    --------
    >>> import numpy as np, interop
    >>> with interop.options(host_copy="error", readonly="error"):
    ...     interop.to_torch(np.arange(3))  # stays on the host
    tensor([0, 1, 2])
    """
    given = {
        "host_copy": host_copy,
        "max_host_bytes": max_host_bytes,
        "detach": detach,
        "readonly": readonly,
    }
    # A keyword that was not given must not reset the value of the outer block.
    given = {name: value for name, value in given.items() if value is not None}
    return using_defaults(defaults()._replace(**parse_values(given)))
