"""Handoffs through several frameworks and streams. Each link waits for the previous one."""

from typing import Any

from .collect import Convert, scenario
from .handoff import check
from .sides import NEW, ONE, SIZE, Side


class Chain:
    """A chain of handoffs: links (side, stream, array), each converted from the previous link.

    A link is handed over while the stream on which it was received is current.
    """

    def __init__(self, convert: Convert, source: Side, target: Side, length: int) -> None:
        self.links: list[Any] = []
        for i in range(length):
            self.extend(convert, (source, target)[i % 2])

    def extend(self, convert: Convert, side: Side) -> None:
        stream = side.stream()
        with side.on(stream):
            self.links.append([side, stream, self._next(convert, side)])

    def _next(self, convert: Convert, side: Side) -> Any:
        if not self.links:
            array = side.empty(SIZE)
            side.write(array, ONE)
            return array
        last, stream, array = self.links[-1]
        with last.on(stream):
            return convert(array, side.name)

    def write(self, value: float) -> None:
        side, stream, array = self.links[-1]
        with side.on(stream):
            side.write(array, value)

    def read(self, index: int = -1) -> Any:
        side, stream, array = self.links[index]
        with side.on(stream):
            return side.read(array)

    def drop(self, order: list[int]) -> None:
        for index in order:
            self.links[index][2] = None

    def reuse(self) -> Any:
        """Allocate and write on the first link's stream."""
        side, stream, _ = self.links[0]
        with side.on(stream):
            newer = [side.empty(SIZE) for _ in range(2)]
            for array in newer:
                side.write(array, NEW)
        return newer

    def synchronize(self, index: int = -1) -> None:
        side, stream, _ = self.links[index]
        side.synchronize(stream)


ORDERS = {
    "from the first": [0, 1, 2, 3],
    "from the last": [3, 2, 1, 0],
    "the middle first": [1, 2, 0, 3],
}


@scenario(dropped=tuple(ORDERS))
def chain_of_four(convert: Convert, source: Side, target: Side, dropped: str) -> None:
    chain = Chain(convert, source, target, 4)
    result = chain.read()
    chain.drop(ORDERS[dropped])
    newer = chain.reuse()
    chain.synchronize()
    check(result)
    del newer


@scenario()
def every_link_reads(convert: Convert, source: Side, target: Side) -> None:
    chain = Chain(convert, source, target, 4)
    results = [chain.read(i) for i in range(4)]
    chain.drop([3, 2, 1, 0])
    newer = chain.reuse()
    for i, result in enumerate(results):
        chain.synchronize(i)
        check(result)
    del newer


@scenario()
def every_link_writes(convert: Convert, source: Side, target: Side) -> None:
    """Each link writes a value that the next link must read."""
    chain = Chain(convert, source, target, 1)
    sides = [source, target, source, target]
    results = []
    for i, side in enumerate(sides):
        if i:
            chain.extend(convert, side)
        results.append(chain.read())
        chain.write(float(i + 2))
    results.append(chain.read())
    for i, result in enumerate(results):
        chain.synchronize(min(i, 3))
        check(result, float(i + 1))


@scenario()
def there_and_back_many_times(convert: Convert, source: Side, target: Side) -> None:
    """The array goes back and forth between two streams, and only the last array is kept."""
    streams = {source: source.stream(), target: target.stream()}
    with source.on(streams[source]), target.on(streams[target]):
        array = source.empty(SIZE)
        source.write(array, ONE)
        for _ in range(4):
            array = convert(array, target.name)
            target.write(array, NEW)
            array = convert(array, source.name)
            source.write(array, ONE)
        array = convert(array, target.name)
        result = target.read(array)
        del array
        newer = source.empty(SIZE)
        source.write(newer, NEW)
    target.synchronize(streams[target])
    check(result)
