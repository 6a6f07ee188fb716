"""Checking and parsing of keywords: the values that a caller writes become a `Request`."""

from __future__ import annotations

import math
import operator
from typing import TYPE_CHECKING, Any, Final, cast, get_args

from interop import errors
from interop._identify import registry
from interop._model import dtypes, text
from interop._model.context import defaults
from interop._model.request import Casting, HostCopy, Keywords, ReadOnly, Request
from interop.adapter import Device
from interop.adapter.device import NAMES as DEVICE_NAMES
from interop.adapter.streams import UNORDERED, Stream

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_KEYWORDS: Final = tuple(Keywords.__annotations__)
_NO_MORE: Final[Mapping[str, tuple[str, ...]]] = {}
_CHOICES: Final[Mapping[str, tuple[object, ...]]] = {
    "copy": (None, True, False),
    "detach": (True, False),
    "readonly": get_args(ReadOnly),
    "casting": get_args(Casting),
    "compute": (True, False),
    "host_copy": get_args(HostCopy),
}
_DEVICE: Final = 'a name such as "cpu" or "cuda:1", a framework\'s device object, or a DLPack pair'
_DTYPE: Final = "a name or a framework's dtype object"
_PLAIN_DTYPE: Final = f"a dtype of plain numbers ({', '.join(sorted(dtypes.NAMES))})"
_HANDLES: Final = 2**64
_STREAM: Final = "an int handle, an object with __cuda_stream__, or -1 for no order"
_LIMIT: Final = "a number of bytes, or math.inf for no limit"


def parse_request(
    keywords: Mapping[str, Any], verb_keywords: Mapping[str, tuple[str, ...]] = _NO_MORE
) -> Request:
    """Check the keywords of a call, which override the defaults of the context.

    Parameters
    ----------
    keywords : mapping
        The keywords that the caller passed, by name.
    verb_keywords : mapping
        Further keywords of the called function, each with other names that users try for that
        keyword. Only the hint in the error needs them.

    Raises
    ------
    InvalidOptionError
        A value is not valid for its keyword.
    TypeError
        A keyword does not exist.
    """
    # The parts of a larger conversion pass no keywords. The request of a part is the default.
    if not keywords:
        return defaults()
    for name in keywords:
        if name not in _KEYWORDS:
            hint = _keyword_hint(name, keywords[name], verb_keywords)
            msg = f"there is no keyword {name!r}. {hint}"
            raise TypeError(msg)
    return defaults()._replace(**parse_values(keywords))


def _keyword_hint(name: str, value: object, verb_keywords: Mapping[str, tuple[str, ...]]) -> str:
    """Suggest the keyword that a caller most likely meant, and list the existing keywords."""
    # Only `interop.options` sets the policy. A keyword of a call would hide the copies that the
    # policy should find (decision 0016).
    if name in Request._fields:
        return f"It is set for all calls by interop.options({name}={text.short_repr(value)})."
    known = (*_KEYWORDS, *verb_keywords)
    meant = next((key for key, others in verb_keywords.items() if name in others), None)
    meant = meant or text.nearest(name, known)
    question = f"Did you mean {meant}=? " if meant else ""
    return f"{question}The keywords are {', '.join(known)}."


def parse_values(keywords: Mapping[str, Any]) -> dict[str, Any]:
    """Check and parse the value of each keyword. The names must be fields of `Request`.

    Raises
    ------
    InvalidOptionError
        A value is not valid for its keyword.
    """
    return {name: _parse_value(name, value) for name, value in keywords.items()}


def _parse_value(name: str, value: Any) -> Any:
    if name == "chunks":
        return value  # only the lazy framework can tell which values are valid
    if name in _CHOICES:
        return check_choice(name, value, _CHOICES[name])
    if value is None:
        return None
    return _PARSERS[name](value)


def check_choice(name: str, value: object, choices: Iterable[object]) -> object:
    """Return the choice that a value is: True, False, None or a string.

    True and False are compared by identity, because 1 == True.

    Raises
    ------
    InvalidOptionError
        The value is not one of the choices.
    """
    is_text = issubclass(type(value), str)
    for choice in choices:
        # A subclass of str may redefine `==`.
        if value is choice or (is_text and str.__eq__(cast("str", value), choice) is True):
            return choice
    raise invalid(name, value, "one of " + ", ".join(map(repr, choices)))


def _parse_device(spec: Any) -> Device:
    try:
        if issubclass(type(spec), Device):
            return spec
        if issubclass(type(spec), (str, tuple)):
            return Device.parse(spec)
        if adapter := registry.adapter_of_spec(spec):
            return adapter.parse_device(spec)
    except (errors.InteropError, MemoryError):
        raise
    except Exception as error:  # the class of the object may raise anything
        raise invalid("device", spec, _DEVICE, DEVICE_NAMES) from error
    raise invalid("device", spec, _DEVICE)


def _parse_dtype(spec: Any) -> str:
    if type(spec) is str and spec in dtypes.NAMES:
        return spec
    if issubclass(type(spec), list) or text.is_like_array(type(spec)):
        # NumPy would print all elements in its error.
        raise invalid("dtype", spec, _DTYPE)
    # NumPy knows the names that several frameworks share, and the types float and int of Python.
    adapter = registry.adapter_of_spec(spec) or registry.adapter_named("numpy")
    try:
        name = adapter.parse_dtype(spec)
    except (errors.InteropError, MemoryError):
        raise
    except Exception as error:  # the class of the object may raise anything
        raise invalid("dtype", spec, _DTYPE, dtypes.NAMES) from error
    if name not in dtypes.NAMES:
        raise invalid("dtype", spec, _PLAIN_DTYPE)
    return name


def parse_stream(spec: Any) -> Stream:
    """Parse a stream: an int handle, an object with `__cuda_stream__`, or a framework's stream.

    Raises
    ------
    InvalidOptionError
        The value is none of them.
    """
    if is_integer(spec, UNORDERED) and int.__lt__(spec, _HANDLES):
        return Stream(int.__int__(spec))
    try:
        stream = _parse_stream_object(spec)
        if 0 <= stream.handle < _HANDLES:
            return stream
    except MemoryError:
        raise
    except Exception as error:  # the class of the object may raise anything
        raise invalid("stream", spec, _STREAM) from error
    raise invalid("stream", spec, _STREAM)


def _parse_stream_object(spec: Any) -> Stream:
    if hasattr(spec, "__cuda_stream__"):
        # It returns the version of the protocol and the handle. The object is kept, because a
        # stream that is deleted cannot be waited for later.
        return Stream(int(spec.__cuda_stream__()[1]), spec)
    if adapter := registry.adapter_of_spec(spec):
        return adapter.parse_stream(spec)
    return Stream(UNORDERED)  # refused above


def _parse_limit(spec: Any) -> float:
    is_infinite = issubclass(type(spec), float) and float.__eq__(spec, math.inf)
    if is_infinite or is_integer(spec, 0):
        return spec
    raise invalid("max_host_bytes", spec, _LIMIT)


def parse_axis(axis: Any, axes: range, of: str) -> int:
    """Parse an axis, which may be counted from the end. `of` names the array in the error.

    Raises
    ------
    InvalidOptionError
        The value is not an integer in `axes`.
    """
    with errors.ignored_refusals:
        index = operator.index(axis)
        if index in axes:
            return index
    raise invalid("axis", axis, f"an integer from {axes[0]} to {axes[-1]} for {of}")


def is_integer(value: Any, least: int) -> bool:
    """Whether a value is an integer of at least `least`, and neither True nor False."""
    # A subclass of int may redefine `>=`.
    return issubclass(type(value), int) and type(value) is not bool and int.__ge__(value, least)


def invalid(
    name: str,
    value: Any,
    wanted: str,
    choices: Iterable[object] = (),
    hint: str | None = None,
) -> errors.InvalidOptionError:
    """Return the error for a keyword with an invalid value.

    The message states the valid values, the given value and a hint: the most similar of
    `choices`, if there is one, or `hint`.
    """
    if issubclass(type(value), str):
        near = text.nearest(
            str.__str__(value), [choice for choice in choices if isinstance(choice, str)]
        )
        if near:
            hint = f"Did you mean {near!r}?"
    reason = f"{name} must be {wanted}, got {text.short_repr(value)}"
    return errors.InvalidOptionError(reason, hint=hint)


_PARSERS: Final = {
    "device": _parse_device,
    "dtype": _parse_dtype,
    "stream": parse_stream,
    "max_host_bytes": _parse_limit,
}
