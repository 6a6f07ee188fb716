"""Plan in, array out. Decides nothing: each step of a plan is one call of an adapter."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from interop.adapter.streams import UNORDERED

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from interop._engine.planner import Conversion
    from interop._model.plan import Plan, Step
    from interop.adapter import Adapter, Device
    from interop.adapter.streams import Stream

    Call = Callable[[Any], Any]


def execute(calls: tuple[Call, ...], x: Any) -> Any:
    """Make the calls of a plan, each with what the one before has returned; return the last result.

    Raises
    ------
    BufferError
        Sharing failed for a reason that only the attempt shows.
    """
    for call in calls:
        x = call(x)
    return x


def make_calls(plan: Plan, conversion: Conversion) -> tuple[Call, ...]:
    """Turn each step into calls of an adapter, from array to array."""
    asked, here = conversion.request.stream, conversion.facts.device
    if asked is not None and asked.handle == UNORDERED:
        asked = None
    calls: list[Call] = []
    if asked and plan.device.is_host and not here.is_host:
        reader = (
            conversion.source if here.kind in conversion.source.device_kinds else conversion.target
        )
        calls.append(_order_before(asked, here, reader))
    for step in plan.steps:
        if step.verb == "share":
            calls += (
                _share_host(plan, conversion)
                if step.device.is_host
                else [_share_device(plan, step, conversion)]
            )
        elif step.writes:
            calls.append(_write(step, conversion))
    if asked and plan.steps[-1].writes and not plan.device.is_host:
        calls.append(_order_after(asked, plan.device, conversion.target))
    return tuple(calls)


def _write(step: Step, conversion: Conversion) -> Call:
    if step.side == "target":
        copy = conversion.target.copy
    elif (
        conversion.facts.framework == conversion.target.name
    ):  # what crosses loses its subclass anyway
        copy = conversion.source.copy_within
    else:
        copy = conversion.source.copy
    device, dtype = step.device, step.dtype
    return lambda x: copy(x, device, dtype)


def _share_host(plan: Plan, conversion: Conversion) -> list[Call]:
    """Hand host memory over as an ndarray, which every framework reads and writes faster than DLPack."""
    if conversion.target.copies_ndarrays and plan.steps[-1].side == "target":
        return [conversion.source.export_host]
    calls: list[Call] = [conversion.source.export_host, conversion.target.adopt_host]
    return [calls[0], _protected, calls[1]] if plan.readonly else calls


def _protected(array: NDArray[Any]) -> NDArray[Any]:
    view = array.view()
    view.flags.writeable = False
    return view


def _share_device(plan: Plan, step: Step, conversion: Conversion) -> Call:
    """Hand device memory over for the stream that reads it next: the target's own, if it still has to copy."""
    asked = conversion.request.stream if plan.steps[-1].verb == "share" else None

    def share(x: Any) -> Any:
        stream = conversion.target.current_stream(step.device)
        if asked is not None:
            stream = stream._replace(ordered=False) if asked.handle == UNORDERED else asked
        return conversion.target.adopt(conversion.source.export(x, stream), stream)

    return share


# -- `stream=` where something is copied: the copy is made on the framework's current stream ---------------------------


def _order_before(asked: Stream, device: Device, reader: Adapter) -> Call:
    """Download after the work of the stream that was asked for, in the framework that downloads."""

    def order(x: Any) -> Any:
        reader.wait_stream(asked, reader.current_stream(device), device)
        return x

    return order


def _order_after(asked: Stream, device: Device, target: Adapter) -> Call:
    """Let the stream that was asked for wait for a copy on the device."""

    def order(x: Any) -> Any:
        target.wait_stream(target.current_stream(device), asked, device)
        return x

    return order
