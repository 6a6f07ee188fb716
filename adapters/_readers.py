"""Objects that have to be read: by `__array__`, by an `__array_interface__` that makes its data, and columns."""

from __future__ import annotations

import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from interop import errors
from interop.adapter import CPU

from . import _columns, _producers
from ._closed import Closed, dtype_name, get, hindrance, speaks, stated_facts

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray


def _count_ours() -> int:
    """Count how often an array is referenced from here that nobody else has: the interpreters differ."""
    array = np.empty(0)
    return sys.getrefcount(array)


OURS: Final = _count_ours()


def read(x: Closed) -> NDArray[Any]:
    """Read an object once, into whatever memory it gives."""
    try:
        return x.origin.__array__() if x.read is None else x.read()
    except errors.InteropError:
        raise
    except (TypeError, ValueError, RuntimeError) as error:
        msg = f"{x.facts.framework} can't be read: asked for its numbers, it answers {errors.quote(error)}"
        raise errors.UnsupportedArrayError(msg) from error


def is_plain(array: NDArray[Any]) -> bool:
    """Whether new memory can be passed on as it is: it is made writable, if only its view is not."""
    with suppress(ValueError):
        array.flags.writeable = True
    whole = hindrance(_address(array), array.shape, array.strides, array.itemsize) is None
    return whole and array.dtype.isnative and array.flags.writeable and min(array.strides, default=0) >= 0


def open_column(x: Any) -> NDArray[Any] | Closed:
    """Open a column or a table whose values are all numbers, and all there."""
    if facts := _columns.refusal(x):
        return Closed(x, facts)
    if speaks(x, "__dlpack__"):
        with suppress(TypeError, BufferError, NotImplementedError):  # numbers that are packed into bits
            return np.from_dlpack(_producers.Answer(x, CPU))
    opened = _open_view(x, lambda: np.asarray(x.__array__()), "__array__")
    if hasattr(type(x), "get_indexer") and not isinstance(opened, Closed):  # it finds its labels by a hash table
        opened = opened.view()
        opened.flags.writeable = False
    return opened


def open_interface(x: Any) -> NDArray[Any] | Closed | None:
    """Open the array interface; its data may also be an object, which is then made each time, or not."""
    words = get(x, "__array_interface__")
    if words is None:
        return None
    if isinstance(words.get("data"), tuple):
        return np.asarray(x)
    return _open_view(x, lambda: np.asarray(_Words(x.__array_interface__)), "__array_interface__")


def _open_view(x: Any, read: Callable[[], NDArray[Any]], protocol: str) -> NDArray[Any] | Closed:
    """Tell the object's own memory from a copy that was made for us: unless nobody else holds it, by asking again."""
    first = read()
    owner: Any = first if first.base is None else first.base
    fresh = isinstance(owner, np.ndarray) and owner.flags.owndata and sys.getrefcount(owner) <= OURS + 1
    facts = stated_facts(x, first.shape, first.dtype, CPU, first.strides)
    if facts.unsupported or not first.nbytes or not (fresh or _address(first) != _address(read())):
        return first
    return Closed(x, facts._replace(materialises=f"it has to be read by {protocol}"), read)


def _address(array: NDArray[Any]) -> int:
    return int(array.__array_interface__["data"][0])


class _Words:
    """What an object says of its memory, held still."""

    def __init__(self, words: dict[str, Any]) -> None:
        self.__array_interface__ = words


def read_later(x: Any) -> NDArray[Any] | Closed | None:
    """Close an object that tells its shape and dtype; any other must be read to be described at all."""
    if get(x, "__array__") is None:
        return None
    said = getattr(x, "dtype", None)
    facts = stated_facts(x, getattr(x, "shape", None), said, CPU)
    if not facts.unsupported:
        return Closed(x, facts._replace(materialises="it has to be read by __array__"))
    if hasattr(x, "astype") and said is not None and (refused := _columns.refusal(x)):
        return Closed(x, refused)
    array = np.asarray(x.__array__())
    if said is None or dtype_name(said) or not dtype_name(array.dtype):
        return array
    reason = (
        f"{facts.unsupported}, and may hide missing values. Say which numbers it holds: x.astype({array.dtype.name!r})."
    )
    return Closed(x, facts._replace(shape=array.shape, unsupported=reason))
