"""Readers for `__array__`, for an `__array_interface__` that makes the data, and for columns.

What an object states about itself is a claim until it is read. What was read to open it is kept for the conversion that
follows, so that each conversion reads once.
"""

from __future__ import annotations

import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final
from weakref import getweakrefcount

import numpy as np

from interop import errors
from interop.adapter import CPU

from .. import _meanings
from . import columns, producers
from .closed import Closed, get, has_protocol, plain_dtype_name, stated_facts

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Read = Callable[[], NDArray[Any]]

_MADE: Final = (bytes, bytearray)
"""Data that owns its memory: if only we hold it, it was made for us."""


# -- reading -------------------------------------------------------------------------------------------------------


def read(x: Closed) -> NDArray[Any]:
    """Read an object into memory that nobody else uses.

    Any kind of array is accepted, including a masked array.

    Raises
    ------
    UnsupportedArrayError
        The object says that it can't be read (the cause). What fails on the way, as a file does, is its own error.
    """
    array = _kept(x)
    if array is None:
        array = _ask(x)
    owner: Any = array if array.base is None else array.base
    references = sys.getrefcount(array), sys.getrefcount(owner)
    made = x.is_made or _is_ours(array, owner, references)
    if made and _made_writable(array):
        return array
    return np.array(array, copy=True, subok=True)


def _kept(x: Closed) -> NDArray[Any] | None:
    """Return the array kept from opening an object, at most once, or None.

    The object may have changed when it is read again.
    """
    try:
        return x.held.pop() if x.held else None
    except IndexError:  # another thread was quicker
        return None


def _ask(x: Closed) -> NDArray[Any]:
    try:
        array: Any = x.origin.__array__() if x.read is None else x.read()
    except (errors.InteropError, OSError, MemoryError):
        raise
    except Exception as error:
        raise errors.UnsupportedArrayError(
            f"its array protocol raised {errors.quote(error)}",
            attempt="{source} can't be read",
            source=x.facts.framework,
        ) from error
    if isinstance(array, np.ndarray):
        return array
    raise errors.UnsupportedArrayError(
        f"its __array__ returns a {type(array).__name__}, and no ndarray",
        attempt="{source} can't be read",
        source=x.facts.framework,
        hint="Pass what it holds instead.",
    )


def _made_writable(array: NDArray[Any]) -> bool:
    """Make new memory writable if possible, and return whether the memory is writable.

    This succeeds if only the view of the memory is read-only.
    """
    with suppress(ValueError):
        array.flags.writeable = True
    return array.flags.writeable


def _count_own() -> tuple[int, int]:
    """Return the reference counts of an array that nobody else holds, and of the memory's owner.

    The owner is the array itself.
    """
    array = np.empty(4)
    owner: Any = array if array.base is None else array.base
    return sys.getrefcount(array), sys.getrefcount(owner)


def _count_view() -> tuple[int, int]:
    """Return the reference counts of a view that nobody else holds, and of the memory's owner."""
    array = np.empty(4).reshape(2, 2)
    owner: Any = array if array.base is None else array.base
    return sys.getrefcount(array), sys.getrefcount(owner)


_OWN: Final = _count_own()
_VIEW: Final = _count_view()


def _is_ours(array: NDArray[Any], owner: Any, references: tuple[int, int]) -> bool:
    """Return whether nobody else holds an array or the array's memory.

    Such an array was made for us. The caller counts the references, as was done for `_OWN` and
    `_VIEW`. How many references a call to another Python function adds can change while the
    process runs, as the whole test suite has shown.
    """
    if not isinstance(owner, np.ndarray) or not owner.flags.owndata:
        return False
    if getweakrefcount(array) or getweakrefcount(owner):
        return False
    ours = _OWN if owner is array else _VIEW
    return references[0] <= ours[0] and references[1] <= ours[1]


# -- opening -------------------------------------------------------------------------------------------------------


def open_column(x: Any) -> NDArray[Any] | Closed:
    """Open a column or a table whose values are all numbers, and all there."""
    if facts := columns.refusal(x):
        return Closed(x, facts)
    if has_protocol(x, "__dlpack__"):
        with suppress(
            TypeError, BufferError, NotImplementedError
        ):  # numbers that are packed into bits
            return np.from_dlpack(producers.Answer(x, CPU))
    opened = _open_by_reading(x, lambda: np.asanyarray(x.__array__()), "__array__")
    if hasattr(type(x), "get_indexer") and not isinstance(
        opened, Closed
    ):  # it finds its labels by a hash table
        opened = opened.view()
        opened.flags.writeable = False
    return opened


def open_interface(x: Any) -> NDArray[Any] | Closed | None:
    """Open an object by the array interface (version 3, specified by NumPy).

    The data of the interface may be an object, which may be made anew each time.
    """
    interface = get(x, "__array_interface__")
    if interface is None:
        return None
    data = interface.get("data")
    if interface.get("mask") is not None:  # NumPy would ignore it
        facts = stated_facts(x, interface["shape"], interface["typestr"], CPU)
        reason = errors.Reason(
            "it is masked, and the mask would be lost",
            "Fill it first, and pass the array that this gives.",
        )
        return Closed(x, facts._replace(unsupported=reason))
    if data is None or isinstance(data, tuple):
        return np.asarray(x)
    del data
    made = type(interface["data"]) in _MADE
    made = (
        made
        and sys.getrefcount(interface) <= _INTERFACE_REFERENCES[0]
        and sys.getrefcount(interface["data"]) <= _INTERFACE_REFERENCES[1]
    )
    first = np.asarray(_HeldInterface(interface))
    return _opened(
        x,
        first,
        lambda: np.asarray(_HeldInterface(x.__array_interface__)),
        "__array_interface__",
        made=made,
    )


def _open_by_reading(x: Any, read: Read, protocol: str) -> NDArray[Any] | Closed:
    array = read()
    owner: Any = array if array.base is None else array.base
    references = sys.getrefcount(array), sys.getrefcount(owner)
    made = _is_ours(array, owner, references)
    return _opened(x, array, read, protocol, made=made)


def _opened(
    x: Any, first: NDArray[Any], read: Read, protocol: str, *, made: bool
) -> NDArray[Any] | Closed:
    """Tell the object's own memory from a copy that was made for us: unless nobody else holds it, by asking again."""
    facts = stated_facts(x, first.shape, first.dtype, CPU, first.strides)
    if facts.unsupported or not first.nbytes or _meaning(first):
        return first
    if not made and _address(first) == _address(read()):
        return first
    return Closed(
        x,
        facts._replace(needs_read=f"it has to be read by {protocol}"),
        read,
        is_made=made,
        held=[first],
    )


def _meaning(array: NDArray[Any]) -> str | None:
    return None if type(array) is np.ndarray else _meanings.lost_by_subclass(array)


def _address(array: NDArray[Any]) -> int:
    return int(array.__array_interface__["data"][0])


class _HeldInterface:
    """What an object says of its memory, held still."""

    def __init__(self, interface: dict[str, Any]) -> None:
        self.__array_interface__ = interface


def _count_interface() -> tuple[int, int]:
    """Return the reference counts of an unshared interface and of the data inside."""
    interface = {"data": bytearray(1)}
    return sys.getrefcount(interface), sys.getrefcount(interface["data"])


_INTERFACE_REFERENCES: Final = _count_interface()


def read_later(x: Any) -> NDArray[Any] | Closed | None:
    """Close an object with a stated shape and dtype, or read the object.

    Without a stated shape and dtype, an object must be read to be described at all.
    """
    if get(x, "__array__") is None:
        return None
    said = getattr(x, "dtype", None)
    facts = stated_facts(x, getattr(x, "shape", None), said, CPU)
    if not facts.unsupported:
        reason = f"it has to be read by __array__ (stated {facts.dtype}, read to find out)"
        return Closed(x, facts._replace(needs_read=reason))
    if hasattr(x, "astype") and said is not None and (refused := columns.refusal(x)):
        return Closed(x, refused)
    if said is None or plain_dtype_name(said):
        return _open_by_reading(x, lambda: np.asanyarray(x.__array__()), "__array__")
    array = np.asanyarray(x.__array__())
    if not plain_dtype_name(array.dtype):
        return array
    reason = errors.Reason(
        f"{facts.unsupported}, and may hide missing values",
        f"Say which numbers it holds: x.astype({array.dtype.name!r}).",
    )
    return Closed(x, facts._replace(shape=array.shape, unsupported=reason))
