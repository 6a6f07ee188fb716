"""What the caller permits: the keywords of every conversion, and their defaults for a context."""

from __future__ import annotations

import math
import operator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple, TypedDict, get_args

from interop import errors
from interop._identify import registry
from interop._model import dtypes, text
from interop.adapter import Device
from interop.adapter.device import NAMES as DEVICE_NAMES
from interop.adapter.streams import UNORDERED, Stream

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from contextlib import AbstractContextManager

ReadOnly = Literal["copy", "share", "error"]
Casting = Literal["same_kind", "unsafe"]
HostCopy = Literal["allow", "warn", "error"]


class Keywords(TypedDict, total=False):
    """The keywords of every call that converts; `interop.convert` explains them."""

    device: object
    dtype: object
    copy: bool | None
    stream: object
    detach: bool
    readonly: ReadOnly
    casting: Casting
    compute: bool
    chunks: object


class Request(NamedTuple):
    """The keywords, checked and in the core's own terms, and the policy, which only `options` sets."""

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
    max_host_bytes: float = math.inf


_KEYWORDS: Final = tuple(Keywords.__annotations__)
_NOTHING: Final = Request()
_NO_MORE: Final[Mapping[str, tuple[str, ...]]] = {}
_defaults: ContextVar[Request] = ContextVar("interop_defaults", default=_NOTHING)
defaults: Final = _defaults.get
_CHOICES: Final[Mapping[str, tuple[object, ...]]] = {
    "copy": (None, True, False),
    "detach": (True, False),
    "readonly": get_args(ReadOnly),
    "casting": get_args(Casting),
    "compute": (True, False),
    "host_copy": get_args(HostCopy),
}


def options(
    *,
    host_copy: HostCopy | None = None,
    max_host_bytes: float | None = None,
    detach: bool | None = None,
    readonly: ReadOnly | None = None,
) -> AbstractContextManager[None]:
    """Set the policy and the defaults of every conversion inside the ``with`` block; a keyword of a call still wins.

    They hold for the current thread or task (a `contextvars.ContextVar`), nest, and end with the block. What is not
    given stays as it is around the block.

    The policy is about bytes that travel between the host and a device, in either direction: `Plan.host_bytes`. A copy
    within the host's memory is none, nor is one within a device or from one device to another. `explain` is refused
    what `convert` would be, and never warns.

    Parameters
    ----------
    host_copy : {"allow", "warn", "error"}, optional
        What becomes of a conversion that makes bytes travel: done ("allow", where nothing is set), done with a
        `HostCopyWarning`, or refused before anything has moved.
    max_host_bytes : int, optional
        How many bytes of one conversion may travel where they may at all. ``math.inf`` takes an outer limit back.
    detach : bool, optional
        Whether a tensor that requires grad may leave its framework without its gradient.
    readonly : {"copy", "share", "error"}, optional
        What happens to read-only memory that the target can't protect.

    Raises
    ------
    InvalidOptionError
        A value is none of its choices. Raised here, before the block.

    Examples
    --------
    >>> import numpy as np, interop
    >>> with interop.options(host_copy="error", readonly="error"):
    ...     interop.to_torch(np.arange(3))  # it stays on the host
    tensor([0, 1, 2])
    """
    given = {
        "host_copy": host_copy,
        "max_host_bytes": max_host_bytes,
        "detach": detach,
        "readonly": readonly,
    }
    return scope(
        _defaults.get()._replace(**_checked({k: v for k, v in given.items() if v is not None}))
    )


@contextmanager
def scope(request: Request) -> Iterator[None]:
    """Make a request the default of every conversion inside the ``with`` block."""
    token = _defaults.set(request)
    try:
        yield
    finally:
        _defaults.reset(token)


def parse_request(
    keywords: Mapping[str, Any], verb_keywords: Mapping[str, tuple[str, ...]] = _NO_MORE
) -> Request:
    """Check the keywords of a call and lay them over the context's defaults.

    Parameters
    ----------
    keywords : mapping
        What was given.
    verb_keywords : mapping
        Further keywords of the verb, each with other names that users give it. Only for the hint in the error.

    Raises
    ------
    InvalidOptionError
        A value is none of its choices.
    TypeError
        There is no such keyword.
    """
    if not keywords:
        return _defaults.get()
    for name in keywords:
        if name not in _KEYWORDS:
            msg = f"there is no keyword {name!r}. {_keyword_hint(name, keywords[name], verb_keywords)}"
            raise TypeError(msg)
    return _defaults.get()._replace(**_checked(keywords))


def _keyword_hint(name: str, value: object, verb_keywords: Mapping[str, tuple[str, ...]]) -> str:
    """Say which keyword was meant, and which ones there are."""
    if name in Request._fields:
        return f"It is set for all calls by interop.options({name}={text.short_repr(value)})."
    known = (*_KEYWORDS, *verb_keywords)
    meant = next(
        (key for key, others in verb_keywords.items() if name in others), None
    ) or text.nearest(name, known)
    question = f"Did you mean {meant}=? " if meant else ""
    return f"{question}The keywords are {', '.join(known)}."


def _checked(keywords: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _check(name, value) for name, value in keywords.items()}


def _check(name: str, value: Any) -> Any:
    if name == "chunks":
        return value  # the target reads it
    if name in _PARSERS:
        return None if value is None else _PARSERS[name](value)
    check_choice(name, value, _CHOICES[name])
    return value


def check_choice(name: str, value: object, choices: Iterable[object]) -> None:
    """Refuse a value that is none of the choices of a keyword: True, False, None or names.

    Raises
    ------
    InvalidOptionError
    """
    if not any(
        value is choice or (isinstance(value, str) and value == choice) for choice in choices
    ):
        raise invalid(name, value, "one of " + ", ".join(map(repr, choices)))


def _parse_device(spec: Any) -> Device:
    wanted = 'a name such as "cpu" or "cuda:1", a framework\'s device object, or a DLPack pair'
    try:
        if isinstance(spec, Device):
            return spec
        if isinstance(spec, (str, tuple)):
            return Device.parse(spec)
        if adapter := registry.adapter_of_spec(spec):
            return adapter.parse_device(spec)
    except (TypeError, ValueError) as error:
        raise invalid("device", spec, wanted, DEVICE_NAMES) from error
    raise invalid("device", spec, wanted)


def _parse_dtype(spec: Any) -> str:
    if isinstance(spec, str) and spec in dtypes.NAMES:
        return spec
    if text.is_like_array(type(spec)) or isinstance(
        spec, list
    ):  # NumPy would print the arrays in its error
        raise invalid("dtype", spec, "a name or a framework's dtype object")
    try:
        # NumPy's names are everybody's, Python's own float and int included.
        name = (registry.adapter_of_spec(spec) or registry.adapter_named("numpy")).parse_dtype(spec)
    except (TypeError, ValueError, AttributeError) as error:
        raise invalid(
            "dtype", spec, "a name or a framework's dtype object", dtypes.NAMES
        ) from error
    if name not in dtypes.NAMES:
        raise invalid(
            "dtype", spec, "a dtype of plain numbers (" + ", ".join(sorted(dtypes.NAMES)) + ")"
        )
    return name


def parse_stream(spec: Any) -> Stream:
    """Read an int handle, or an object with `__cuda_stream__` (a pair of protocol version and handle)."""
    if hasattr(spec, "__cuda_stream__"):
        return Stream(int(spec.__cuda_stream__()[1]), spec)
    if is_integer(spec, UNORDERED):
        return Stream(spec)
    raise invalid(
        "stream", spec, "an int handle, an object with __cuda_stream__, or -1 for no order"
    )


def _parse_limit(spec: Any) -> float:
    if is_integer(spec, 0) or (isinstance(spec, float) and spec == math.inf):
        return spec
    raise invalid("max_host_bytes", spec, "a number of bytes, or math.inf for no limit")


def parse_axis(axis: Any, axes: range, of: str) -> int:
    """Read an axis, which may be counted from the end; `of` says in a message what has these axes."""
    with suppress(TypeError):
        index = operator.index(axis)
        if index in axes:
            return index
    raise invalid("axis", axis, f"an integer from {axes[0]} to {axes[-1]} for {of}")


def is_integer(value: Any, least: int) -> bool:
    """Whether it is a whole number from `least` up; True and False are none."""
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def invalid(
    name: str, value: object, wanted: str, choices: Iterable[object] = ()
) -> errors.InvalidOptionError:
    """Return the error for a keyword with an invalid value.

    The message states the valid values, the given value and, if one of `choices` is similar, that choice.
    """
    names = [choice for choice in choices if isinstance(choice, str)]
    near = text.nearest(value, names) if isinstance(value, str) else None
    question = f". Did you mean {near!r}?" if near else ""
    wanted, stop, hint = wanted.partition(". ")  # the value goes into the first sentence
    return errors.InvalidOptionError(
        f"{name} must be {wanted}, got {text.short_repr(value)}{question}{stop}{hint}"
    )


_PARSERS: Final = {
    "device": _parse_device,
    "dtype": _parse_dtype,
    "stream": parse_stream,
    "max_host_bytes": _parse_limit,
}
