"""Arrays on a device that is not current. Handoffs keep the current device and streams."""

from typing import Any

import cupy
import torch

from .collect import FROM_CUPY, Convert, scenario
from .handoff import Handoff
from .sides import TORCH, Handle, Side, current_device


def current() -> tuple[Any, ...]:
    """Return the current device and all current streams, which a conversion must preserve."""
    devices = range(cupy.cuda.runtime.getDeviceCount())
    streams = [
        (torch.cuda.current_stream(i).cuda_stream, cupy.cuda.get_current_stream(i).ptr)
        for i in devices
    ]
    return cupy.cuda.runtime.getDevice(), torch.cuda.current_device(), streams


@scenario(producer=("default", "side"), consumer=("default", "side"))
def on_device_1(convert: Convert, source: Side, target: Side, producer: str, consumer: str) -> None:
    """Device 0 is current at the handover and at the release."""
    handoff = Handoff(convert, source, target, producer, consumer, device=1)
    handoff.read()
    handoff.drop("x", "y")
    handoff.reuse()
    handoff.check()


@scenario(consumer=("per-thread", "the producer's"))
def on_device_1_for(convert: Convert, source: Side, target: Side, consumer: str) -> None:
    handoff = Handoff(convert, source, target, "side", consumer, device=1)
    handoff.read()
    handoff.drop("x", "y")
    handoff.reuse()
    handoff.check()


@scenario()
def on_device_1_with_a_stream_given(convert: Convert, source: Side, target: Side) -> None:
    stream = target.stream(device=1)
    handoff = Handoff(
        convert, source, target, "side", "default", device=1, stream=Handle(target.handle(stream))
    )
    handoff.consumer = stream
    handoff.read()
    handoff.drop("y", "x")
    handoff.reuse()
    handoff.check()


@scenario()
def device_0_while_device_1_is_current(convert: Convert, source: Side, target: Side) -> None:
    producer, consumer = source.stream(), target.stream()
    with source.on(producer):
        x = source.empty()
        source.write(x, 1.0)
        with target.on(consumer), current_device(1):
            before = current()
            y = convert(x, target.name)
            assert current() == before
    assert target.device(y) == 0
    with target.on(consumer):
        result = target.read(y)
    del x, y
    with source.on(producer):
        newer = source.empty()
        source.write(newer, 99.0)
    target.synchronize(consumer)
    assert (result == 1.0).all()


@scenario(device=(0, 1))
def everything_current_stays(convert: Convert, source: Side, target: Side, device: int) -> None:
    """The current device and streams are the same after the handover and after the release."""
    with torch.cuda.stream(TORCH.stream()), cupy.cuda.Stream(non_blocking=True):
        before = current()
        handoff = Handoff(convert, source, target, device=device)
        assert current() == before
        handoff.read()
        handoff.drop("x", "y")
        assert current() == before
        handoff.reuse()
        handoff.check()


@scenario(FROM_CUPY, raw=False, device=(0, 1))  # raw: torch ends the process
def everything_current_stays_after_an_error(
    convert: Convert, source: Side, target: Side, device: int
) -> None:
    import interop

    with source.on(source.stream(device), device):
        x = source.empty()
        source.write(x, 1.0)
    with torch.cuda.stream(TORCH.stream()), cupy.cuda.Stream(non_blocking=True):
        before = current()
        for keywords in (
            {"copy": False},
            {"copy": False, "stream": target.stream(device)},
            {"device": "cuda:7"},
        ):
            try:
                convert(x[::-1], target.name, **keywords)
            except interop.InteropError:
                assert current() == before
            else:
                raise AssertionError(f"{keywords} was not refused")
