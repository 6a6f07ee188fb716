"""Arrays of no known framework that speak a protocol. A source only: it is opened as an array of a known one.

Host memory is opened as an ndarray over it. GPU memory, what must be read first, and what has no numbers stays closed:
a `Closed` tells what its object says of itself, and the planner decides.
"""

from __future__ import annotations

import ctypes
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any, ClassVar, Final, cast

import numpy as np

from interop import errors
from interop.adapter import CPU, CUDA, PLAIN_DTYPES, Device, Facts
from interop.adapter.lazy import ReadAdapter
from interop.adapter.streams import Interface

from .. import _meanings
from . import columns, readers, wrappers
from .closed import Closed, get, refusal, why_unreadable
from .closed import stated_facts as _facts
from .dlpack import is_on_device, open_dlpack

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from numpy.typing import NDArray

    from interop.adapter.streams import Stream

    _OpenBy = Callable[[Any], NDArray[Any] | Closed | None]

_DEVICE_ORDINAL: Final = 9  # CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL


class ProtocolAdapter(ReadAdapter):
    """What can be done with a closed object."""

    name: ClassVar[str] = "protocol"
    array_type = Closed

    def describe(self, x: Closed, /) -> Facts:
        """Tell what the object says of itself."""
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
        """Have every dtype that NumPy can cast to by itself."""
        return None if dtype in PLAIN_DTYPES else f"an array that is read as {dtype} is no ndarray"

    def export(self, x: Closed, stream: Stream | None, /) -> Any:
        """Return an object's memory by the protocol of opening, for the consumer's stream."""
        if x.lend is None:
            reason = f"{x.facts} has no memory to lend before it is read"
            raise errors.UnsupportedArrayError(reason, source=x.facts, hint="Convert it first.")
        return x.lend(stream)

    def read(self, x: Closed, /) -> NDArray[Any]:
        """Read the object, and copy what it gives only if somebody else may hold it too."""
        return readers.read(x)

    def export_host(self, x: Any, /) -> NDArray[Any]:
        """Return the ndarray that `copy` has made."""
        return cast("NDArray[Any]", x)

    def copy(self, x: Closed, device: Device, dtype: str, /) -> NDArray[Any]:  # noqa: ARG002 - read on the host
        """Copy an object to the host by the object's library.

        Raises
        ------
        UnsupportedArrayError
            The library refuses (the cause), or gives another dtype than it states.
        """
        array = readers.read(x)
        if array.dtype.name != x.facts.dtype:
            reason = f"{x.facts} gives {array.dtype} when it is copied to the host"
            hint = "Copy it there first, and convert that."
            raise errors.UnsupportedArrayError(reason, source=x.facts, hint=hint)
        return array.astype(dtype, copy=False, subok=False)


adapter = ProtocolAdapter()
unwrap: Final = wrappers.unwrap


def open(x: Any) -> NDArray[Any] | Closed | None:  # noqa: A001 - it is said as protocol.open
    """Open an object by the first protocol that works, or return None if none is supported.

    Raises
    ------
    UnsupportedArrayError
        All the protocols that it speaks fail. The cause is the first one's error.
    """
    if isinstance(x, type):  # a class of arrays has all the methods, and no array
        return None
    answers: dict[str, Exception] = {}
    try:
        return _open_by_first(x, answers)
    finally:
        answers.clear()  # their tracebacks refer to frames that refer to them


def _open_by_first(x: Any, answers: dict[str, Exception]) -> NDArray[Any] | Closed | None:
    """Try each protocol of an object in order, and record the errors of protocols that fail."""
    for protocol, open_by in _openers(x, answers):
        try:
            opened = open_by(x)
        except MemoryError:
            raise
        except Exception as error:  # noqa: BLE001 - a producer may raise anything
            answers[protocol] = error
        else:
            if opened is not None:
                return opened
    if answers:
        raise refusal(x, answers) from next(iter(answers.values()))
    return None


def _openers(x: Any, answers: Mapping[str, Exception]) -> Iterator[tuple[str, _OpenBy]]:
    """Yield the ways to open an object, the best one first.

    Each way returns None if the object does not support it. A column may have missing values,
    which only its own way looks for. Memory on a device is not read by the host's protocols, which
    would download it.
    """
    if columns.is_column(x):
        yield "__array__", readers.open_column
        return
    yield "its class", _closed_by_class
    yield "__dlpack__", open_dlpack
    yield "__cuda_array_interface__", _closed_cuda
    if "__dlpack__" in answers and is_on_device(x):
        return
    yield "the buffer protocol", _open_buffer
    yield "__array_interface__", readers.open_interface
    yield "__array_struct__", _open_struct
    yield "__array__", readers.read_later


def _closed_by_class(x: Any) -> Closed | None:
    """Refuse an object with several named arrays, or with a unit that reading would lose."""
    if facts := wrappers.several(x):
        return Closed(x, facts)
    if reason := _meanings.lost_by_reading(x):
        facts = _facts(x, getattr(x, "shape", None), getattr(x, "dtype", None), CPU)
        return Closed(x, facts._replace(unsupported=reason))
    return None


def _open_buffer(x: Any) -> NDArray[Any] | None:
    try:
        buffer = memoryview(x)
    except TypeError:  # it has no buffer
        return None
    return np.asarray(buffer)


def _open_struct(x: Any) -> NDArray[Any] | None:
    return None if get(x, "__array_struct__") is None else np.asarray(x)


# -- what a closed object says of itself ---------------------------------------------------------------------------


def _closed_cuda(x: Any) -> Closed | None:
    """Read the CUDA Array Interface, version 3 (specified by Numba)."""
    interface = get(x, "__cuda_array_interface__")
    if interface is None:
        return None
    address, readonly = interface["data"]
    facts = _facts(
        x,
        tuple(interface["shape"]),
        interface["typestr"],
        _device_at(address),
        interface.get("strides"),
    )
    facts = facts._replace(readonly=bool(readonly))
    if problem := _why_no_numbers(interface, facts):
        return Closed(x, facts._replace(unsupported=problem))
    facts = facts._replace(not_shareable=_why_no_kernel(interface, facts))
    return Closed(x, facts, lend=lambda _: Interface(x, facts.device), address=int(address))


def _why_no_numbers(interface: Any, facts: Facts) -> str | None:
    """Return why a CUDA Array Interface does not describe an array of plain numbers, or None."""
    if interface.get("mask") is not None:
        return errors.Reason("it is masked, and the mask would be lost", "Fill it first.")
    if facts.unsupported:
        return errors.Reason.of(facts.unsupported or "").with_hint(
            "Convert it to numbers with its own library first."
        )
    if len(facts.strides) != len(facts.shape):
        return errors.Reason(
            f"its strides {facts.strides} do not fit its shape",
            "Correct its __cuda_array_interface__.",
        )
    return None


def _why_no_kernel(interface: Any, facts: Facts) -> str | None:
    """Return why no framework can use the memory in place, or None.

    The obstacles are those of NumPy's arrays.
    """
    dtype = np.dtype(interface["typestr"])
    if not dtype.isnative:
        return f"its bytes are not in this machine's order ({sys.byteorder}-endian)"
    return why_unreadable(interface["data"][0], facts.shape, facts.strides, dtype.itemsize)


def _device_at(pointer: int) -> Device:
    """Ask the CUDA driver, since the interface doesn't tell (CUDA Driver API, cuPointerGetAttribute)."""
    ordinal = ctypes.c_int(0)
    name = "nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1"
    with suppress(OSError, AttributeError):  # no driver: whoever is to use the memory will say so
        ask = ctypes.CDLL(name).cuPointerGetAttribute
        ask(ctypes.byref(ordinal), _DEVICE_ORDINAL, ctypes.c_uint64(pointer))
    return Device(CUDA.kind, ordinal.value)
