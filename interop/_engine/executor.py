"""The executor: from a plan to the result. Each step of a plan is one or two calls of an adapter.

The executor decides nothing. The planner has decided all.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from interop._model.verb import Verb
from interop.adapter.streams import UNORDERED

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from interop._model.conversion import Conversion
    from interop._model.plan import Plan, Step
    from interop.adapter import Adapter, Device
    from interop.adapter.streams import Stream

    Call = Callable[[Any], Any]

_WRITING: Final = frozenset({Verb.READ, Verb.COPY, Verb.MOVE})
_WITHOUT_CALL: Final = frozenset({Verb.KEEP, Verb.DETACH})  # an export detaches the array by itself


def execute(calls: tuple[Call, ...], x: Any) -> Any:
    """Make the calls of a plan in order, each with the result of the previous call.

    Raises
    ------
    BufferError
        The target refuses the memory for a reason that only the attempt shows.
    """
    for call in calls:
        x = call(x)
    return x


def make_calls(plan: Plan, conversion: Conversion) -> tuple[Call, ...]:
    """Return the calls that carry out a plan. Each takes an array and returns an array.

    Raises
    ------
    NotImplementedError
        The executor has no call for a verb of the plan.
    """
    calls: list[Call] = []
    for step in plan.steps:
        calls += _calls_of(step, plan, conversion)
    stream = conversion.request.stream
    if stream is not None and stream.handle != UNORDERED:
        return _order(stream, calls, plan, conversion)
    return tuple(calls)


def _calls_of(step: Step, plan: Plan, conversion: Conversion) -> list[Call]:
    if step.verb in _WRITING:
        return [_write(step, conversion)]
    if step.verb in _WITHOUT_CALL:
        return []
    if step.verb is not Verb.SHARE:
        msg = f"the executor has no call for the step {step.verb!r} of the plan:\n{plan}"
        raise NotImplementedError(msg)
    if step.device.is_host:
        return _share_host(plan, conversion)
    return [_share_device(plan, step, conversion)]


def _write(step: Step, conversion: Conversion) -> Call:
    if step.side == "target":
        copy = conversion.target.copy
    elif conversion.facts.framework == conversion.target.name:
        copy = conversion.source.copy_within  # keeps a subclass
    else:
        copy = conversion.source.copy  # the share after this copy would lose a subclass anyway
    device = step.device
    dtype = step.dtype
    return lambda x: copy(x, device, dtype)


def _share_host(plan: Plan, conversion: Conversion) -> list[Call]:
    """Return the calls that share host memory as an ndarray.

    Every framework exports and adopts an ndarray faster than a DLPack capsule.
    """
    export = conversion.source.export_host
    if conversion.target.copies_ndarrays and plan.steps[-1].side == "target":
        return [export]  # the next step reads the ndarray
    adopt = conversion.target.adopt_host
    if plan.readonly:
        return [export, _readonly_view, adopt]
    return [export, adopt]


def _readonly_view(array: NDArray[Any]) -> NDArray[Any]:
    # A view has its own flags. The array of the caller must stay writable.
    view = array.view()
    view.flags.writeable = False
    return view


def _share_device(plan: Plan, step: Step, conversion: Conversion) -> Call:
    """Return the call that shares device memory, ordered for the stream that reads the memory next.

    That is the stream of the caller. If the target copies first, it is the current stream of the
    target.
    """
    asked = None
    if plan.steps[-1].verb is Verb.SHARE:
        asked = conversion.request.stream

    def share(x: Any) -> Any:
        stream = conversion.target.current_stream(step.device)
        if asked is not None and asked.handle == UNORDERED:
            stream = stream._replace(ordered=False)
        elif asked is not None:
            stream = asked
        return conversion.target.adopt(conversion.source.export(x, stream), stream)

    return share


# -- `stream=` with a copy: frameworks copy on their current stream, so that stream is ordered --


def _order(
    stream: Stream, calls: list[Call], plan: Plan, conversion: Conversion
) -> tuple[Call, ...]:
    """Add the calls that order a download after the stream, or the stream after an upload."""
    here = conversion.facts.device
    if not plan.device.is_host:
        # A share at the end has ordered the stream already, in `_share_device`.
        if plan.steps[-1].writes:
            return (*calls, _wait_for_copy(stream, plan.device, conversion.target))
    elif not here.is_host:
        reader = conversion.target
        # An object without a framework has no stream that could wait, so the target downloads.
        if here.kind in conversion.source.device_kinds:
            reader = conversion.source
        return (_wait_before_copy(stream, here, reader), *calls)
    return tuple(calls)


def _wait_before_copy(stream: Stream, device: Device, reader: Adapter) -> Call:
    """Return a call that lets the framework that downloads wait for a stream."""

    def wait(x: Any) -> Any:
        reader.wait_stream(stream, reader.current_stream(device), device)
        return x

    return wait


def _wait_for_copy(stream: Stream, device: Device, target: Adapter) -> Call:
    """Return a call that lets a stream wait for a copy on the device."""

    def wait(x: Any) -> Any:
        target.wait_stream(target.current_stream(device), stream, device)
        return x

    return wait
