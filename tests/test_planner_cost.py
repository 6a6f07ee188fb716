"""The planner finds the cheapest way: the fewest bytes travel, and then the fewest are written."""

from itertools import product
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings

import interop
from interop import Device, Plan
from interop._engine.options import Wish
from interop._engine.planner import Route, make_plan
from interop.adapter import CPU
from stubs import (
    AMD,
    BOTH,
    CLOSED,
    CUDA0,
    CUDA1,
    FREE,
    GPU,
    HOST,
    MAC,
    METAL,
    ROCM,
    SIZES,
    Stub,
    devices,
    facts,
    plan,
    routes,
)

Cost = tuple[int, int]
"""The bytes of an element that travel between devices, and how often all elements are written."""


def cost(made: Plan, here: Device) -> Cost:
    travel, at, dtype = 0, here, ""
    for step in made.steps:
        if step.device != at:  # the source casts before it sends, the target after it has received
            travel += SIZES[step.dtype if step.side == "source" else dtype]
        at, dtype = step.device, step.dtype
    return travel, sum(step.verb not in FREE for step in made.steps)


def cheapest(route: Route, device: Device, dtype: str) -> Cost | None:
    """The cost of the best of all ways: a step in the source or none, a share, a step in the target or none.

    The source downloads and the target uploads; either may copy between devices of a kind. Closed objects do neither.
    """
    array, source, target = route.facts, route.source, route.target
    here, hindered = array.device, array.obstacle or array.materialises or target.refuses(array)
    spoils = not target.honours_readonly and (0 in array.strides or (array.readonly and route.wish.readonly == "copy"))
    costs = []
    for first in [None, *product({here, CPU, device if device.kind == here.kind else here}, {array.dtype, dtype})]:
        at, crossing = first or (here, array.dtype)
        able = (here.kind in source.holds and not source.lacks(crossing)) if first else not hindered
        if not able or target.lacks(crossing) or (at != CPU and at.kind not in target.holds):
            continue
        travel = SIZES[crossing] * (at != here)
        if (at, crossing) == (device, dtype) and (first or not (spoils or route.wish.copy)):
            costs.append((travel, int(bool(first))))
        if CPU in (at, here) or at.kind == device.kind or here.kind not in source.holds:
            costs.append((travel + SIZES[crossing] * (at != device), bool(first) + 1))
    return min(costs, default=None)


@settings(max_examples=400, suppress_health_check=[HealthCheck.filter_too_much])
@given(route=routes(detach=True) | routes(copy=True, detach=True))
def test_planner_finds_a_plan_of_minimal_cost(route: Route) -> None:
    wish, array, target = route.wish, route.facts, route.target
    device = wish.device or (array.device if array.device in devices(target) else target.home)
    dtype = wish.dtype or array.dtype
    assume(route.source is not target and device in devices(target) and not target.lacks(dtype))
    assume(wish.copy is not False and wish.readonly != "error")
    best, made = cheapest(route, device, dtype), plan(route)
    if best is None:
        assert isinstance(made, interop.UnsupportedArrayError)
    else:
        assert isinstance(made, Plan), made
        assert cost(made, array.device) == best


UPLOAD, DOWNLOAD = "share cpu float32, move cuda:0 float32", "move cpu float32, share cpu float32"
SHORTEST: dict[str, tuple[Stub, Device, Stub, dict[str, Any], str]] = {
    "the same memory": (HOST, CPU, BOTH, {}, "share cpu float32"),
    "the same memory on a GPU": (BOTH, CUDA1, GPU, {}, "share cuda:1 float32"),
    "no change": (MAC, METAL, MAC, {}, "keep metal:0 float32"),
    "upload": (HOST, CPU, BOTH, {"device": CUDA0}, UPLOAD),
    "upload, unasked": (HOST, CPU, GPU, {}, UPLOAD),
    "upload from whom could do it too": (BOTH, CPU, GPU, {}, UPLOAD),
    "upload that is the copy asked for": (HOST, CPU, GPU, {"copy": True}, UPLOAD),
    "download": (BOTH, CUDA1, HOST, {}, DOWNLOAD),
    "download from whom holds no host memory": (GPU, CUDA0, BOTH, {"device": CPU}, DOWNLOAD),
    "by way of the host": (AMD, ROCM, GPU, {}, f"move cpu float32, {UPLOAD}"),
    "peer": (GPU, CUDA0, BOTH, {"device": CUDA1}, "move cuda:1 float32, share cuda:1 float32"),
    "peer, widened": (
        GPU, CUDA0, BOTH, {"device": CUDA1, "dtype": "float64"}, "share cuda:0 float32, move cuda:1 float64"
    ),
    "peer, cast by the one who can": (
        GPU, CUDA0, BOTH, {"device": CUDA1, "dtype": "bfloat16"}, "share cuda:0 float32, move cuda:1 bfloat16"
    ),
    "peer, within": (BOTH, CUDA0, BOTH, {"device": CUDA1, "dtype": "int16"}, "move cuda:1 int16"),
    "closed": (CLOSED, CUDA1, GPU, {}, "share cuda:1 float32"),
    "closed, peer": (CLOSED, CUDA0, GPU, {"device": CUDA1}, "share cuda:0 float32, move cuda:1 float32"),
    "closed, cast": (CLOSED, CUDA0, GPU, {"dtype": "float16"}, "share cuda:0 float32, copy cuda:0 float16"),
    "closed, download": (CLOSED, CUDA0, BOTH, {"device": CPU}, "share cuda:0 float32, move cpu float32"),
    "narrowed, then uploaded": (
        HOST, CPU, GPU, {"dtype": "float16"}, "copy cpu float16, share cpu float16, move cuda:0 float16"
    ),
    "uploaded, then widened": (HOST, CPU, GPU, {"dtype": "float64"}, "share cpu float32, move cuda:0 float64"),
    "uploaded, as wide": (HOST, CPU, GPU, {"dtype": "int32"}, "share cpu float32, move cuda:0 int32"),
    "narrowed, then downloaded": (GPU, CUDA0, HOST, {"dtype": "int16"}, "move cpu int16, share cpu int16"),
    "downloaded, then widened": (GPU, CUDA0, HOST, {"dtype": "float64"}, f"{DOWNLOAD}, copy cpu float64"),
    "downloaded, as wide": (GPU, CUDA0, HOST, {"dtype": "int32"}, "move cpu int32, share cpu int32"),
    "cast by the one who can": (AMD, CPU, BOTH, {"dtype": "float64"}, "share cpu float32, copy cpu float64"),
    "copied": (HOST, CPU, BOTH, {"copy": True}, "copy cpu float32, share cpu float32"),
}  # fmt: skip


@pytest.mark.parametrize(("source", "here", "target", "wish", "steps"), SHORTEST.values(), ids=SHORTEST)
def test_planner_gives_the_expected_steps_for_known_cases(
    source: Stub, here: Device, target: Stub, wish: dict[str, Any], steps: str
) -> None:
    made = make_plan(Route(facts(source, here), source, target, Wish(**wish, casting="unsafe")))
    assert ", ".join(f"{step.verb} {step.device} {step.dtype}" for step in made.steps) == steps
