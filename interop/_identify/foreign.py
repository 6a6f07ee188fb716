"""Foreign objects: objects of no known framework that offer an array by a protocol.

Examples are `bytes`, data frames and images. The protocols are DLPack, the array interfaces, the
buffer protocol and `__array__`.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, Final

from interop import errors
from interop._identify import object_hints
from interop._model import text

if TYPE_CHECKING:
    from collections.abc import Callable

    from interop.adapter import Adapter

_PROTOCOL: Final = "interop.adapters.protocol.adapter"
"""Imported when the first foreign object is met, because it imports NumPy."""


def adapter() -> Adapter:
    """Return the adapter of objects that only a protocol describes."""
    protocol_adapter: Adapter = importlib.import_module(_PROTOCOL).adapter
    return protocol_adapter


def unwrap(x: Any) -> Any:
    """Return the object that a wrapper object holds, or the object itself if it is not a wrapper.

    No data is read.
    """
    try:
        return importlib.import_module(_PROTOCOL).unwrap(x)
    except MemoryError:
        raise
    except Exception:  # noqa: BLE001 - a producer may raise anything
        return x  # the same error comes again, with a message, when the object is opened


def open_array(x: Any, wanted: str, is_array: Callable[[type], bool]) -> Any:
    """Open a foreign object as an array that an adapter knows.

    Parameters
    ----------
    x : object
        Object of no known framework.
    wanted : str
        Target framework, for the hint in a message.
    is_array : callable
        Whether a class is a class of arrays of a known framework, for the hint in a message.

    Raises
    ------
    NotAnArrayError
        The object has no array protocol.
    UnsupportedArrayError
        The object has an array protocol, and the protocol raised an error (the cause).
    """
    protocol = importlib.import_module(_PROTOCOL)
    try:
        array = protocol.open(x)
    # A lack of memory is not a fault of the object.
    except (errors.InteropError, MemoryError):
        raise
    except Exception as error:  # even a look-up of an attribute may raise anything
        class_name = text.full_name(type(x))
        reason = f"{class_name} has an array protocol that raised {errors.quote(error)}"
        raise errors.UnsupportedArrayError(reason, source=class_name, target=wanted) from error
    if array is None:
        reason = _why_not_array(x, wanted, is_array)
        source = text.full_name(type(x))
        raise errors.NotAnArrayError(reason, source=source, target=wanted)
    return array


def _why_not_array(x: Any, wanted: str, is_array: Callable[[type], bool]) -> errors.Reason:
    try:
        return object_hints.of_object(x, wanted, lambda item: is_array(type(item)))
    except MemoryError:
        raise
    except Exception:  # noqa: BLE001 - the class or an item of a container may raise anything
        return object_hints.of_unknown(text.full_name(type(x)))
