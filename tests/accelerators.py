"""A stand-in for other accelerators of torch: the simulated GPU under another device type.

`load` changes the numbers that the adapter gives to torch's device types, so the memory on the
simulated GPU passes for that of MPS, of XPU, or of a device that DLPack does not number. The memory
is real: the host cannot access it, and only torch copies it. `torch.cuda` raises the errors of a
torch without CUDA, so code that asks it for streams fails. No test ran on such a device.
"""

import importlib
from typing import Any, NoReturn

import simcuda

NUMBERS = {"mps": 8, "xpu": 14, "hpu": None}
"""The DLPack number of each device type that the stand-in can act as."""
_OF_CUDA = ("current_stream", "default_stream", "Stream", "ExternalStream", "Event", "synchronize")


def load(name: str) -> None:
    """Let torch's "cuda" act as another device type, before the adapter of torch is loaded."""
    simcuda.load()
    import torch

    torch.empty(1, device="cuda")  # torch initialises CUDA here, and not at a forbidden call
    devices: Any = importlib.import_module("interop.adapters.torch.devices")
    kinds: dict[str, Any] = {"cpu": 1, "cuda": NUMBERS[name]}
    _replace(devices.KINDS, {key: kind for key, kind in kinds.items() if kind is not None})
    _replace(devices.TYPES, {kind: key for key, kind in devices.KINDS.items()})
    devices.DEVICE_KINDS = frozenset({*devices.TYPES, -1})
    for function in _OF_CUDA:
        setattr(torch.cuda, function, _refuse)
    torch.cuda.is_available = lambda: False
    torch.accelerator.is_available = lambda: True  # asks `torch.cuda` by default


def _replace(table: dict[Any, Any], entries: dict[Any, Any]) -> None:
    table.clear()
    table.update(entries)


def _refuse(*_: object, **__: object) -> NoReturn:
    raise AssertionError("Torch not compiled with CUDA enabled")
