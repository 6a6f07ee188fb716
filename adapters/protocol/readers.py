"""Readers for columns, for `__array__`, and for an `__array_interface__` that makes new data.

What an object states about itself is checked when the object is read. An array that was read to
open an object is kept for the conversion that follows, so each conversion reads once.
"""

from __future__ import annotations

import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from interop import errors
from interop.adapter import CPU, capsule

from .. import _meanings
from . import columns, interfaces, producers
from .closed import Closed, get, has_protocol, plain_dtype_name, stated_facts
from .ownership import UNSHARED_INTERFACE, is_ours, made_writable, owner_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Read = Callable[[], NDArray[Any]]

_ATTEMPT: Final = "{source} can't be read"
_OWNERS: Final = (bytes, bytearray)
"""Classes of data that own their memory. Data that nobody else holds was made for us."""
_NO_NUMBERS: Final = "OV"
"""Kinds of dtypes whose elements may be pointers to Python objects. NumPy follows them."""


# -- reading ---------------------------------------------------------------------------------------


def read(x: Closed) -> NDArray[Any]:
    """Read an object into memory that nobody else uses.

    Any kind of array is accepted, including a masked array.

    Raises
    ------
    UnsupportedArrayError
        The object refuses to be read, with the object's error as the cause.
    OSError, MemoryError
        A file cannot be read, or the memory is exhausted.
    """
    array = _take_kept(x)
    if array is None:
        array = _read_now(x)
    owner = owner_of(array)
    references = sys.getrefcount(array), sys.getrefcount(owner)
    made = x.is_made or is_ours(array, owner, references)
    if made and made_writable(array):
        return array
    # A subclass stays, because it may be masked, and the planner refuses that.
    return np.array(array, copy=True, subok=True)


def _take_kept(x: Closed) -> NDArray[Any] | None:
    """Return the array kept from opening an object, at most once, or None.

    The object may have changed when it is read again.
    """
    if not x.held:
        return None
    try:
        return x.held.pop()
    except IndexError:  # another thread has taken the array
        return None


def _read_now(x: Closed) -> NDArray[Any]:
    """Return the ndarray that a read of an object gives, or raise an error."""
    try:
        # `numpy.asarray` could prefer another protocol of the object, so the method is called.
        array: Any = x.origin.__array__() if x.read is None else x.read()
    # A missing file or exhausted memory is not a defect of the object.
    except (errors.InteropError, OSError, MemoryError):
        raise
    except Exception as error:
        reason = f"its array protocol raised {errors.quote(error)}"
        raise errors.UnsupportedArrayError(
            reason, attempt=_ATTEMPT, source=x.facts.framework
        ) from error
    if isinstance(array, np.ndarray):
        return array
    raise errors.UnsupportedArrayError(
        f"its __array__ returns a {type(array).__name__} instead of an ndarray",
        attempt=_ATTEMPT,
        source=x.facts.framework,
        hint="Pass what it holds instead.",
    )


# -- opening ---------------------------------------------------------------------------------------


def open_column(x: Any) -> NDArray[Any] | Closed:
    """Open a column or a table of numbers, or close one with missing or other values."""
    if facts := columns.refusal(x):
        return Closed(x, facts)
    if has_protocol(x, "__dlpack__"):
        # Numbers that are packed into bits (Arrow's booleans) cannot be shared.
        with suppress(TypeError, BufferError, NotImplementedError):
            return capsule.as_ndarray(producers.Answer(x, CPU))
    opened = _open_by_reading(x)
    if isinstance(opened, Closed) or not hasattr(type(x), "get_indexer"):
        return opened
    # An index finds its labels by a hash table, which a write to the memory would break.
    opened = opened.view()
    opened.flags.writeable = False
    return opened


def open_interface(x: Any) -> NDArray[Any] | Closed | None:
    """Open an object by the array interface (version 3, specified by NumPy).

    The data of the interface may be an object, and a property may make a new one each time.

    Raises
    ------
    BufferError
        The interface is malformed, or promises more memory than its buffer has.
    """
    interface = get(x, interfaces.HOST)
    if interface is None:
        return None
    checked = interfaces.check(interface, interfaces.HOST)
    if checked.is_masked:  # NumPy would ignore the mask
        return _close_masked(x, checked)
    if checked.dtype.kind in _NO_NUMBERS:
        return Closed(x, stated_facts(x, checked.shape, checked.dtype, CPU))
    if checked.address is not None:
        return np.asarray(_HeldInterface(checked.entries, x))
    interfaces.check_buffer(checked, x)
    entries = checked.entries
    del interface, checked  # only one dict may hold the data while the references are counted
    made = type(entries["data"]) in _OWNERS
    if made:
        references = sys.getrefcount(entries), sys.getrefcount(entries["data"])
        limits = UNSHARED_INTERFACE
        made = references[0] <= limits[0] and references[1] <= limits[1]
    first = np.asarray(_HeldInterface(entries))

    def read() -> NDArray[Any]:
        again = interfaces.check(x.__array_interface__, interfaces.HOST)
        if again.is_masked:
            raise BufferError(f"its {interfaces.HOST} has a mask, and had none before")
        interfaces.check_buffer(again, x)
        return np.asarray(_HeldInterface(again.entries))

    return _opened(x, first, read, interfaces.HOST, made=made)


def _close_masked(x: Any, checked: interfaces.Checked) -> Closed:
    facts = stated_facts(x, checked.shape, checked.dtype, CPU)
    hint = "Fill it first, and pass the array that this gives."
    reason = errors.Reason("it is masked, and the mask would be lost", hint)
    return Closed(x, facts._replace(unsupported=reason))


class _HeldInterface:
    """An object with a given array interface, which does not change between two reads."""

    def __init__(self, interface: dict[str, Any], origin: Any = None) -> None:
        self.__array_interface__ = interface
        self._origin = origin  # kept alive, because the interface may name memory by its address


def _call_array(x: Any) -> NDArray[Any]:
    """Return the ndarray that `__array__` gives, which may be a subclass, for example masked.

    Raises
    ------
    BufferError
        It gives something else, as NumPy refuses, too.
    """
    array = x.__array__()
    if isinstance(array, np.ndarray):
        return array
    msg = f"its __array__ returns a {type(array).__name__} instead of an ndarray"
    raise BufferError(msg)


def _open_by_reading(x: Any) -> NDArray[Any] | Closed:
    """Open an object by a call of `__array__`."""

    def read() -> NDArray[Any]:
        return _call_array(x)

    array = read()
    owner = owner_of(array)
    references = sys.getrefcount(array), sys.getrefcount(owner)
    made = is_ours(array, owner, references)
    return _opened(x, array, read, "__array__", made=made)


def _opened(
    x: Any, first: NDArray[Any], read: Read, protocol: str, *, made: bool
) -> NDArray[Any] | Closed:
    """Return the first array for an object that shares memory, or else a closed object.

    Memory that somebody else holds may still be a copy. A second read tells: the object's own
    memory has the same address again.
    """
    facts = stated_facts(x, first.shape, first.dtype, CPU, first.strides)
    # The NumPy adapter refuses the array with a better reason, or there is no memory to copy.
    if facts.unsupported or not first.nbytes or _meaning(first):
        return first
    if not made and _address(first) == _address(read()):
        return first
    facts = facts._replace(needs_read=f"it has to be read by {protocol}")
    return Closed(x, facts, read, is_made=made, held=[first])


def _meaning(array: NDArray[Any]) -> str | None:
    """Return the mask or the unit of an array that a conversion would lose, or None."""
    if type(array) is np.ndarray:
        return None
    return _meanings.lost_by_subclass(array)


def _address(array: NDArray[Any]) -> int:
    return int(array.__array_interface__["data"][0])


def read_later(x: Any) -> NDArray[Any] | Closed | None:
    """Close an object with a stated shape and dtype, or else read the object.

    An object without a stated shape and dtype must be read to be described at all.
    """
    if get(x, "__array__") is None:
        return None
    stated = getattr(x, "dtype", None)
    facts = stated_facts(x, getattr(x, "shape", None), stated, CPU)
    if not facts.unsupported:
        reason = f"it has to be read by __array__ (stated {facts.dtype}, read to find out)"
        return Closed(x, facts._replace(needs_read=reason))
    if hasattr(x, "astype") and stated is not None and (refused := columns.refusal(x)):
        return Closed(x, refused)
    if stated is None or plain_dtype_name(stated):
        return _open_by_reading(x)
    array = _call_array(x)
    if not plain_dtype_name(array.dtype):
        return array
    # A dtype of the library's own may stand for missing values, which are numbers after the read.
    hint = f"Say which numbers it holds: x.astype({array.dtype.name!r})."
    reason = errors.Reason(f"{facts.unsupported}, and may hide missing values", hint)
    return Closed(x, facts._replace(shape=array.shape, unsupported=reason))
