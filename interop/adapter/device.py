"""A device as DLPack names it."""

from __future__ import annotations

from typing import Any, Final, NamedTuple, Self

CURRENT: Final = -1
"""The id of a `Device` that means "the current one"."""

# DLDeviceType of dlpack.h (DLPack 1.3).
_KINDS: Final = {
    0: "no device", 1: "cpu", 2: "cuda", 3: "cuda_host", 4: "opencl", 7: "vulkan", 8: "metal", 9: "vpi",
    10: "rocm", 11: "rocm_host", 12: "ext_dev", 13: "cuda_managed", 14: "oneapi", 15: "webgpu", 16: "hexagon",
    17: "maia", 18: "trn",
}  # fmt: skip
_NUMBERS: Final = {name: kind for kind, name in _KINDS.items()} | {
    "mps": 8,
    "xpu": 14,
    "gpu": 2,
    "hip": 10,
}
NAMES: Final = tuple(_NUMBERS)
"""The names that `Device.parse` reads, in lower case."""


class Device(NamedTuple):
    """A device as DLPack names it: a kind (``DLDeviceType``) and an id. Equal to the plain pair.

    >>> Device(2, 1), str(Device(2, 1)), Device.parse("cuda:1") == (2, 1)
    (Device(kind=2, id=1), 'cuda:1', True)
    """

    kind: int
    id: int = 0

    @classmethod
    def parse(cls, spec: str | tuple[int, int]) -> Device:
        """Read ``"cpu"``, ``"cuda"`` (the current one), ``"cuda:1"`` or a pair; raise ValueError for anything else.

        Upper and lower case are the same.
        """
        if isinstance(spec, tuple):
            kind, index = spec
            return cls(int(kind), int(index))
        name, _, index_text = spec.lower().partition(":")
        if name not in _NUMBERS or (index_text and not index_text.isdecimal()):
            msg = f"no device is called {spec!r}"
            raise ValueError(msg)
        index = int(index_text) if index_text else (0 if name == "cpu" else CURRENT)
        return cls(_NUMBERS[name], index)

    @property
    def is_host(self) -> bool:
        """Whether a processor reads this memory without a transfer: plain, or pinned for a GPU."""
        return self.kind in _HOST_KINDS

    def __str__(self) -> str:
        """Spell it as `parse` reads it."""
        name = _KINDS.get(self.kind, f"device kind {self.kind}")
        return name if self.kind in (0, 1) or self.id == CURRENT else f"{name}:{self.id}"


LIBRARY: Final = -1
"""The kind of every `LibraryDevice`. DLPack has no negative kinds."""


class LibraryDevice(Device):
    """A device without a number in DLPack.

    Only its own library can address its memory. Equal to another one if the libraries' own objects are equal, never to
    a pair of numbers.
    """

    native: Any

    def __new__(cls, native: Any) -> Self:
        """Make a device from the object of its library."""
        self = super().__new__(cls, LIBRARY)
        self.native = native
        return self

    def __eq__(self, other: object) -> bool:
        return isinstance(other, LibraryDevice) and bool(self.native == other.native)

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __hash__(self) -> int:
        return hash((LIBRARY, str(self.native)))

    def __reduce__(self) -> tuple[Any, ...]:
        return LibraryDevice, (self.native,)

    def __repr__(self) -> str:
        return f"LibraryDevice({self.native!r})"

    def __str__(self) -> str:
        """Return the device as spelled by the library."""
        return str(self.native)


_HOST_KINDS: Final = frozenset({1, 3, 11})
NOWHERE: Final = Device(0)
"""Where an array is that has no memory, as a meta tensor. No kind of DLPack's."""
CPU: Final = Device(1)
CUDA: Final = Device(2, CURRENT)
HOST: Final = frozenset({1})
"""The `device_kinds` of an adapter of host memory; pinned memory (kinds 3 and 11) is described as `CPU`."""
