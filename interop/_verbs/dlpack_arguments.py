"""Arguments of `__dlpack__`, checked by the Python array API standard (2024.12)."""

from __future__ import annotations

import operator
from typing import Any

from interop import errors
from interop._engine.parse import invalid
from interop.adapter.device import ROCM, Device
from interop.adapter.streams import LEGACY, PER_THREAD, UNORDERED


def parse_max_version(spec: Any) -> tuple[int, int] | None:
    """Return the newest DLPack version that the consumer knows, or None if not given.

    Raises
    ------
    InvalidOptionError
        The value is not a pair of integers.
    """
    if spec is None:
        return None
    return _parse_pair("max_version", spec, "a pair of integers such as (1, 0), or None")


def parse_device(spec: Any) -> Device | None:
    """Return the device that the consumer asks for, or None for any device.

    Raises
    ------
    InvalidOptionError
        The value is not a pair of integers.
    """
    if spec is None:
        return None
    wanted = "a DLPack pair such as (1, 0) for the host, or None"
    return Device(*_parse_pair("dl_device", spec, wanted))


def parse_stream(spec: Any, device: Device) -> int | None:
    """Return the handle of the consumer's stream, or None for the default stream.

    The standard defines the values at the parameter `stream` of ``__dlpack__``: on CUDA, 0 is not
    allowed because two streams could be meant, and on ROCm, 1 and 2 are not allowed.

    Raises
    ------
    InvalidOptionError
        The device has no such stream.
    """
    if spec is None:
        return None
    if device.is_host:
        wanted = f"None, because memory on {device} has no streams"
        raise invalid("stream", spec, wanted, hint="Leave it out.")
    # `True` is an integer for Python, and would be the legacy default stream.
    handle = None if isinstance(spec, bool) else _integer(spec)
    if not device.has_streams:
        # The standard numbers the streams of CUDA and ROCm only. -1 orders nothing.
        if handle != UNORDERED:
            wanted = f"a stream of {device} that interop knows"
            raise invalid("stream", spec, wanted, hint="Leave it out.")
        return handle
    forbidden = (LEGACY, PER_THREAD) if device.kind == ROCM.kind else (0,)
    if handle is None or handle < UNORDERED or handle in forbidden:
        raise _no_such_stream(spec, device)
    return handle


def _no_such_stream(spec: Any, device: Device) -> errors.InvalidOptionError:
    """Return the error for a value that is not a stream on CUDA or ROCm."""
    if device.kind == ROCM.kind:
        hint = "Pass None or 0 (the default stream), -1 or a handle."
    else:
        hint = (
            f"Pass None or {LEGACY} (the legacy default stream), {PER_THREAD} (the per-thread "
            f"default stream), {UNORDERED} (no order) or a handle."
        )
    return invalid("stream", spec, f"a stream of {device}", hint=hint)


def _parse_pair(name: str, spec: Any, wanted: str) -> tuple[int, int]:
    pair = _pair(spec)
    if pair is None:
        raise invalid(name, spec, wanted)
    return pair


def _pair(spec: Any) -> tuple[int, int] | None:
    """Return a pair of integers, or None if the value is not a pair of integers."""
    with errors.ignored_refusals:
        first, second = map(_integer, spec)
        if first is not None and second is not None:
            return first, second
    return None


def _integer(spec: Any) -> int | None:
    """Return an int for any object with ``__index__``, such as a NumPy integer, or None."""
    with errors.ignored_refusals:
        return operator.index(spec)
    return None
