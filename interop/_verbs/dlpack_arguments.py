"""Arguments that consumers pass to `__dlpack__`, checked by the rules of the Python array API standard (2024.12)."""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, Any, Final

from interop._engine.parse import invalid
from interop.adapter.device import Device
from interop.adapter.streams import LEGACY, PER_THREAD, UNORDERED

if TYPE_CHECKING:
    from interop import errors

_CUDA: Final = (2, 13)  # managed memory is CUDA's, too
_ROCM: Final = 10


def parse_max_version(spec: Any) -> tuple[int, int] | None:
    """Return the newest DLPack that the consumer knows, as a pair; None if the consumer does not say.

    Raises
    ------
    InvalidOptionError
        It is no pair of integers.
    """
    return _parse_pair("max_version", spec, "a pair of integers such as (1, 0), or None")


def parse_device(spec: Any) -> Device | None:
    """Return the device that the consumer asks for; None if any will do.

    Raises
    ------
    InvalidOptionError
        It is no pair of integers.
    """
    pair = _parse_pair("dl_device", spec, "a DLPack pair such as (1, 0) for the host, or None")
    return pair and Device(*pair)


def parse_stream(spec: Any, device: Device) -> int | None:
    """Return the handle of the consumer's stream on a device; None for the device's default stream.

    The values are those of the standard, ``__dlpack__``, parameter `stream`: on CUDA 0 is not allowed, since it could
    mean two streams; on ROCm 1 and 2 are not.

    Raises
    ------
    InvalidOptionError
        The device has no such stream.
    """
    if spec is None:
        return None
    handle = None if isinstance(spec, bool) else _integer(spec)
    if device.is_host:
        raise _refuse_stream(
            spec, f"None, because memory on {device} has no streams", "Leave it out."
        )
    if device.kind in _CUDA:
        if handle is None or handle < UNORDERED or handle == 0:
            known = f"None or {LEGACY} (the legacy default stream), {PER_THREAD} (the per-thread default stream)"
            raise _refuse_stream(
                spec, f"a stream of {device}", f"Pass {known}, {UNORDERED} (no order) or a handle."
            )
        return handle
    if device.kind == _ROCM:
        if handle is None or handle < UNORDERED or handle in (LEGACY, PER_THREAD):
            raise _refuse_stream(
                spec,
                f"a stream of {device}",
                "Pass None or 0 (the default stream), -1 or a handle.",
            )
        return handle
    if handle != UNORDERED:
        raise _refuse_stream(spec, f"a stream of {device} that interop knows", "Leave it out.")
    return handle


def _refuse_stream(spec: Any, wanted: str, hint: str) -> errors.InvalidOptionError:
    return invalid("stream", spec, wanted, hint=hint)


def _parse_pair(name: str, spec: Any, wanted: str) -> tuple[int, int] | None:
    """Return a pair of integers, or None if the consumer does not say; another value is refused."""
    pair = None if spec is None else _pair(spec)
    if spec is not None and pair is None:
        raise invalid(name, spec, wanted)
    return pair


def _pair(spec: Any) -> tuple[int, int] | None:
    try:
        first, second = spec
    except (TypeError, ValueError):
        return None
    first, second = _integer(first), _integer(second)
    return None if first is None or second is None else (first, second)


def _integer(spec: Any) -> int | None:
    try:
        return operator.index(spec)
    except TypeError:
        return None
