"""One handoff, step by step: pending write, handover, pending read, release of the arrays."""

from typing import Any

from .collect import Convert
from .sides import NEW, ONE, PER_THREAD, SIZE, Array, Side, current_device


def open_stream(side: Side, kind: str, device: int = 0) -> Any:
    """Return a stream of the given kind. None is the default stream."""
    if kind == "default":
        return None
    return side.external(PER_THREAD, device) if kind == "per-thread" else side.stream(device)


def check(result: Array, value: float = ONE) -> None:
    """Compare a result with the expected value. The reading stream must be synchronised first."""
    wrong = result != result.dtype.type(value)
    assert not wrong.any(), (
        f"{wrong.sum()} of {result.size} are not {value}: {result[wrong].flat[0]}"
    )


class Handoff:
    """A handoff of `x` on the producer's stream to `y` on the consumer's stream.

    `x` is an array of the source side and `y` an array of the target side over the same memory.
    """

    x: Any = None
    y: Any = None

    def __init__(  # noqa: PLR0913, PLR0917 - the parameters of scenarios
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
        """Write, then hand over while the write is pending and device 0 is current."""
        with self.source.on(self.producer, self.device):
            self.x = self.source.empty(SIZE)
            self.source.write(self.x, ONE)
            with self.target.on(self.consumer, self.device), current_device(0):
                self.y = convert(self.x, self.target.name, **keywords)
        assert self.target.pointer(self.y) == self.source.pointer(self.x), "it was copied"
        assert self.target.device(self.y) == self.device

    def read(self) -> None:
        """Start a read on the consumer's stream."""
        with self.target.on(self.consumer, self.device):
            self.results.append(self.target.read(self.y))

    def drop(self, *names: str) -> None:
        for name in names:
            delattr(self, name)

    def reuse(self) -> None:
        """Allocate and write on the producer's stream, which may reuse the dropped memory."""
        with self.source.on(self.producer, self.device):
            self.newer = [self.source.empty(SIZE) for _ in range(2)]
            for array in self.newer:
                self.source.write(array, NEW)

    def check(self, value: float = ONE) -> None:
        self.target.synchronize(self.consumer, self.device)
        for result in self.results:
            check(result, value)
