"""One handoff, step by step: pending write, handover, pending read, release of the arrays."""

from typing import Any

from .collect import Convert
from .sides import NEW, ONE, PER_THREAD, SIZE, Array, Side, current_device


def open_stream(side: Side, kind: str, device: int = 0) -> Any:
    """Return a stream by its kind; None stands for the default stream."""
    if kind == "default":
        return None
    return side.external(PER_THREAD, device) if kind == "per-thread" else side.stream(device)


def check(result: Array, value: float = ONE) -> None:
    """Compare what was read; the stream that read it is synchronised."""
    wrong = result != result.dtype.type(value)
    assert not wrong.any(), (
        f"{wrong.sum()} of {result.size} are not {value}: {result[wrong].flat[0]}"
    )


class Handoff:
    """`x` of the source, written on the producer's stream, becomes `y` of the target, for the consumer's stream."""

    x: Any = None
    y: Any = None

    def __init__(  # noqa: PLR0913, PLR0917 - what scenarios vary
        self, convert: Convert, source: Side, target: Side, producer: str = "side", consumer: str = "side",
        device: int = 0, **keywords: Any,
    ) -> None:  # fmt: skip
        self.source, self.target, self.device = source, target, device
        self.producer = open_stream(source, producer, device)
        if consumer == "the producer's":
            self.consumer = target.external(source.handle(self.producer), device)
        else:
            self.consumer = open_stream(target, consumer, device)
        self.results: list[Array] = []
        self.give(convert, **keywords)

    def give(self, convert: Convert, **keywords: Any) -> None:
        """Write, and hand over while the write is pending; device 0 is the current one, wherever the array is."""
        with self.source.on(self.producer, self.device):
            self.x = self.source.empty(SIZE)
            self.source.write(self.x, ONE)
            with self.target.on(self.consumer, self.device), current_device(0):
                self.y = convert(self.x, self.target.name, **keywords)
        assert self.target.pointer(self.y) == self.source.pointer(self.x), "it was copied"
        assert self.target.device(self.y) == self.device

    def read(self) -> None:
        """Begin to read on the consumer's stream."""
        with self.target.on(self.consumer, self.device):
            self.results.append(self.target.read(self.y))

    def drop(self, *names: str) -> None:
        for name in names:
            delattr(self, name)

    def reuse(self) -> None:
        """Allocate and write on the producer's stream: the dropped memory comes back, as soon as it may."""
        with self.source.on(self.producer, self.device):
            self.newer = [self.source.empty(SIZE) for _ in range(2)]
            for array in self.newer:
                self.source.write(array, NEW)

    def check(self, value: float = ONE) -> None:
        self.target.synchronize(self.consumer, self.device)
        for result in self.results:
            check(result, value)
