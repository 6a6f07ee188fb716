"""Checked descriptions of memory, from `__array_interface__` and `__cuda_array_interface__`.

Consumers trust what these dicts say: NumPy compares no shape with the size of a buffer. So each
entry is checked before a consumer sees it, and the consumer gets a copy of the checked entries. The
property of the object may return another dict the next time.
"""

from __future__ import annotations

import operator
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import numpy as np

from interop.adapter.strides import (
    ADDRESSES,
    MOST_AXES,
    contiguous_strides,
    reach,
    why_no_address,
    why_too_large,
)

HOST: Final = "__array_interface__"
CUDA: Final = "__cuda_array_interface__"
_NEWEST_CUDA: Final = 3
_NOWHERE: Final = 64
"""An address on the host for no elements. For 0, NumPy allocates memory, which is writable."""


class Checked(NamedTuple):
    """The entries of an array interface, with the types that consumers require."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    strides: tuple[int, ...]
    """The distance in bytes between two elements along each axis."""
    address: int | None
    """The address of the first element, or None if `data` is a buffer or missing."""
    readonly: bool
    entries: dict[str, Any]
    """The interface for a consumer. Only the interface and this dict hold the data."""

    @property
    def is_masked(self) -> bool:
        """Whether some elements are marked as missing."""
        return self.entries.get("mask") is not None

    @property
    def layout(self) -> tuple[Any, ...]:
        """The values that a plan depends on."""
        return self.shape, self.dtype, self.strides, self.readonly, self.is_masked


def check(interface: Any, name: str) -> Checked:
    """Check an array interface, and return a copy of its entries.

    Raises
    ------
    BufferError
        An entry is missing, has another type than the specification says, or contradicts another
        entry.
    """
    if not isinstance(interface, Mapping):
        raise _malformed(name, f"is {interface!r:.80}, which is not a dict")
    entries = dict(interface)
    if name == CUDA:
        _check_version(entries)
        _check_stream(entries)
    shape = _shape(entries, name)
    dtype = _dtype(entries, name)
    strides = _strides(entries, shape, dtype.itemsize, name)
    if reason := why_too_large(shape, strides, dtype.itemsize):
        raise _malformed(name, f"has {reason}")
    address, readonly = _check_data(entries, shape, name)
    checked = Checked(shape, dtype, strides, address, readonly, entries)
    if address is not None:
        _check_address(checked, name)
    return checked


def check_buffer(checked: Checked, x: Any) -> None:
    """Refuse an interface whose elements are not all inside the buffer that it names.

    The buffer of an interface without data is the object's own, and becomes the data.

    Raises
    ------
    BufferError
    """
    entries = checked.entries
    if entries.get("data") is None:
        entries["data"] = x
    try:
        size = memoryview(entries["data"]).nbytes
    except TypeError as error:
        cls = type(entries["data"]).__name__
        problem = f"has {cls} data, which is neither an address nor a buffer"
        if entries["data"] is x:
            problem = "has no data, and the object has no buffer"
        raise _malformed(HOST, problem) from error
    offset = _integer(entries.get("offset", 0), HOST, "offset")
    low, high = reach(checked.shape, checked.strides, checked.dtype.itemsize)
    if offset + low < 0 or offset + high > size:
        needed = f"the bytes {offset + low} to {offset + high}"
        raise _malformed(HOST, f"needs {needed} of its data, which has {size} bytes")


def _malformed(name: str, problem: str) -> BufferError:
    return BufferError(f"its {name} {problem}")


# -- entries ---------------------------------------------------------------------------------------


def _get(entries: dict[str, Any], name: str, key: str) -> Any:
    if key not in entries:
        raise _malformed(name, f"has no {key!r}")
    return entries[key]


def _integer(value: Any, name: str, key: str) -> int:
    try:
        return operator.index(value)
    except TypeError as error:
        raise _malformed(name, f"has the {key} {value!r:.80}, which is no integer") from error


def _integers(value: Any, name: str, key: str) -> tuple[int, ...]:
    # A list is against the specification, and common.
    if not isinstance(value, (tuple, list)):
        raise _malformed(name, f"has the {key} {value!r:.80}, which is not a tuple")
    return tuple(_integer(item, name, key) for item in value)


def _shape(entries: dict[str, Any], name: str) -> tuple[int, ...]:
    shape = entries["shape"] = _integers(_get(entries, name, "shape"), name, "shape")
    if len(shape) > MOST_AXES:
        raise _malformed(name, f"has {len(shape)} axes, and an array has 0 to {MOST_AXES}")
    if min(shape, default=0) < 0:
        raise _malformed(name, f"has the negative shape {shape}")
    return shape


def _dtype(entries: dict[str, Any], name: str) -> np.dtype[Any]:
    typestr = _get(entries, name, "typestr")
    problem = f"has the typestr {typestr!r:.80}, which is not a dtype of plain numbers"
    if not isinstance(typestr, str):
        raise _malformed(name, problem)
    try:
        return np.dtype(typestr)
    except (TypeError, ValueError, SyntaxError) as error:
        raise _malformed(name, problem) from error


def _strides(
    entries: dict[str, Any], shape: tuple[int, ...], itemsize: int, name: str
) -> tuple[int, ...]:
    """Return the strides in bytes. No strides mean row-major order."""
    if entries.get("strides") is None:
        return contiguous_strides(shape, itemsize)
    strides = _integers(entries["strides"], name, "strides")
    if len(strides) != len(shape):
        raise _malformed(name, f"has the strides {strides} for the shape {shape}")
    # Strides that nobody uses may be any number, and frameworks raise an OverflowError for a large
    # one.
    if 0 in shape:
        strides = contiguous_strides(shape, itemsize)
    strides = tuple(s if n > 1 else itemsize for s, n in zip(strides, shape, strict=True))
    entries["strides"] = strides
    return strides


def _check_data(
    entries: dict[str, Any], shape: tuple[int, ...], name: str
) -> tuple[int | None, bool]:
    """Return the address and the read-only flag. The address of a buffer is None."""
    if name == HOST and not isinstance(entries.get("data"), tuple):
        return None, False
    data = _get(entries, name, "data")
    if not isinstance(data, (tuple, list)) or len(data) != 2:  # noqa: PLR2004 - a pair
        wanted = "which is not an address and a read-only flag"
        raise _malformed(name, f"has the data {data!r:.80}, {wanted}")
    address, readonly = data
    # Some libraries state no address for an array without elements.
    address = 0 if address is None else _integer(address, name, "address")
    # Others state any number, and frameworks raise an OverflowError for a high one.
    if 0 in shape:
        address = _NOWHERE if name == HOST else 0
    entries["data"] = (address, bool(readonly))
    return address, bool(readonly)


def _check_address(checked: Checked, name: str) -> None:
    place = checked.shape, checked.strides, checked.dtype.itemsize
    low, high = reach(*place)
    address = checked.address or 0
    if high == low:
        return
    if not address:
        raise _malformed(name, f"has the shape {checked.shape} and a null pointer as data")
    if reason := why_no_address(address, *place):
        raise _malformed(name, f"has {reason}")


def _check_version(entries: dict[str, Any]) -> None:
    version = _integer(_get(entries, CUDA, "version"), CUDA, "version")
    if not 0 <= version <= _NEWEST_CUDA:
        wanted = f"and interop reads versions up to {_NEWEST_CUDA}"
        raise _malformed(CUDA, f"has the version {version}, {wanted}")


def _check_stream(entries: dict[str, Any]) -> None:
    """Refuse a stream that is no handle. The specification forbids 0, which is ambiguous."""
    if entries.get("stream") is None:
        return
    stream = entries["stream"] = _integer(entries["stream"], CUDA, "stream")
    if not 0 < stream < ADDRESSES:
        raise _malformed(CUDA, f"has the stream {stream}, which is not a handle of a stream")
