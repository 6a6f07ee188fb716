"""Plan in, array out. Decides nothing: each step of a plan is one call of an adapter."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from interop._plan import Plan
    from interop._planner import Route


def execute(plan: Plan, x: Any, route: Route) -> Any:
    """Do what the plan says with `x`, and return the result.

    Raises
    ------
    BufferError
        Sharing failed for a reason that only the attempt shows.
    """
    for step in plan.steps:
        if step.verb == "share":
            x = _share_host(plan, x, route) if step.device.is_host else _share_device(x, route)
        elif step.verb in _WRITING:
            adapter = route.source if step.side == "source" else route.target
            x = adapter.copy(x, step.device, step.dtype)
    return x


_WRITING = frozenset({"read", "copy", "move"})


def _share_host(plan: Plan, x: Any, route: Route) -> Any:
    """Hand host memory over as an ndarray, which every framework reads and writes faster than DLPack."""
    array = route.source.export_host(x)
    return route.target.adopt_host(_protected(array) if plan.readonly else array)


def _share_device(x: Any, route: Route) -> Any:
    return route.target.adopt(route.source.export(x, route.wish.stream), route.wish.stream)


def _protected(array: NDArray[Any]) -> NDArray[Any]:
    view = array.view()
    view.flags.writeable = False
    return view
