"""The checked keywords of one conversion, and the types of the values of keywords."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypedDict

if TYPE_CHECKING:
    from interop.adapter import Device
    from interop.adapter.streams import Stream

ReadOnly = Literal["copy", "share", "error"]
Casting = Literal["same_kind", "unsafe"]
HostCopy = Literal["allow", "warn", "error"]


# The order is that of the parameters in `help()` and of the keywords in messages.
class Keywords(TypedDict, total=False):
    """Keywords of every function that converts arrays, as documented in `interop.convert`."""

    device: object
    dtype: object
    copy: bool | None
    stream: object
    detach: bool
    readonly: ReadOnly
    casting: Casting
    compute: bool
    chunks: object


# A NamedTuple is hashable if its values are, and the key of the plan cache contains requests.
class Request(NamedTuple):
    """Checked keywords of one conversion, with the policy that `interop.options` sets.

    Attributes
    ----------
    device, dtype, stream
        Parsed. None if the caller does not ask for one.
    copy, detach, readonly, casting, compute
        As in `interop.convert`.
    chunks
        As the caller wrote them. Only the lazy framework can read them.
    host_copy, max_host_bytes
        The policy on bytes that travel between the host and a device. No keyword of a call sets it.
    """

    device: Device | None = None
    dtype: str | None = None
    copy: bool | None = None
    stream: Stream | None = None
    detach: bool = False
    readonly: ReadOnly = "copy"
    casting: Casting = "same_kind"
    compute: bool = False
    chunks: Any = None
    host_copy: HostCopy = "allow"
    # The type is float only because of inf. Every other limit is an int.
    max_host_bytes: float = math.inf
