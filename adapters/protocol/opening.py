"""Objects of no known framework, opened by the first protocol that works."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from interop.adapter import CPU

from .. import _meanings
from . import columns, readers, wrappers
from .closed import Closed, get, refusal, stated_facts
from .cuda_interface import open_cuda
from .dlpack import is_on_device, open_dlpack

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from numpy.typing import NDArray

    Opener = Callable[[Any], NDArray[Any] | Closed | None]


def open(x: Any) -> NDArray[Any] | Closed | None:  # noqa: A001 - callers write protocol.open
    """Open an object by the first protocol that works, or return None if none is supported.

    Raises
    ------
    UnsupportedArrayError
        All protocols of the object fail. The cause is the error of the first one.
    """
    if isinstance(x, type):  # a class has the methods of its instances, but no memory
        return None
    failures: dict[str, Exception] = {}
    try:
        opened = _open_by_first(x, failures)
        # A producer may keep its error, whose traceback keeps the frames of all callers, and those
        # keep the array. The array keeps the producer, and the garbage collector does not look
        # into arrays.
        for failure in failures.values():
            failure.__traceback__ = None
        return opened
    finally:
        # The tracebacks refer to frames, and those refer to this dict: a cycle that keeps memory.
        failures.clear()


def _open_by_first(x: Any, failures: dict[str, Exception]) -> NDArray[Any] | Closed | None:
    """Try each protocol of an object in order, and record the errors of protocols that fail."""
    for protocol, open_by in _openers(x, failures):
        try:
            opened = open_by(x)
        except MemoryError:  # another protocol would need as much memory
            raise
        except Exception as error:  # noqa: BLE001 - a producer may raise anything
            failures[protocol] = error
        else:
            if opened is not None:
                return opened
    if failures:
        raise refusal(x, failures) from next(iter(failures.values()))
    return None


def _openers(x: Any, failures: Mapping[str, Exception]) -> Iterator[tuple[str, Opener]]:
    """Yield the ways to open an object, the best one first.

    Each way returns None if the object does not support it. A column may have missing values,
    which only its own way looks for. Memory on a device is not read by the host's protocols, which
    would download it.
    """
    if columns.is_column(x):
        yield "__array__", readers.open_column
        return
    yield "its class", _close_by_class
    yield "__dlpack__", open_dlpack
    yield "__cuda_array_interface__", open_cuda
    # Without its DLPack, memory on a device is refused.
    if "__dlpack__" in failures and is_on_device(x):
        return
    yield "the buffer protocol", _open_buffer
    yield "__array_interface__", readers.open_interface
    yield "__array_struct__", _open_struct
    yield "__array__", readers.read_later


def _close_by_class(x: Any) -> Closed | None:
    """Refuse an object with several named arrays, or with a unit that reading would lose."""
    if facts := wrappers.several(x):
        return Closed(x, facts)
    if reason := _meanings.lost_by_reading(x):
        facts = stated_facts(x, getattr(x, "shape", None), getattr(x, "dtype", None), CPU)
        return Closed(x, facts._replace(unsupported=reason))
    return None


def _open_buffer(x: Any) -> NDArray[Any] | None:
    try:
        buffer = memoryview(x)
    except TypeError:  # the class has no buffer
        return None
    return np.asarray(buffer)


def _open_struct(x: Any) -> NDArray[Any] | None:
    if get(x, "__array_struct__") is None:
        return None
    array = np.asarray(x)
    # NumPy takes a null pointer for a request to allocate memory, and gives numbers of no meaning.
    if array.flags.owndata and array.size:
        raise BufferError(f"its __array_struct__ has the shape {array.shape} and a null pointer")
    return array
