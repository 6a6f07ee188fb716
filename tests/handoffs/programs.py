"""Random programs of handoffs, reads and drops on random streams, with every read checked."""

from typing import Any, Final, NamedTuple

from .collect import Convert
from .handoff import check
from .sides import CUPY, PER_THREAD, TORCH, Array, Side

DEVICES: Final = 2
Step = tuple[
    str, int, int
]  # a method of Program, and two numbers that choose among its arrays, modulo their count
VERBS: Final = ("new", "new", "give", "give", "give", "read", "read", "drop", "forget", "forget")


class Held(NamedTuple):
    """An array, the stream on which it was created or received, and its value."""

    side: Side
    device: int
    stream: Any
    array: Any
    value: float


class Program:
    """A program that runs step by step and compares all reads at the end."""

    def __init__(self, convert: Convert) -> None:
        self.convert = convert
        self.held: list[Held] = []
        self.reads: list[tuple[Held, Array]] = []
        self.written = 0
        self.streams = {
            (side.name, device): [side.stream(device), None, side.external(PER_THREAD, device)]
            for side in (TORCH, CUPY)
            for device in range(DEVICES)
        }

    def new(self, place: int, stream: int) -> None:
        """Allocate and write, probably in memory that a dropped array has left."""
        side, device = (TORCH, CUPY)[place % 2], int(place > 5)
        streams = self.streams[side.name, device]
        chosen = streams[stream % len(streams)]
        self.written = self.written % 50 + 1
        with side.on(chosen, device):
            array = side.empty()
            side.write(array, float(self.written))
        self.held.append(Held(side, device, chosen, array, float(self.written)))

    def give(self, which: int, stream: int) -> None:
        """Hand an array over from the stream on which it was received. The giver may keep it."""
        if not self.held:
            return
        held = self.held[which % len(self.held)]
        target: Side = CUPY if held.side is TORCH else TORCH
        streams = self.streams[target.name, held.device]
        chosen = streams[stream % len(streams)]
        with held.side.on(held.stream, held.device), target.on(chosen, held.device):
            array = self.convert(held.array, target.name, copy=False)
        self.held.append(held._replace(side=target, stream=chosen, array=array))

    def read(self, which: int, _: int) -> None:
        if self.held:
            held = self.held[which % len(self.held)]
            with held.side.on(held.stream, held.device):
                self.reads.append((held._replace(array=None), held.side.read(held.array)))

    def drop(self, which: int, _: int) -> None:
        if self.held:
            self.held.pop(which % len(self.held))

    def forget(self, which: int, _: int) -> None:
        """Drop an array and all arrays over the same memory, which frees the memory."""
        if self.held:
            value = self.held[which % len(self.held)].value
            self.held = [held for held in self.held if held.value != value]

    def check(self) -> None:
        for held, result in self.reads:
            held.side.synchronize(held.stream, held.device)
            check(result, held.value)


def run_program(steps: list[Step], convert: Convert) -> None:
    """Run the steps, drop all remaining arrays, then compare the reads."""
    program = Program(convert)
    for verb, first, second in steps:
        getattr(program, verb)(first, second)
    program.held.clear()
    program.check()
