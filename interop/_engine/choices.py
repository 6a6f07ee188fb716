"""Choices of the planner: the device where memory is shared, its dtype there, and who copies."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from interop import errors
from interop._model import dtypes
from interop.adapter import CPU, LIBRARY, Device
from interop.adapter.streams import no_streams_on

if TYPE_CHECKING:
    from interop._model.conversion import Conversion
    from interop._model.plan import Plan, Side
    from interop.adapter import Facts


# A call of torch takes longer than a call of NumPy. Up to this size, the faster copy of torch does
# not make up for that (decision 0014).
_LARGE: Final = 4 * 1024 * 1024
"""Number of bytes from which the speed of a copy matters more than the cost of its call."""


# -- where -------------------------------------------------------------------------------------


def meeting_device(conversion: Conversion, device: Device, dtype: str) -> Device:
    """Choose the device on which the memory is shared, for a result on `device`.

    Between the host and a device, that is the host: the source framework downloads, and the target
    framework uploads. Between two devices, one copy from device to device is enough.
    """
    facts = conversion.facts
    here = facts.device
    if here.kind not in conversion.source.device_kinds:
        # No framework knows this object, so it is shared where it is, or its library reads it.
        return CPU if facts.needs_read else _reachable_device(conversion)
    if here.kind != device.kind or not here.can_share:
        return CPU
    if device == here:
        return here
    # From one device to another, the source casts and moves in one step by default. The target does
    # so if the dtype of the result is larger (then fewer bytes travel), or if the source does not
    # have that dtype. The target must then have the dtype of the source.
    grows = dtypes.itemsize(dtype) > dtypes.itemsize(facts.dtype)
    if not grows and conversion.source.why_no_dtype(dtype) is None:
        return device
    if conversion.target.why_no_dtype(facts.dtype):
        return device
    return here


def _reachable_device(conversion: Conversion) -> Device:
    """Return the device on which the target can use an object that has no framework to move it.

    Raises
    ------
    UnsupportedArrayError, DeviceUnavailableError
        The target cannot be on the device of the object, and the object cannot be downloaded.
    """
    here = conversion.facts.device
    target = conversion.target
    if here.is_host:
        return here
    placed = None
    # Sharing on the device comes before the download, because sharing copies nothing.
    if here.kind in target.device_kinds and here.can_share:
        placed = target.resolve_device(here)
    if isinstance(placed, Device):
        return placed
    if conversion.facts.downloads:
        return CPU
    if placed is None:
        reason = f"{target.name} reads no memory on {here}"
        hint = "Convert it to a framework of that device first."
        if here.kind in target.device_kinds:
            hint = "Move it to the host with its own library first."
        raise conversion.refusal(errors.UnsupportedArrayError, reason, hint)
    raise conversion.refusal(errors.DeviceUnavailableError, placed)


# -- who ---------------------------------------------------------------------------------------


def can_write(conversion: Conversion, device: Device) -> bool:
    """Whether the side of the source can write the array to a device.

    A framework can write to its devices. The library of any other object can write to the host.
    """
    facts = conversion.facts
    if facts.device.kind in conversion.source.device_kinds:
        return True
    by_library = facts.downloads or facts.needs_read is not None
    return by_library and device.is_host


def copies_at_source(conversion: Conversion) -> bool:
    """Whether the source makes a copy that either side could make.

    The source copies small arrays, because its copy needs fewer calls. The faster framework copies
    large arrays.
    """
    facts = conversion.facts
    if facts.device.kind not in conversion.source.device_kinds:
        return False  # no framework knows this object, so nobody can be asked to copy it
    if facts.nbytes < _LARGE and not _target_must_copy(conversion):
        return True
    return not _is_better_at_target(conversion)


def _is_better_at_target(conversion: Conversion) -> bool:
    """Whether the target should make a copy on the host, because the target is faster or must."""
    if not conversion.facts.device.is_host:
        return False
    faster = conversion.target.copies_fast and not conversion.source.copies_fast
    return faster or _target_must_copy(conversion)


def _target_must_copy(conversion: Conversion) -> bool:
    """Whether a copy by the source would not help.

    The target copies ndarrays anyway, or the arrays of the source cannot be written to.
    """
    return conversion.target.copies_ndarrays or conversion.source.immutable


def why_no_stream(conversion: Conversion, plan: Plan) -> str | None:
    """Return why ``stream=`` cannot order the work of a plan, or None."""
    here = conversion.facts.device
    by_library = plan.steps[0].writes and here.kind not in conversion.source.device_kinds
    if by_library or LIBRARY in (here.kind, plan.device.kind):
        return "stream= cannot order a copy that only the library of the array can make"
    for device in (here, plan.device):
        if not device.can_share:
            return no_streams_on(device)
    return None


# -- dtype -------------------------------------------------------------------------------------


def shared_dtype(
    conversion: Conversion, meet: Device, device: Device, dtype: str, *, writes_first: bool
) -> str:
    """Choose the dtype in which the memory is shared: that of the array, or that of the result.

    In other words: choose the side that casts. The dtype with fewer bytes travels, if both sides
    have it. If nothing travels, the source casts if it writes anyway. Otherwise the side casts that
    is faster on the host, at any size, because casts are slow.

    Raises
    ------
    UnsupportedArrayError
        The target does not have the dtype of the array and reads no ndarrays, and the source
        cannot cast.
    """
    facts = conversion.facts
    if dtype == facts.dtype:
        return dtype
    source_casts = can_write(conversion, meet) and not conversion.source.why_no_dtype(dtype)
    target_lacks = conversion.target.why_no_dtype(facts.dtype)
    reads_any = meet.is_host and conversion.target.copies_ndarrays
    if not source_casts and target_lacks and not reads_any:
        raise conversion.refusal(errors.UnsupportedArrayError, target_lacks)
    if not source_casts:
        return facts.dtype
    if target_lacks:
        return dtype
    # From here on, both sides can cast.
    if device == facts.device:  # nothing travels
        at_source = writes_first or not _is_better_at_target(conversion)
    else:
        at_source = _casts_before_travel(conversion, meet, dtype)
    return dtype if at_source else facts.dtype


def _casts_before_travel(conversion: Conversion, meet: Device, dtype: str) -> bool:
    """Whether a cast by the source lets no more bytes travel than a cast by the target."""
    facts = conversion.facts
    before = dtypes.itemsize(facts.dtype)
    after = dtypes.itemsize(dtype)
    if after == before:
        return meet != facts.device  # the source moves the array, and casts in the same step
    return after < before


# -- how many bytes ----------------------------------------------------------------------------


def size(facts: Facts, dtype: str) -> int:
    """Return the number of bytes of an array in another dtype."""
    if dtype == facts.dtype:
        return facts.nbytes
    return facts.nbytes // dtypes.itemsize(facts.dtype) * dtypes.itemsize(dtype)


def host_bytes(
    conversion: Conversion, side: Side, start: tuple[Device, str], end: tuple[Device, str]
) -> int:
    """Return how many bytes of a step travel between the host and a device.

    `start` and `end` are the device and the dtype before and after the step. A framework casts on
    the side from which fewer bytes travel, and drops imaginary parts before. The host casts a dtype
    that the device lacks, and where only a library reaches the device.
    """
    here, before = start
    there, after = end
    if here.is_host == there.is_host:
        return 0
    facts = conversion.facts
    adapter = conversion.target if side == "target" else conversion.source
    kind = here.kind if there.is_host else there.kind
    if kind == LIBRARY or kind not in adapter.device_kinds:
        return size(facts, before if there.is_host else after)
    if here.is_host and (adapter.why_no_dtype(before) or adapter.why_no_dtype_on(there, before)):
        return size(facts, after)
    return min(size(facts, dtypes.read_by_cast(before, after)), size(facts, after))
