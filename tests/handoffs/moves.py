"""Copies between host and device and between devices, rare dtypes, and empty arrays."""

from typing import Any

import numpy as np
import torch

from .collect import FROM_CUPY, FROM_TORCH, Convert, scenario
from .handoff import Handoff, check
from .sides import CUPY, NEW, ONE, SIZE, TORCH, Array, Handle, Side

INTO = ((TORCH, TORCH), (CUPY, CUPY))  # uploads depend on the target only


def _full(side: Side, stream: Any, device: int = 0, value: float = ONE) -> Any:
    with side.on(stream, device):
        array = side.empty(SIZE)
        side.write(array, value)
    return array


def _pinned(value: float) -> torch.Tensor:
    return torch.from_numpy(np.full(SIZE, value, "f4")).pin_memory()


@scenario(INTO, raw=False, device=(0, 1))
def upload_from_numpy(convert: Convert, source: Side, target: Side, device: int) -> None:
    """The ndarray can be refilled as soon as the call returns."""
    stream = target.stream(device)
    array = np.full(SIZE, ONE, "f4")
    with target.on(stream, device):
        uploaded = convert(array, target.name, device=f"cuda:{device}")
        array[:] = NEW
        result = target.read(uploaded)
    target.synchronize(stream, device)
    check(result)
    assert target.device(uploaded) == device
    del source


@scenario(INTO, raw=False)
def upload_from_pinned_numpy(convert: Convert, source: Side, target: Side) -> None:
    """An upload from pinned memory reads when it runs, so the call returns after the read."""
    stream = target.stream()
    pinned = _pinned(ONE).numpy()
    with target.on(stream):
        uploaded = convert(pinned, target.name, device="cuda")
        pinned[:] = NEW
        result = target.read(uploaded)
    target.synchronize(stream)
    check(result)
    del source


@scenario(INTO, raw=False)
def upload_of_a_pinned_tensor_dropped_at_once(convert: Convert, source: Side, target: Side) -> None:
    stream = target.stream()
    tensor = _pinned(ONE)
    with target.on(stream):
        uploaded = convert(tensor, target.name, device="cuda")
        del tensor
        newer = [torch.empty(SIZE, pin_memory=True).fill_(NEW) for _ in range(2)]
        result = target.read(uploaded)
    target.synchronize(stream)
    check(result)
    del newer, source


@scenario(FROM_TORCH, raw=False)
def a_pinned_tensor_is_shared_with_numpy(convert: Convert, source: Side, target: Side) -> None:
    tensor = _pinned(ONE)
    array = convert(tensor, "numpy", copy=False)
    assert array.ctypes.data == tensor.data_ptr()
    check(array)
    del source, target


@scenario(INTO, raw=False, stream=("default", "side", "given"), device=(0, 1))
def download(convert: Convert, source: Side, target: Side, stream: str, device: int) -> None:
    """The values are complete when the call returns, without a synchronisation by the caller."""
    side = None if stream == "default" else source.stream(device)
    array = _full(source, side, device)
    keywords = {"stream": Handle(source.handle(side))} if stream == "given" else {}
    with source.on(None if stream == "given" else side, device):
        result: Array = convert(array, "numpy", **keywords)
    check(result.copy())
    del target


@scenario(raw=False, to=("same framework", "other framework"))
def from_device_0_to_device_1(convert: Convert, source: Side, target: Side, to: str) -> None:
    """The source is dropped and its memory is reused while the copy is pending."""
    reader = source if to == "same framework" else target
    producer, consumer = source.stream(), reader.stream(1)
    array = _full(source, producer)
    with reader.on(consumer, 1), source.on(producer, 0):
        moved = convert(array, reader.name, device="cuda:1")
    del array
    newer = _full(source, producer, value=NEW)
    assert reader.device(moved) == 1
    with reader.on(consumer, 1):
        result = reader.read(moved)
    reader.synchronize(consumer, 1)
    check(result)
    del newer


@scenario(raw=False)
def an_independent_copy(convert: Convert, source: Side, target: Side) -> None:
    """The producer overwrites, drops and reuses the source while the copy is pending."""
    producer, consumer = source.stream(), target.stream()
    array = _full(source, producer)
    with source.on(producer), target.on(consumer):
        copied = convert(array, target.name, copy=True)
        assert target.pointer(copied) != source.pointer(array)
        source.write(array, NEW)
        del array
        result = target.read(copied)
    newer = _full(source, producer, value=NEW)
    target.synchronize(consumer)
    check(result)
    del newer


@scenario(shape=((), (0,), (3, 0), (1,)), dtype=("float32", "bfloat16"))
def next_to_nothing(
    convert: Convert, source: Side, target: Side, shape: tuple[int, ...], dtype: str
) -> None:
    """0-d arrays, empty arrays, and a dtype that NumPy lacks."""
    import ml_dtypes

    kind: Any = np.dtype(ml_dtypes.bfloat16 if dtype == "bfloat16" else dtype)
    producer, consumer = source.stream(), target.stream()
    with source.on(producer), target.on(consumer):
        x = source.empty(shape, kind)
        if x.nbytes:
            source.write(x, ONE)
        y = convert(x, target.name)
        result = target.read(y)
        del x
    target.synchronize(consumer)
    assert tuple(y.shape) == shape
    assert str(y.dtype).removeprefix("torch.") == dtype
    assert target.device(y) == 0
    check(result)


@scenario()
def bfloat16(convert: Convert, source: Side, target: Side) -> None:
    import ml_dtypes

    producer, consumer = source.stream(), target.stream()
    with source.on(producer), target.on(consumer):
        x = source.empty(SIZE, np.dtype(ml_dtypes.bfloat16))
        source.write(x, ONE)
        y = convert(x, target.name)
        assert target.pointer(y) == source.pointer(x)
        result = target.read(y)
        del x, y
        newer = source.empty(SIZE, np.dtype(ml_dtypes.bfloat16))
        source.write(newer, NEW)
    target.synchronize(consumer)
    check(result)


@scenario(FROM_CUPY, raw=False)  # raw: torch ends the process
def negative_strides_are_refused(convert: Convert, source: Side, target: Side) -> None:
    import interop

    handoff = Handoff(convert, source, target)
    with source.on(handoff.producer):
        try:
            convert(handoff.x[::-1], target.name, copy=False)
        except interop.CopyRequiredError:
            return
    raise AssertionError("it was not refused")
