"""The planner finds the cheapest route: fewest bytes transferred, then fewest bytes written."""

from itertools import product
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings

import interop
from interop import Device, Plan
from interop._engine.planner import make_plan
from interop._model.conversion import Conversion
from interop._model.request import Request
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
    conversions,
    devices,
    facts,
    plan,
)

Cost = tuple[int, int]
"""The bytes per element transferred between devices, and the number of writes per element."""


def cost(made: Plan, here: Device) -> Cost:
    travel, at, dtype = 0, here, ""
    for step in made.steps:
        if step.device != at:  # the source casts before the transfer, the target after the transfer
            travel += SIZES[step.dtype if step.side == "source" else dtype]
        at, dtype = step.device, step.dtype
    return travel, sum(step.verb not in FREE for step in made.steps)


def cheapest(conversion: Conversion, device: Device, dtype: str) -> Cost | None:
    """Return the lowest cost over all routes, found by enumeration.

    A route has at most one step in the source, a share, and at most one step in the target. The
    source downloads and the target uploads. Both may copy between devices of one kind. Closed
    objects do neither. Memory is shared on the host, on CUDA and on ROCm.
    """
    array, source, target = conversion.facts, conversion.source, conversion.target
    here, unshareable = (
        array.device,
        array.not_shareable
        or array.needs_read
        or target.why_not_adoptable(array)
        or not array.device.can_share,
    )
    spoils = not target.honours_readonly and (
        0 in array.strides or (array.readonly and conversion.request.readonly == "copy")
    )
    costs = []
    for first in [
        None,
        *product({here, CPU, device if device.kind == here.kind else here}, {array.dtype, dtype}),
    ]:
        at, shared_dtype = first or (here, array.dtype)
        able = (
            (here.kind in source.device_kinds and not source.why_no_dtype(shared_dtype))
            if first
            else not unshareable
        )
        if (
            not able
            or target.why_no_dtype(shared_dtype)
            or (at != CPU and at.kind not in target.device_kinds)
        ):
            continue
        travel = SIZES[shared_dtype] * (at != here)
        if (at, shared_dtype) == (device, dtype) and (
            first or not (spoils or conversion.request.copy)
        ):
            costs.append((travel, int(bool(first))))
        if CPU in (at, here) or at.kind == device.kind or here.kind not in source.device_kinds:
            costs.append((travel + SIZES[shared_dtype] * (at != device), bool(first) + 1))
    return min(costs, default=None)


@settings(max_examples=400, suppress_health_check=[HealthCheck.filter_too_much])
@given(conversion=conversions(detach=True) | conversions(copy=True, detach=True))
def test_planner_finds_a_plan_of_minimal_cost(conversion: Conversion) -> None:
    request, array, target = conversion.request, conversion.facts, conversion.target
    device = request.device or (
        array.device if array.device in devices(target) else target.default_device
    )
    dtype = request.dtype or array.dtype
    assume(
        conversion.source is not target
        and device in devices(target)
        and not target.why_no_dtype(dtype)
    )
    assume(request.copy is not False and request.readonly != "error")
    best, made = cheapest(conversion, device, dtype), plan(conversion)
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


@pytest.mark.parametrize(
    ("source", "here", "target", "kwargs", "steps"), SHORTEST.values(), ids=SHORTEST
)
def test_planner_gives_the_expected_steps_for_known_cases(
    source: Stub, here: Device, target: Stub, kwargs: dict[str, Any], steps: str
) -> None:
    made = make_plan(
        Conversion(facts(source, here), source, target, Request(**kwargs, casting="unsafe"))
    )
    assert ", ".join(f"{step.verb} {step.device} {step.dtype}" for step in made.steps) == steps
