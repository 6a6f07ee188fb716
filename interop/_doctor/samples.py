"""The arrays that ``python -m interop`` converts: a plain one, and special ones on the host."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from interop._verbs.convert import convert

if TYPE_CHECKING:
    from collections.abc import Callable

    from interop._doctor.routes import Location


class Sample(NamedTuple):
    """An array and its values."""

    array: Any
    values: list[Any]


def plain(location: Location) -> Sample:
    """Make a plain array of a framework on a device."""
    x = _base()
    return Sample(convert(x, location.framework, device=location.device), x.tolist())


def special(name: str) -> Sample:
    """Make one of the arrays of `SPECIAL`."""
    import numpy as np  # noqa: PLC0415 - importing interop loads no NumPy

    x = SPECIAL[name](np, _base())
    if isinstance(x, _DLPackOnly):
        return Sample(x, np.from_dlpack(x).tolist())
    return Sample(x, np.array(x).tolist())


def aligned(array: Any) -> Any:
    """Copy an ndarray into memory aligned to 64 bytes, which every framework can share.

    XLA, and so JAX, shares no memory with a smaller alignment.
    """
    import numpy as np  # noqa: PLC0415 - importing interop loads no NumPy

    # 64 more bytes, so that an aligned start exists at any address of the memory.
    memory = np.zeros(array.nbytes + 64, "uint8")
    start = -memory.__array_interface__["data"][0] % 64
    out = np.ndarray(array.shape, array.dtype, memory, start, array.strides)
    out[...] = array
    return out


def _base() -> Any:
    import numpy as np  # noqa: PLC0415 - importing interop loads no NumPy

    return aligned(np.arange(32, dtype="float32").reshape(4, 8))  # all devices support float32


class _DLPackOnly:
    """An array of an unknown framework, which supports DLPack and no other protocol."""

    def __init__(self, x: Any) -> None:
        self._array = x

    def __dlpack_device__(self) -> Any:
        return self._array.__dlpack_device__()

    def __dlpack__(self, **keywords: Any) -> Any:
        return self._array.__dlpack__(**keywords)


def _read_only(_: Any, x: Any) -> Any:
    x.flags.writeable = False
    return x


def _overlapping(np: Any, x: Any) -> Any:
    return np.lib.stride_tricks.as_strided(x, strides=(0, x.itemsize))


def _unaligned(np: Any, x: Any) -> Any:
    # The byte in front moves the elements to an odd address.
    return np.ndarray(x.shape, x.dtype, bytearray(b"." + x.tobytes()), offset=1)


SPECIAL: Final[dict[str, Callable[[Any, Any], Any]]] = {
    "every second column": lambda _, x: x[:, ::2],
    "negative strides": lambda _, x: x[::-1],
    "read-only": _read_only,
    "overlapping elements": _overlapping,
    "swapped bytes": lambda _, x: x.astype(x.dtype.newbyteorder()),
    "not aligned": _unaligned,
    "bfloat16": lambda np, x: convert(x, np, dtype="bfloat16"),
    "a memoryview": lambda _, x: memoryview(x),
    "only __dlpack__": lambda _, x: _DLPackOnly(x),
}
"""The special property of each array, with a function of NumPy and a plain array."""
