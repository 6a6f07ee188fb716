"""Dropped memory is not reused before the consumer's stream has finished with it."""

import contextlib
import gc
import threading
from collections.abc import Callable
from typing import Any

import cupy
import torch

from .collect import FROM_CUPY, FROM_TORCH, Convert, scenario
from .handoff import Handoff
from .sides import NEW, TORCH, Side, current_device


def _in_thread(work: Callable[[], None]) -> None:
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()


def _in_a_cycle(handoff: Handoff) -> None:
    """Leave the arrays in a reference cycle to the garbage collector."""

    class Node:
        itself: Any
        arrays: Any

    node = Node()
    node.itself, node.arrays = node, (handoff.x, handoff.y)
    handoff.drop("x", "y")
    del node
    gc.collect(0)  # the cycle is young, and a full collection would be slow


def _in_a_finaliser(handoff: Handoff) -> None:
    class Owner:
        def __del__(self) -> None:
            handoff.drop("y", "x")

    Owner()


def _unwinding(handoff: Handoff) -> None:
    """Drop the arrays while an exception unwinds the frame that holds them."""

    def fail() -> None:
        held = handoff.x, handoff.y
        handoff.drop("x", "y")
        raise LookupError(len(held))

    with contextlib.suppress(LookupError):
        fail()


def _on_other_streams(handoff: Handoff) -> None:
    with torch.cuda.stream(TORCH.stream()), cupy.cuda.Stream(non_blocking=True):
        handoff.drop("x", "y")


def _on_another_device(handoff: Handoff) -> None:
    with current_device(1):
        handoff.drop("x", "y")


DROPS: dict[str, Callable[[Handoff], None]] = {
    "the source first": lambda handoff: handoff.drop("x", "y"),
    "the result first": lambda handoff: handoff.drop("y", "x"),
    "on another thread": lambda handoff: _in_thread(lambda: handoff.drop("x", "y")),
    "by the garbage collector": _in_a_cycle,
    "in a finaliser": _in_a_finaliser,
    "while an exception unwinds": _unwinding,
    "under other streams": _on_other_streams,
    "under another device": _on_another_device,
}


@scenario(dropped=tuple(DROPS))
def reuse_waits(convert: Convert, source: Side, target: Side, dropped: str) -> None:
    handoff = Handoff(convert, source, target)
    handoff.read()
    DROPS[dropped](handoff)
    handoff.reuse()
    handoff.check()


@scenario(producer=("default", "side"), consumer=("default", "side", "the producer's"))
def reuse_waits_on(
    convert: Convert, source: Side, target: Side, producer: str, consumer: str
) -> None:
    if (producer, consumer) == ("default", "the producer's"):
        consumer = "default"
    handoff = Handoff(convert, source, target, producer, consumer)
    handoff.read()
    handoff.drop("x", "y")
    handoff.reuse()
    handoff.check()


@scenario(thread=("this", "another"))
def a_per_thread_stream_is_dropped_by(
    convert: Convert, source: Side, target: Side, thread: str
) -> None:
    """The per-thread handle means a different stream on another thread."""
    handoff = Handoff(convert, source, target, "side", "per-thread")
    handoff.read()
    DROPS["on another thread" if thread == "another" else "the source first"](handoff)
    handoff.reuse()
    handoff.check()


@scenario(thread=("this", "another"))
def memory_of_a_per_thread_stream_is_dropped_by(
    convert: Convert, source: Side, target: Side, thread: str
) -> None:
    handoff = Handoff(convert, source, target, "per-thread", "side")
    handoff.read()
    DROPS["on another thread" if thread == "another" else "the source first"](handoff)
    handoff.reuse()
    handoff.check()


@scenario()
def the_result_is_dropped_and_the_source_is_kept(
    convert: Convert, source: Side, target: Side
) -> None:
    """The source is dropped later, and its memory is reused."""
    handoff = Handoff(convert, source, target)
    handoff.read()
    handoff.drop("y")
    with source.on(handoff.producer):
        other = source.empty()
        source.write(other, NEW)
    handoff.drop("x")
    handoff.reuse()
    handoff.check()


@scenario()
def the_source_is_refilled_in_an_order_of_its_own(
    convert: Convert, source: Side, target: Side
) -> None:
    """The caller orders writes to a buffer that the producer kept, here by a synchronisation."""
    handoff = Handoff(convert, source, target)
    handoff.read()
    handoff.drop("y")
    target.synchronize(handoff.consumer)
    with source.on(handoff.producer):
        source.write(handoff.x, NEW)
    handoff.check()


@scenario(FROM_CUPY)
def the_source_is_refilled_once_the_result_is_dropped(
    convert: Convert, source: Side, target: Side
) -> None:
    """CuPy's stream waits at the release, so CuPy can overwrite the source that it kept."""
    handoff = Handoff(convert, source, target)
    handoff.read()
    handoff.drop("y")
    with source.on(handoff.producer):
        source.write(handoff.x, NEW)
    handoff.check()


@scenario(FROM_TORCH, given=(False, True))
def the_consumers_stream_object_goes_first(
    convert: Convert, source: Side, target: Side, given: bool
) -> None:
    """CuPy destroys a stream with its Python object, while pending work still runs."""
    stream = cupy.cuda.Stream(non_blocking=True)
    if given:
        handoff = Handoff(convert, source, target, consumer="default", stream=stream)
        handoff.consumer = stream
    else:
        handoff = Handoff(convert, source, target)
    del stream
    handoff.read()
    event = handoff.consumer.record(cupy.cuda.Event(disable_timing=True))
    handoff.consumer = None
    handoff.drop("x", "y")
    handoff.reuse()
    event.synchronize()
    handoff.check()


@scenario(FROM_CUPY)
def the_producers_stream_object_goes_first(convert: Convert, source: Side, target: Side) -> None:
    handoff = Handoff(convert, source, target)
    handoff.read()
    handoff.producer = None
    handoff.drop("x", "y")
    handoff.reuse()
    cupy.get_default_memory_pool().free_all_blocks()
    handoff.check()


@scenario()
def ten_in_a_row(convert: Convert, source: Side, target: Side) -> None:
    """Each array reuses the memory of the previous array before any operation has run."""
    handoff = Handoff(convert, source, target)
    for _ in range(9):
        handoff.read()
        handoff.drop("x", "y")
        handoff.give(convert)
    handoff.read()
    handoff.drop("y", "x")
    handoff.reuse()
    handoff.check()
