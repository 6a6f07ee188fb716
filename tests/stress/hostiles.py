"""Producers with up to three mutations of their protocols, for the kind `hostile`.

A mutation is impossible (it must be refused, or another protocol is used), or it stays inside the
memory of the producer. So a number from outside is always a violation.
"""

import ctypes
from collections.abc import Callable
from random import Random
from typing import Any, Final, NamedTuple

import numpy as np

from traps.producers import tensor_in, versioned_in

GUARD: Final = -77.0
"""The number around the memory of each producer."""
MARGIN: Final = 64
SHAPES: Final = ((6,), (2, 3), (1, 2, 2), (1,), ())
JUNK: Final[tuple[Any, ...]] = (
    None,
    "x",
    -1,
    1.5,
    object(),
    b"abc",
    (),
    ("a", "b"),
    (2**70,),
    (-1, 3),
    2**70,
    [],
)
ERRORS: Final = (
    ValueError, KeyError, TypeError, BufferError, RuntimeError, StopIteration, RecursionError,
    NotImplementedError, AttributeError, ZeroDivisionError, MemoryError,
)  # fmt: skip


class Watched(np.ndarray[Any, Any]):
    """An ndarray that supports weak references."""


class Memory(NamedTuple):
    """Numbers with a guard around them, and the array over the numbers."""

    array: Any
    values: Any
    on_device: bool


def make_memory(random: Random, *, on_device: bool) -> Memory:
    shape = random.choice(SHAPES)
    size = int(np.prod(shape))
    whole = np.full(size + 2 * MARGIN, GUARD, "float32")
    whole[MARGIN : MARGIN + size] = np.arange(1, size + 1)
    values = whole[MARGIN : MARGIN + size].reshape(shape).copy()
    if on_device:
        import cupy

        root = cupy.empty(whole.shape, whole.dtype)
        root.set(whole)
        return Memory(root[MARGIN : MARGIN + size].reshape(shape), values, on_device)
    inner = whole.view(Watched)[MARGIN : MARGIN + size].reshape(shape)
    return Memory(inner, values, on_device)


class Producer:
    """The state of one producer, which its protocols read. The class has the protocols."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        self._changes: dict[str, Callable[[Any], Any]] = {}
        self._calls: dict[str, int] = {}
        self._raised: BaseException | None = None

    def _changed(self, protocol: str, value: Any) -> Any:
        change = self._changes.get(protocol)
        self._calls[protocol] = self._calls.get(protocol, 0) + 1
        return value if change is None else change(value)


# -- protocols -------------------------------------------------------------------------------------


def _device(self: Producer) -> Any:
    device = (2, 0) if self._memory.on_device else (1, 0)
    return self._changed("__dlpack_device__", device)


def _capsule(self: Producer, **keywords: Any) -> Any:
    return self._changed("__dlpack__", self._memory.array.__dlpack__(**keywords))


def _new(self: Producer, *, stream: Any = None, max_version: Any = None) -> Any:
    return _capsule(self, stream=stream, max_version=max_version)


def _old(self: Producer, stream: Any = None) -> Any:
    return _capsule(self, stream=stream)


def _interface(self: Producer) -> Any:
    array = self._memory.array
    entries = {"version": 3, "typestr": "<f4", "shape": array.shape}
    return self._changed(
        "__array_interface__", {**entries, "data": (array.ctypes.data, False), "strides": None}
    )


def _buffer(self: Producer) -> Any:
    values = self._memory.values
    entries = {"version": 3, "typestr": "<f4", "shape": values.shape}
    return self._changed("__array_interface__", {**entries, "data": bytearray(values.tobytes())})


def _cuda(self: Producer) -> Any:
    interface = {**self._memory.array.__cuda_array_interface__}
    return self._changed("__cuda_array_interface__", interface)


def _array(self: Producer, dtype: Any = None, copy: Any = None) -> Any:  # noqa: ARG001
    return self._changed("__array__", self._memory.values.copy())


HOST_SETS: Final[tuple[dict[str, Any], ...]] = (
    {"__dlpack__": _new, "__dlpack_device__": _device},
    {"__dlpack__": _old, "__dlpack_device__": _device},
    {"__array_interface__": property(_interface)},
    {"__array_interface__": property(_buffer)},
    {"__array__": _array},
)
DEVICE_SETS: Final[tuple[dict[str, Any], ...]] = (
    {"__dlpack__": _new, "__dlpack_device__": _device},
    {"__dlpack__": _old, "__dlpack_device__": _device},
    {"__cuda_array_interface__": property(_cuda)},
)


def make_producer(random: Random, memory: Memory) -> Producer:
    """Return a correct producer with one to three protocols."""
    body: dict[str, Any] = {}
    sets = DEVICE_SETS if memory.on_device else HOST_SETS
    for protocols in random.sample(sets, random.randint(1, 2)):
        body.update(protocols)
    return type("Hostile", (Producer,), body)(memory)


# -- mutations -------------------------------------------------------------------------------------


def field(name: str, value: Any) -> Callable[[Any], Any]:
    def change(lent: Any) -> Any:
        setattr(tensor_in(lent), name, value)
        return lent

    return change


def dtype(code: int, bits: int, lanes: int) -> Callable[[Any], Any]:
    return field("dtype", (ctypes.c_uint8 * 4)(code, bits, lanes % 256, lanes // 256))


def length(number: int) -> Callable[[Any], Any]:
    """Change the first length, if there is one."""

    def change(lent: Any) -> Any:
        tensor = tensor_in(lent)
        # Another mutation may have changed the axes or the pointer.
        if 0 < tensor.ndim <= 3 and tensor.shape:
            ctypes.memmove(tensor.shape, (ctypes.c_int64 * 1)(number), 8)
        return lent

    return change


def version(lent: Any) -> Any:
    if "versioned" in repr(lent):
        versioned_in(lent).version[:] = [2, 0]
    return lent


def flag(number: int) -> Callable[[Any], Any]:
    def change(lent: Any) -> Any:
        if "versioned" in repr(lent):
            versioned_in(lent).flags |= number
        return lent

    return change


CAPSULES: Final[dict[str, Callable[[Any], Any]]] = {
    "axes": field("ndim", -1),
    "many axes": field("ndim", 65),
    "null shape": field("shape", None),
    "null data": field("data", None),
    "offset": field("byte_offset", 2**63),
    "address": field("data", 2**64 - 1),
    "negative length": length(-3),
    "huge length": length(2**62),
    "no elements": length(0),
    "unknown dtype": dtype(3, 64, 1),
    "odd bits": dtype(2, 24, 1),
    "lanes": dtype(2, 32, 2),
    "other device": field("device", (ctypes.c_int32 * 2)(2, 1)),
    "unknown device": field("device", (ctypes.c_int32 * 2)(99, 0)),
    "version": version,
    "read-only flag": flag(1),
    "copied flag": flag(2),
    "no capsule": lambda _: None,
    "array for a capsule": lambda _: np.ones(3),
}
INTERFACES: Final[dict[str, tuple[str, Any]]] = {
    "negative shape": ("shape", (-2, 3)),
    "huge shape": ("shape", (2**40, 2**40)),
    "no elements": ("shape", (0, 4)),
    "list as shape": ("shape", [1]),
    "odd typestr": ("typestr", "<f3"),
    "objects": ("typestr", "|O8"),
    "times": ("typestr", "<M8[s]"),
    "short strides": ("strides", (4,) * 7),
    "huge strides": ("strides", (2**62,)),
    "null data": ("data", (0, False)),
    "negative address": ("data", (-8, False)),
    "high address": ("data", (2**64 - 2, False)),
    "read-only data": ("readonly", True),
    "mask": ("mask", np.zeros(2, bool)),
    "stream 0": ("stream", 0),
    "odd stream": ("stream", "x"),
    "offset": ("offset", -8),
    "more than the buffer": ("offset", 1),
    "short buffer": ("data", bytearray(2)),
    "odd descr": ("descr", "x"),
}


def change_entry(key: str, value: Any) -> Callable[[Any], Any]:
    def change(interface: Any) -> Any:
        if not isinstance(interface, dict):
            return interface
        if key == "readonly" and isinstance(interface.get("data"), tuple):
            return {**interface, "data": (interface["data"][0], value)}
        return {**interface, key: value}

    return change


def drop_entry(key: str) -> Callable[[Any], Any]:
    def change(interface: Any) -> Any:
        if not isinstance(interface, dict):
            return interface
        return {k: v for k, v in interface.items() if k != key}

    return change


def mutate(random: Random, producer: Producer) -> str:
    """Add one mutation to a random protocol, and return its name."""
    protocols = [name for name in vars(type(producer)) if name.startswith("__") and "a" in name]
    known = [n for n in protocols if "dlpack" in n or "array" in n]
    protocol = random.choice(known)
    name, change = _mutation(random, producer, protocol)
    if random.random() < 0.15:
        name, change = f"{name}, from the second call on", _later(producer, protocol, change)
    before = producer._changes.get(protocol)
    producer._changes[protocol] = change if before is None else lambda x: change(before(x))
    return f"{protocol}: {name}"


def _mutation(random: Random, producer: Producer, protocol: str) -> tuple[str, Any]:
    if random.random() < 0.2:
        return _raise(random, producer)
    if random.random() < 0.1:
        return _contradict(random, producer)
    if protocol == "__dlpack__":
        return random.choice(list(CAPSULES.items()))
    if protocol in ("__dlpack_device__", "__array__"):
        value = random.choice((*JUNK, (2, 1), (1, 0), (99, 0)))
        return "junk", lambda _: value
    return _change_interface(random)


def _change_interface(random: Random) -> tuple[str, Any]:
    way = random.random()
    if way < 0.3:
        key = random.choice(("shape", "typestr", "data", "version"))
        return f"no {key}", drop_entry(key)
    if way < 0.6:
        key = random.choice(("shape", "typestr", "data", "version", "stream", "strides"))
        # As strides, two integers are no junk, but describe other memory behind the same address.
        values = [value for value in JUNK if key != "strides" or value != (-1, 3)]
        return f"junk as {key}", change_entry(key, random.choice(values))
    name, (key, value) = random.choice(list(INTERFACES.items()))
    return name, change_entry(key, value)


def _raise(random: Random, producer: Producer) -> tuple[str, Any]:
    error = random.choice(ERRORS)

    def change(_: Any) -> Any:
        producer._raised = error("as hostile as can be")
        raise producer._raised

    return f"raises {error.__name__}", change


def _contradict(random: Random, producer: Producer) -> tuple[str, Any]:
    """Set an attribute that the protocols contradict."""
    key, value = random.choice(
        (("shape", (9,)), ("shape", None), ("dtype", np.dtype("int8")), ("dtype", "float64"))
    )
    setattr(producer, key, value)
    return f"states another {key}", lambda x: x


def _later(producer: Producer, protocol: str, change: Any) -> Any:
    return lambda x: change(x) if producer._calls[protocol] > 1 else x
