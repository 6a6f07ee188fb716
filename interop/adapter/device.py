"""Devices with the kinds and ids of DLPack, and devices that only one library knows."""

from __future__ import annotations

from typing import Any, Final, NamedTuple, Self, cast

CURRENT: Final = -1
"""The id of a `Device` that stands for the current device of its kind."""

# DLDeviceType of dlpack.h (DLPack 1.3). Kind 0 is not one of them.
_KINDS: Final = {
    0: "no device", 1: "cpu", 2: "cuda", 3: "cuda_host", 4: "opencl", 7: "vulkan", 8: "metal",
    9: "vpi", 10: "rocm", 11: "rocm_host", 12: "ext_dev", 13: "cuda_managed", 14: "oneapi",
    15: "webgpu", 16: "hexagon", 17: "maia", 18: "trn",
}  # fmt: skip
_NUMBERS: Final = {name: kind for kind, name in _KINDS.items()} | {
    "mps": 8,
    "xpu": 14,
    "gpu": 2,
    "hip": 10,
}
NAMES: Final = tuple(_NUMBERS)
"""The names that `Device.parse` accepts, in lower case."""


class Device(NamedTuple):
    """A device: a kind (``DLDeviceType`` of DLPack) and an id. Equal to the pair of integers.

    >>> Device(2, 1), str(Device(2, 1)), Device.parse("cuda:1") == (2, 1)
    (Device(kind=2, id=1), 'cuda:1', True)
    """

    kind: int
    id: int = 0

    @classmethod
    def parse(cls, spec: str | tuple[int, int]) -> Device:
        """Convert a name such as ``"cpu"`` or ``"cuda:1"``, or a pair of integers, into a device.

        ``"cuda"`` is the current CUDA device. Names are case-insensitive.

        Raises
        ------
        ValueError
            No device has this name.
        """
        if issubclass(type(spec), tuple):
            kind, index = cast("tuple[int, int]", spec)
            return cls(int(kind), int(index))
        # An exact string, because a subclass may redefine the methods.
        text = str.__str__(cast("str", spec)) if issubclass(type(spec), str) else ""
        name, _, index_text = text.lower().partition(":")
        if name not in _NUMBERS or (index_text and not index_text.isdecimal()):
            msg = f"no device is called {spec!r}"
            raise ValueError(msg)
        if index_text:
            return cls(_NUMBERS[name], int(index_text))
        return CPU if name == "cpu" else cls(_NUMBERS[name], CURRENT)

    @property
    def is_host(self) -> bool:
        """Whether the CPU reads this memory without a transfer (plain or pinned host memory)."""
        return self.kind in _HOST_KINDS

    @property
    def name(self) -> str:
        """The name of the kind, without the id."""
        return _KINDS.get(self.kind, f"device kind {self.kind}")

    @property
    def has_streams(self) -> bool:
        """Whether work on this device is ordered by streams that frameworks name by a handle.

        The array API standard numbers the streams of CUDA and ROCm only.
        """
        return self.kind in _STREAM_KINDS

    @property
    def can_share(self) -> bool:
        """Whether two frameworks can use the same memory on this device.

        They can on the host, and where streams order their work. On any other device, neither
        framework can wait for the other one.
        """
        return self.is_host or self.has_streams

    @property
    def has_addresses(self) -> bool:
        """Whether pointers to memory on this device are addresses, and not handles of objects."""
        return self.kind not in _HANDLE_KINDS

    def __str__(self) -> str:
        """Return the name that `parse` accepts."""
        has_id = self.kind not in (0, 1) and self.id != CURRENT
        return f"{self.name}:{self.id}" if has_id else self.name


LIBRARY: Final = -1
"""The kind of every `LibraryDevice`. DLPack has no negative kinds."""


class LibraryDevice(Device):
    """A device that has no number in DLPack, so that only one library can address the memory there.

    Two such devices are equal if the device objects of the library are equal. No such device is
    equal to a pair of integers.
    """

    native: Any
    """The device object of the library."""

    def __new__(cls, native: Any) -> Self:
        """Wrap a device object of a library."""
        self = super().__new__(cls, LIBRARY)
        self.native = native
        return self

    def __eq__(self, other: object) -> bool:
        return isinstance(other, LibraryDevice) and bool(self.native == other.native)

    # Required, because the method of tuple would compare the numbers, which are all equal.
    def __ne__(self, other: object) -> bool:
        return not self == other

    def __hash__(self) -> int:
        # A device object may be unhashable. Equal objects are expected to print equally.
        return hash((LIBRARY, str(self.native)))

    def __reduce__(self) -> tuple[Any, ...]:
        return LibraryDevice, (self.native,)

    def __repr__(self) -> str:
        return f"LibraryDevice({self.native!r})"

    def __str__(self) -> str:
        """Return the name that the library gives the device."""
        return str(self.native)


_HANDLE_KINDS: Final = frozenset({LIBRARY, 4, 7, 8, 15})  # OpenCL, Vulkan, Metal and WebGPU
_HOST_KINDS: Final = frozenset({1, 3, 11})
NOWHERE: Final = Device(0)
"""The device of an array without memory, for example a meta tensor."""
CPU: Final = Device(1)
"""Host memory. Adapters describe pinned memory (kinds 3 and 11) as `CPU`, too."""
CUDA: Final = Device(2, CURRENT)
"""The current CUDA device."""
ROCM: Final = Device(10, CURRENT)
"""The current ROCm device. The ROCm builds of torch and CuPy call their devices "cuda"."""
_STREAM_KINDS: Final = frozenset({CUDA.kind, 13, ROCM.kind})  # 13: CUDA's managed memory
HOST: Final = frozenset({1})
"""The `Adapter.device_kinds` of a framework that holds host memory only."""
