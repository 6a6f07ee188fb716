"""Devices of torch and their numbers in DLPack."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import torch

from interop import errors
from interop.adapter import (
    CPU,
    CUDA,
    CURRENT,
    LIBRARY,
    NOWHERE,
    ROCM,
    Device,
    LibraryDevice,
)

from .dtypes import DTYPES
from .features import accelerator

if TYPE_CHECKING:
    from torch import Tensor

# The ROCm build of torch calls its devices "cuda", too.
GPU: Final = ROCM if torch.version.hip else CUDA
"""The current one of the devices that torch calls "cuda"."""
KINDS: Final = {"cpu": CPU.kind, "cuda": GPU.kind, "mps": 8, "xpu": 14}
"""DLPack's number (``DLDeviceType``) of each device type of torch that has one."""
_NAMES: Final = (CPU.name, GPU.name, "mps", "xpu")
TYPES: Final = {kind: name for name, kind in KINDS.items()}
DEVICE_KINDS: Final = frozenset({*TYPES, LIBRARY})
ALIASES: Final = {CUDA.kind: GPU.kind}
"""The device kind that a caller means by another one."""

_METAL: Final = KINDS["mps"]
_NOT_ON_METAL: Final = frozenset(
    {"float64", "complex128", *(name for name in DTYPES if name.startswith("float8"))}
)


def device_of(x: Tensor) -> Device:
    """Return the device of a plain tensor. DLPack has no number for some devices, such as "hpu"."""
    return NOWHERE if x.device.type == "meta" else _numbered(x.device)


def _numbered(device: torch.device) -> Device:
    """Return the device with its number in DLPack, or as one that only torch knows."""
    kind = KINDS.get(device.type)
    if kind is None:
        return LibraryDevice(device)
    return Device(kind, device.index or 0)


def torch_device(x: Tensor, device: Device) -> torch.device:
    """Return torch's object for a device.

    The device of the tensor itself is returned as it is: DLPack may have no number for it.
    """
    if device == device_of(x):
        return x.device
    if device.is_host:
        return torch.device("cpu")
    if isinstance(device, LibraryDevice):
        return device.native
    return torch.device(TYPES[device.kind], device.id)


def parse(spec: Any) -> Device | None:
    """Convert a `torch.device`, or return None for another object."""
    if not isinstance(spec, torch.device) or spec.type == "meta":
        return None
    if spec.type == "cpu":
        return CPU
    if spec.type in KINDS:
        return Device(KINDS[spec.type], _index(spec))
    return LibraryDevice(spec)


def resolve(device: Device) -> Device | str:
    """Return a device with its id filled in, or the reason why torch cannot use the device."""
    if device.kind == CPU.kind:
        return CPU
    kind = TYPES.get(device.kind)
    index = device.id
    native = getattr(device, "native", None)  # of a `LibraryDevice`, maybe of another library
    if isinstance(native, torch.device):
        kind = native.type
        index = _index(native)
    if kind is None:
        hint = f"Its devices are {', '.join(_NAMES)}."
        return errors.Reason(f"torch can't be on {device}", hint)
    count = _count(kind)
    if index == CURRENT and count:
        index = accelerator.current_device_index()
    if 0 <= index < count:
        return _numbered(torch.device(kind, index))
    number = f"{count or 'no'} device{'' if count in (0, 1) else 's'}"
    found = f"torch {torch.__version__} finds {number} of type {kind} here"
    return errors.Reason(found, 'Leave device out, or pass device="cpu".')


def _index(device: Any) -> int:
    """Return the index of a `torch.device`, or the number of the current one."""
    return CURRENT if device.index is None else device.index


def _count(kind: str) -> int:
    """Return the number of devices of a type. torch supports one type of accelerator at a time."""
    supported = accelerator.current_accelerator()
    if supported is None or supported.type != kind or not accelerator.is_available():
        return 0
    return int(accelerator.device_count())


def why_no_dtype_on(device: Device, dtype: str) -> str | None:
    """Return why a device lacks a dtype and what to write instead, or None."""
    if device.kind != _METAL or dtype not in _NOT_ON_METAL:
        return None
    narrower = "complex64" if dtype == "complex128" else "float32"
    reason = f"torch has no {dtype} on {device}"
    return errors.Reason(reason, f'Pass dtype="{narrower}", or device="cpu".')
