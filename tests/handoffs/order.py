"""The consumer's stream waits for pending work on the producer's stream."""

import threading
from typing import Any

import cupy

from .collect import FROM_CUPY, FROM_TORCH, Convert, scenario
from .handoff import Handoff, check
from .sides import NEW, ONE, SIZE, TORCH, Handle, Side, handle_of


@scenario(producer=("default", "side"), consumer=("default", "side", "the producer's"))
def the_read_follows_the_write(
    convert: Convert, source: Side, target: Side, producer: str, consumer: str
) -> None:
    if (producer, consumer) == ("default", "the producer's"):
        consumer = "default"
    handoff = Handoff(convert, source, target, producer, consumer)
    handoff.read()
    handoff.check()


@scenario(producer=("default", "side", "per-thread"), consumer=("per-thread",))
def per_thread_consumer(
    convert: Convert, source: Side, target: Side, producer: str, consumer: str
) -> None:
    handoff = Handoff(convert, source, target, producer, consumer)
    handoff.read()
    handoff.check()


@scenario(producer=("per-thread",), consumer=("default", "side"))
def per_thread_producer(
    convert: Convert, source: Side, target: Side, producer: str, consumer: str
) -> None:
    handoff = Handoff(convert, source, target, producer, consumer)
    handoff.read()
    handoff.check()


@scenario(given=("int", "torch", "cupy", "__cuda_stream__"))
def stream_given(convert: Convert, source: Side, target: Side, given: str) -> None:
    """The result is used on the stream passed as `stream=`, which is not the current stream."""
    stream: Any = TORCH.stream() if given == "torch" else cupy.cuda.Stream(non_blocking=True)
    handle = handle_of(stream)
    spec: Any = {"int": handle, "__cuda_stream__": Handle(handle)}.get(given, stream)
    handoff = Handoff(convert, source, target, "side", "side", stream=spec)
    handoff.consumer = target.external(handle)
    handoff.read()
    handoff.drop("x", "y")
    handoff.reuse()
    handoff.check()


@scenario()
def stream_minus_one_is_ordered_by_the_caller(convert: Convert, source: Side, target: Side) -> None:
    handoff = Handoff(convert, source, target, "side", "side", stream=-1)
    source.synchronize(handoff.producer)
    handoff.read()
    handoff.check()


@scenario()
def the_consumer_writes_and_hands_back(convert: Convert, source: Side, target: Side) -> None:
    handoff = Handoff(convert, source, target)
    with target.on(handoff.consumer):
        target.write(handoff.y, NEW)
        with source.on(handoff.producer):
            back = convert(handoff.y, source.name)
            result = source.read(handoff.x)
            again = source.read(back)
    source.synchronize(handoff.producer)
    check(result, NEW)
    check(again, NEW)


@scenario()
def three_consumers(convert: Convert, source: Side, target: Side) -> None:
    handoffs = [Handoff(convert, source, target)]
    first = handoffs[0]
    streams = [first.consumer, target.stream(), None]
    arrays, results = [first.y], []
    for stream in streams[1:]:
        with source.on(first.producer), target.on(stream):
            arrays.append(convert(first.x, target.name))
    for stream, array in zip(streams, arrays, strict=True):
        with target.on(stream):
            results.append(target.read(array))
    del array
    while arrays:
        arrays.pop()
        if len(arrays) == 1:
            first.drop("x", "y")
    first.reuse()
    for stream, result in zip(streams, results, strict=True):
        target.synchronize(stream)
        check(result)


@scenario(part=("slice", "row", "column"))
def a_view(convert: Convert, source: Side, target: Side, part: str) -> None:
    """A view that starts inside its allocation is handed over, and the rest is dropped."""
    producer, consumer = source.stream(), target.stream()
    with source.on(producer):
        whole = source.empty(SIZE)
        source.write(whole, ONE)
        square = source.reshape(whole, 16, 16)
        view = {"slice": whole[8:-8], "row": square[3], "column": square[:, 4:8]}[part]
        with target.on(consumer):
            array = convert(view, target.name)
            rows = [array[i] for i in range(16)] if part == "column" else [array]
            results = [target.read(row) for row in rows]
    del whole, square, view, array, rows
    with source.on(producer):
        newer = source.empty(SIZE)
        source.write(newer, NEW)
    target.synchronize(consumer)
    for result in results:
        check(result)


@scenario()
def four_threads(convert: Convert, source: Side, target: Side) -> None:
    """Each thread hands arrays over on separate streams."""
    failures: list[BaseException] = []

    def work() -> None:
        try:
            for _ in range(3):
                handoff = Handoff(convert, source, target)
                handoff.read()
                handoff.drop("x", "y")
                handoff.reuse()
                handoff.check()
        except BaseException as error:  # noqa: BLE001 - raised below, on the main thread
            failures.append(error)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]


@scenario(FROM_TORCH)
def a_blocking_consumer_of_the_default_stream(convert: Convert, source: Side, target: Side) -> None:
    """The legacy default stream and a blocking stream order each other by CUDA's rules."""
    handoff = Handoff(convert, source, target, "default", "default")
    stream = cupy.cuda.Stream()
    with stream:
        result = target.read(handoff.y)
    stream.synchronize()
    check(result)


@scenario(FROM_CUPY)
def a_blocking_producer(convert: Convert, source: Side, target: Side) -> None:
    stream = cupy.cuda.Stream()
    consumer = target.stream()
    with stream:
        x = source.empty()
        source.write(x, ONE)
        with target.on(consumer):
            y = convert(x, target.name)
            result = target.read(y)
    del x, y
    with stream:
        newer = source.empty()
        source.write(newer, NEW)
    target.synchronize(consumer)
    check(result)


assert SIZE == 16 * 16
