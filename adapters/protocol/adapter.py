"""The adapter of objects of no known framework, which support a protocol for arrays.

Such an object is a source only. An object in host memory is opened as an ndarray. An object on a
GPU, an object that must be read first, and an object without numbers stay closed: a `Closed` holds
the facts that the object states, and the planner decides.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Final, cast

from interop import errors
from interop.adapter import PLAIN_DTYPES, Device, Facts
from interop.adapter.lazy import ReadAdapter

from . import opening, readers, wrappers
from .closed import Closed

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from interop.adapter.streams import Stream


class ProtocolAdapter(ReadAdapter):
    """Adapter for closed objects."""

    name: ClassVar[str] = "protocol"
    array_type = Closed

    def describe(self, x: Closed, /) -> Facts:
        """Return the facts that the object states."""
        return x.facts

    def address(self, x: Closed, /) -> int:
        """Return the address that a protocol of device memory states.

        An object that must be read first has no address.
        """
        if x.address is None:
            reason = f"{x.facts} has no address before it is converted"
            raise errors.UnsupportedArrayError(reason, source=x.facts, hint="Convert it first.")
        return x.address

    def why_no_dtype(self, dtype: str, /) -> str | None:
        """Return why a read cannot give a dtype, or None for the dtypes that NumPy casts to."""
        if dtype in PLAIN_DTYPES:
            return None
        return f"an array that is read as {dtype} cannot be an ndarray"

    def export(self, x: Closed, stream: Stream | None, /) -> Any:
        """Return an object's memory by the protocol of opening, for the consumer's stream."""
        if x.lend is None:
            reason = f"{x.facts} has no memory to lend before it is read"
            raise errors.UnsupportedArrayError(reason, source=x.facts, hint="Convert it first.")
        return x.lend(stream)

    def read(self, x: Closed, /) -> NDArray[Any]:
        """Read the object. Memory that somebody else may hold is copied."""
        return readers.read(x)

    def export_host(self, x: Any, /) -> NDArray[Any]:
        """Return the ndarray that `copy` has made."""
        return cast("NDArray[Any]", x)

    def copy(self, x: Closed, device: Device, dtype: str, /) -> NDArray[Any]:  # noqa: ARG002
        """Copy an object to the host by the object's library.

        Raises
        ------
        UnsupportedArrayError
            The library refuses (the cause), or gives another dtype than it states.
        """
        array = readers.read(x)
        if array.dtype.name != x.facts.dtype:
            reason = f"{x.facts} gives {array.dtype} when it is copied to the host"
            hint = "Copy it to the host first, and convert the copy."
            raise errors.UnsupportedArrayError(reason, source=x.facts, hint=hint)
        return array.astype(dtype, copy=False, subok=False)


adapter = ProtocolAdapter()
open: Final = opening.open  # noqa: A001 - callers write protocol.open
unwrap: Final = wrappers.unwrap
