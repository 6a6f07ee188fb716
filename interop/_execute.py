"""Plan in, array out. Decides nothing: each step of a plan is one call of an adapter."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from interop.handoff import UNORDERED

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from interop._plan import Plan, Step
    from interop._planner import Route


def execute(plan: Plan, x: Any, route: Route) -> Any:
    """Do what the plan says with `x`, and return the result.

    Raises
    ------
    BufferError
        Sharing failed for a reason that only the attempt shows.
    """
    _order_before(plan, route)
    for step in plan.steps:
        if step.verb == "share":
            x = _share_host(plan, x, route) if step.device.is_host else _share_device(plan, step, x, route)
        elif step.writes:
            adapter = route.source if step.side == "source" else route.target
            x = adapter.copy(x, step.device, step.dtype)
    _order_after(plan, route)
    return x


def _share_host(plan: Plan, x: Any, route: Route) -> Any:
    """Hand host memory over as an ndarray, which every framework reads and writes faster than DLPack."""
    array = route.source.export_host(x)
    return route.target.adopt_host(_protected(array) if plan.readonly else array)


def _protected(array: NDArray[Any]) -> NDArray[Any]:
    view = array.view()
    view.flags.writeable = False
    return view


def _share_device(plan: Plan, step: Step, x: Any, route: Route) -> Any:
    """Hand device memory over for the stream that reads it next: the target's own, if it still has to copy."""
    stream, asked = route.target.current_stream(step.device), route.wish.stream
    if asked is not None and plan.steps[-1].verb == "share":
        stream = stream._replace(ordered=False) if asked.handle == UNORDERED else asked
    return route.target.adopt(route.source.export(x, stream), stream)


# -- `stream=` where something is copied: the copy is made on the framework's current stream ---------------------------


def _order_before(plan: Plan, route: Route) -> None:
    """Download after the work of the stream that was asked for."""
    asked, here = route.wish.stream, route.facts.device
    if asked is not None and asked.handle != UNORDERED and plan.device.is_host and not here.is_host:
        route.source.order(asked, route.source.current_stream(here), here)


def _order_after(plan: Plan, route: Route) -> None:
    """Let the stream that was asked for wait for a copy on the device."""
    asked, there = route.wish.stream, plan.device
    if asked is not None and asked.handle != UNORDERED and not there.is_host and plan.steps[-1].writes:
        route.target.order(route.target.current_stream(there), asked, there)
