"""DLPack producers of no known framework.

A producer is asked once, with the keywords that it accepts. The header of its capsule is checked.
"""

from __future__ import annotations

import inspect
import operator
from contextlib import suppress
from types import MethodType
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakKeyDictionary

import numpy as np

from interop.adapter import CPU, CUDA, PLAIN_DTYPES, ROCM, Device, capsule
from interop.adapter.streams import LEGACY, UNORDERED, Interface
from interop.errors import ignored_refusals, quote

from .closed import is_shape, plain_dtype_name, refusal

if TYPE_CHECKING:
    from interop.adapter import Facts
    from interop.adapter.capsule import Header
    from interop.adapter.streams import Stream

_MANAGED: Final = 13
"""The DLPack kind of CUDA memory that the host may read too."""
NEWEST: Final = (1, 0)
"""The newest version of DLPack that is asked for."""
_ALL_KEYWORDS: Final = frozenset({"max_version", "stream"})
_keywords: Final[WeakKeyDictionary[Any, frozenset[str]]] = WeakKeyDictionary()
"""By function, the keywords that a `__dlpack__` accepts."""


class Capsule:
    """A producer around a given capsule, for consumers that accept producers only.

    The device in the header of the capsule must be the announced one.
    """

    def __init__(self, lent: Any, device: Device) -> None:
        self._lent = lent
        self._device = device
        self.header = capsule.read_header(lent)
        if as_fact(self.header.device) != as_fact(device):
            msg = f"it says that it is on {device}, and its capsule says {self.header.device}"
            raise BufferError(msg)

    def __dlpack_device__(self) -> tuple[int, int]:
        return self._device.kind, self._device.id

    def __dlpack__(self, **_: Any) -> Any:
        return self._lent


class Answer(Capsule):
    """A producer around the one capsule that another producer has returned.

    A consumer that tries several sets of keywords gets the same capsule each time. The original
    producer might fail each time instead.
    """

    def __init__(self, x: Any, device: Device, **keywords: Any) -> None:
        super().__init__(ask(x, max_version=NEWEST, **keywords), device)
        check_stated(x, self.header)
        self._x = x
        self._keywords = keywords

    def __dlpack__(self, *, max_version: tuple[int, int] | None = None, **_: Any) -> Any:
        """Return the capsule, or ask again for a consumer that needs an unversioned capsule."""
        # Some consumers know the old capsule name only, and would refuse a versioned capsule.
        if max_version is None and self.header.readonly is not None:
            return ask(self._x, **self._keywords)
        return self._lent


class ManagedAnswer(Answer, Interface):
    """A producer of managed memory, for consumers such as torch.

    They do not know the device kind in DLPack, and can use the CUDA Array Interface instead.
    """

    def __init__(self, x: Any, device: Device, **keywords: Any) -> None:
        Answer.__init__(self, x, device, **keywords)
        Interface.__init__(self, _Described(self.header), as_fact(device))


class _Described:
    """An object with the CUDA Array Interface of a header.

    The memory is ordered already. So the interface is of version 2, which has no stream.
    """

    def __init__(self, header: Header) -> None:
        self.__cuda_array_interface__ = {
            "version": 2,
            "typestr": np.dtype(header.dtype).str,
            "shape": header.shape,
            "strides": header.strides,
            "data": (header.address, False),
        }


def answer_for(x: Any, device: Device, stream: Stream | None, planned: Facts) -> Answer:
    """Ask a producer on a device for a capsule that is ordered for one stream.

    Raises
    ------
    UnsupportedArrayError
        The producer fails, or the capsule does not match the plan.
    """
    answer_class = Answer
    # The CUDA Array Interface has neither bfloat16 nor float8.
    if device.kind == _MANAGED and planned.dtype in PLAIN_DTYPES:
        answer_class = ManagedAnswer
    try:
        answer = answer_class(x, device, **_stream_keywords(device, stream))
        _check_planned(answer.header, planned)
    except MemoryError:
        raise
    except Exception as error:
        raise refusal(x, {"__dlpack__": error}) from error
    return answer


def _stream_keywords(device: Device, stream: Stream | None) -> dict[str, int]:
    if stream is None:
        return {}
    if not stream.ordered:
        return {"stream": UNORDERED}
    # The array API standard numbers the default stream of ROCm 0, and the legacy stream of CUDA 1.
    # On CUDA, it forbids 0, which might also mean the per-thread stream.
    if device.kind != ROCM.kind:
        return {"stream": stream.handle or LEGACY}
    return {"stream": stream.plain_handle}


def ask_unordered(x: Any, device: Device) -> Any:
    """Return a capsule to look at.

    No stream is ordered after another one, unless the producer refuses such a capsule. The legacy
    default stream is ordered then.
    """
    if device.has_streams:
        # A producer may raise anything, and then the error of the second attempt counts.
        with ignored_refusals:
            return ask(x, max_version=NEWEST, stream=UNORDERED)
    return ask(x, max_version=NEWEST)


def read_header(x: Any, lent: Any, device: Device) -> Header:
    """Return the header of a producer's capsule, checked against what the producer states."""
    header = Capsule(lent, device).header
    check_stated(x, header)
    return header


def _check_planned(header: Header, planned: Facts) -> None:
    """Raise BufferError unless the array is the one that the plan was made for.

    Strides are not compared if the plan was made without a header and did not know them.
    """
    strides = planned.strides or header.strides
    if (header.shape, header.dtype, header.strides) != (planned.shape, planned.dtype, strides):
        found = f"{header.dtype} {header.shape} with strides {header.strides}"
        expected = f"{planned.dtype} {planned.shape} with strides {planned.strides}"
        raise BufferError(f"its capsule is {found}, and the plan was made for {expected}")
    # The target may not protect read-only memory, which the plan would have considered.
    if header.readonly and not planned.readonly:
        msg = "its capsule is read-only, and the plan was made for memory that may be written to"
        raise BufferError(msg)


def check_stated(x: Any, header: Header) -> None:
    """Raise BufferError if an object states another shape or dtype than its capsule.

    Only comparable values are compared: other libraries have shapes and dtypes of their own.
    """
    shape = getattr(x, "shape", None)
    if is_shape(shape) and shape != header.shape:
        msg = f"it has the shape {shape}, and its capsule has the shape {header.shape}"
        raise BufferError(msg)
    dtype = plain_dtype_name(getattr(x, "dtype", None))
    if dtype not in (None, header.dtype):
        raise BufferError(f"it has the dtype {dtype}, and its capsule has the dtype {header.dtype}")


def ask(x: Any, **keywords: Any) -> Any:
    """Return a producer's capsule, asked with those of the keywords that the class accepts.

    A versioned capsule states whether memory is read-only. A class from before DLPack 1.0 does not
    accept `max_version`.
    """
    method = x.__dlpack__
    function = function_of(method)
    known = None if function is None else _keywords.get(function)
    if known is None:
        known = _accepted(method)
        if function is not None and known is not None:
            _keywords[function] = known
    if known is None:
        with suppress(TypeError):
            return method(**keywords)
        known = frozenset({"stream"})
    accepted = {name: value for name, value in keywords.items() if name in known}
    try:
        return method(**accepted)
    except (TypeError, NotImplementedError) as error:
        # A wrapper may pass the keyword on to a library from before DLPack 1.0 (NumPy 2.0).
        if "max_version" not in accepted or "max_version" not in quote(error):
            raise
    del accepted["max_version"]
    return method(**accepted)


def function_of(method: Any) -> Any:
    """Return the function of a bound method, as a key of a dict, or None.

    All instances of a class have one function. The class itself is not a key, because its metaclass
    may redefine how classes are compared.
    """
    if type(method) is not MethodType:
        return None
    cls: Any = type(method.__func__)
    if cls.__hash__ is not object.__hash__ or cls.__eq__ is not object.__eq__:
        return None
    return method.__func__


def _accepted(method: Any) -> frozenset[str] | None:
    """Return the keywords that a `__dlpack__` accepts, or None if only a call can tell."""
    try:
        parameters = inspect.signature(method).parameters
    except (TypeError, ValueError):  # written in C without a signature
        return None
    if any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
        return _ALL_KEYWORDS
    return _ALL_KEYWORDS.intersection(parameters)


def announced(x: Any) -> Device:
    """Return the device that a producer announces.

    Kind and number may be enums, or integers of any class. None for the number means 0.

    Raises
    ------
    BufferError
        The answer is not a pair of a device type and a number.
    """
    said = x.__dlpack_device__()
    try:
        kind, index = said
        return Device(_integer(kind), 0 if index is None else _integer(index))
    except (TypeError, ValueError) as error:
        wanted = "which is not a device type and a number"
        msg = f"its __dlpack_device__() returned {said!r:.80}, {wanted}"
        raise BufferError(msg) from error


def _integer(number: Any) -> int:
    """Return an integer of any class as an int.

    An enum member that is not an integer has one as its value.
    """
    return operator.index(getattr(number, "value", number))


def as_fact(device: Device) -> Device:
    """Return the device to name in facts.

    Managed memory counts as memory of its GPU, and pinned memory as memory of the host.
    """
    if device.is_host:
        return CPU
    if device.kind == _MANAGED:
        return Device(CUDA.kind, device.id)
    return device
