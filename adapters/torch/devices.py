"""Devices of torch and their numbers in DLPack."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import torch

from interop import errors
from interop.adapter import CPU, CUDA, CURRENT, NOWHERE, ROCM, Device

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
ALIASES: Final = {CUDA.kind: GPU.kind}
"""The device kind that a caller means by another one."""


def device_of(x: Tensor) -> Device:
    """Return the device of a plain tensor, or `NOWHERE` if DLPack has no number for the device."""
    kind = KINDS.get(x.device.type)
    return NOWHERE if kind is None else Device(kind, x.device.index or 0)


def torch_device(x: Tensor, device: Device) -> torch.device:
    """Return torch's object for a device.

    The device of the tensor itself is returned as it is: DLPack may have no number for it.
    """
    if device == device_of(x):
        return x.device
    if device.is_host:
        return torch.device("cpu")
    return torch.device(TYPES[device.kind], device.id)


def parse(spec: Any) -> Device | None:
    """Convert a `torch.device`, or return None for another object."""
    kind = KINDS.get(spec.type) if isinstance(spec, torch.device) else None
    if kind is None:
        return None
    if kind == CPU.kind:
        return CPU
    return Device(kind, CURRENT if spec.index is None else spec.index)


def resolve(device: Device) -> Device | str:
    """Return a device with its id filled in, or the reason why torch cannot use the device."""
    if device.kind == CPU.kind:
        return CPU
    kind = TYPES.get(device.kind)
    if kind is None:
        hint = f"Its devices are {', '.join(_NAMES)}."
        return errors.Reason(f"torch can't be on {device}", hint)
    count = _count(kind)
    index = device.id
    if index == CURRENT and count:
        index = accelerator.current_device_index()
    if 0 <= index < count:
        return Device(device.kind, index)
    number = f"{count or 'no'} device{'' if count in (0, 1) else 's'}"
    found = f"torch {torch.__version__} finds {number} of type {kind} here"
    return errors.Reason(found, 'Leave device out, or pass device="cpu".')


def _count(kind: str) -> int:
    """Return the number of devices of a type. torch supports one type of accelerator at a time."""
    supported = accelerator.current_accelerator()
    if supported is None or supported.type != kind:
        return 0
    return int(accelerator.device_count())
