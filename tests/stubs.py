"""Frameworks that do not exist, for the planner, which needs adapters and facts but no arrays."""

from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn

from interop import InteropError, Plan
from interop._engine.planner import make_plan
from interop._model.conversion import Conversion
from interop._model.request import Request
from interop.adapter import CPU, Adapter, Device, Facts

CUDA0, CUDA1, ROCM, METAL = Device(2, 0), Device(2, 1), Device(10, 0), Device(8, 0)
FREE = {"keep", "detach", "share"}
SIZES = {"int16": 2, "bfloat16": 2, "float16": 2, "float32": 4, "int32": 4, "float64": 8}


class Stub(Adapter):
    """A framework with the given devices, and all dtypes except `lacking`."""

    array_type = object

    def __init__(self, name: str, *devices: Device, lacking: str = "", **facts: Any) -> None:
        self.name = name  # type: ignore[misc]  # set on the instance here
        self.devices = devices
        self.lacking = lacking
        self.device_kinds = frozenset(device.kind for device in devices)  # type: ignore[misc]
        self.default_device = devices[0]  # type: ignore[misc]
        self.honours_readonly = facts.get("honours_readonly", False)  # type: ignore[misc]
        self.copies_fast = facts.get("copies_fast", False)  # type: ignore[misc]
        self.minds_negative_strides = facts.get("minds_negative_strides", False)

    def __repr__(self) -> str:
        return self.name

    def resolve_device(self, device: Device, /) -> Device | str:
        return device if device in self.devices else f"{self.name} has no {device}"

    def why_no_dtype(self, dtype: str, /) -> str | None:
        return f"{self.name} has no {dtype}" if dtype == self.lacking else None

    def why_not_adoptable(self, facts: Facts, /) -> str | None:
        return (
            "negative strides"
            if self.minds_negative_strides and min(facts.strides, default=0) < 0
            else None
        )


HOST = Stub("host", CPU, honours_readonly=True)  # as NumPy
BOTH = Stub("both", CPU, CUDA0, CUDA1, minds_negative_strides=True, copies_fast=True)  # as PyTorch
GPU = Stub("gpu", CUDA0, CUDA1, lacking="bfloat16")  # as CuPy
AMD = Stub("amd", CPU, ROCM, lacking="float64")
MAC = Stub("mac", CPU, METAL, honours_readonly=True)
CLOSED = Stub("closed", CPU, lacking="bfloat16")  # protocol objects, copied on the host only
FRAMEWORKS = [HOST, BOTH, GPU, AMD, MAC]
DEVICES = [CPU, CUDA0, CUDA1, ROCM, METAL]


def devices(adapter: Adapter) -> tuple[Device, ...]:
    assert isinstance(adapter, Stub)
    return adapter.devices


def facts(source: Stub = HOST, device: Device = CPU, dtype: str = "float32", **more: Any) -> Facts:
    """Return facts of a 2x3 array in C order."""
    size = SIZES[dtype]
    given: dict[str, Any] = {"strides": (3 * size, size), "nbytes": 6 * size, **more}
    return Facts(source.name, (2, 3), dtype, device, **given)


@st.composite
def conversions(draw: DrawFn, /, **kwargs: Any) -> Conversion:
    """Generate conversions between any frameworks, devices and dtypes, with any keywords."""
    source, target = draw(st.sampled_from([*FRAMEWORKS, CLOSED])), draw(st.sampled_from(FRAMEWORKS))
    device = draw(st.sampled_from(DEVICES if source is CLOSED else source.devices))
    dtype = draw(st.sampled_from([dtype for dtype in SIZES if not source.why_no_dtype(dtype)]))
    size = SIZES[dtype]
    array = facts(
        source, device, dtype,
        strides=draw(st.sampled_from([(3 * size, size), (size, 2 * size), (-3 * size, size), (0, size)])),
        readonly=draw(st.booleans()),
        gradient=draw(st.sampled_from([False, False, True])),
        not_shareable=draw(st.sampled_from([None, None, "its bytes are swapped"])),
        needs_read=draw(st.sampled_from([None, None, "it has to be read"])) if device == CPU else None,
    )  # fmt: skip
    requested = Request(
        device=draw(st.sampled_from([None, *DEVICES])),
        dtype=draw(st.sampled_from([None, *SIZES])),
        copy=draw(st.sampled_from([None, True, False])),
        detach=draw(st.booleans()),
        readonly=draw(st.sampled_from(["copy", "share", "error"])),
        casting="unsafe",
    )
    return Conversion(array, source, target, requested._replace(**kwargs))


def plan(conversion: Conversion) -> Plan | InteropError:
    try:
        return make_plan(conversion)
    except InteropError as refusal:
        return refusal
