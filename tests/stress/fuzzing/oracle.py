"""What the documentation promises for one conversion, worked out without interop's planner."""

from typing import Any, Final, NamedTuple

import numpy as np
import torch

import interop

from .sources import PLAIN, SMALL, WIDE, Source, itemsize, numpy_dtype

_CUDA: Final = tuple(f"cuda:{index}" for index in range(torch.cuda.device_count()))
DEVICES: Final = {
    "numpy": ("cpu",),
    "torch": ("cpu", *_CUDA),
    "cupy": _CUDA,
    "jax": ("cpu",),
    "array_api_strict": ("cpu",),
    "dask": ("cpu",),
}
"""By framework, its devices in this process. The first one is the default."""
MISSING: Final = {
    "numpy": (),
    "torch": (),
    "cupy": tuple(name for name in SMALL if name != "bfloat16"),
    "jax": WIDE,
    "array_api_strict": (*SMALL, "float16"),
    "dask": (),
}
HONOURS_READONLY: Final = ("numpy", "jax", "array_api_strict")
_KINDS: Final = ("bool", "uint", "int", "float", "complex")
Error = type[interop.InteropError]


class Promise(NamedTuple):
    """The promised outcome of a conversion that is not refused."""

    target: str
    dtype: str
    device: str
    shares: bool
    """Whether the result uses the memory of the source."""
    same: bool = False
    """Whether the result is the source itself."""
    readonly: bool | None = None
    needs_kernel: bool = False
    """Whether a device has to compute, which the simulated runtime cannot do."""


class Asked(NamedTuple):
    """The keywords of a call and the options around it, as the oracle reads them."""

    device: str | None = None
    dtype: str | None = None
    copy: bool | None = None
    readonly: str = "copy"
    detach: bool = False
    casting: str = "same_kind"
    host_copy: str = "allow"
    max_host_bytes: float = np.inf


def promise(  # noqa: C901, PLR0911 - the errors of a conversion, in the order of the documentation
    source: Source, target: str, asked: Asked
) -> Promise | Error | None:
    """Return the promised outcome, or None if the documentation leaves it open.

    Errors come in the order that the documentation states.
    """
    if source.error is interop.NotAnArrayError:
        return source.error
    device = _device(source, target, asked)
    if not isinstance(device, str):
        return device
    within = source.framework == target
    stranded = source.framework == "foreign" and source.device not in ("cpu", *DEVICES[target])
    if source.error:
        return _without_numbers(source, target, asked)
    dtype = asked.dtype or source.dtype
    if (asked.dtype or not within) and (
        dtype in MISSING[target] or (asked.casting != "unsafe" and loses_kind(source.dtype, dtype))
    ):
        return interop.UnsupportedArrayError
    if source.gradient and not within and not asked.detach:
        return interop.GradientError
    if stranded:  # nobody can be asked to download it
        return interop.UnsupportedArrayError
    changes = device != source.device or dtype != source.dtype
    copies = changes or bool(asked.copy) or (not within and _must_copy(source, target))
    if not copies and not within and source.readonly and target not in HONOURS_READONLY:
        if asked.readonly == "error":
            return interop.CopyRequiredError
        copies = asked.readonly == "copy"
    if within and not copies and asked.dtype and source.unshareable:
        return None  # a requested dtype is a native one, so a copy may put its bytes in order
    if copies and asked.copy is False:
        return interop.CopyRequiredError
    if _breaks_policy(source, target, device, dtype, asked):
        return interop.HostCopyError
    return _outcome(source, target, dtype, device, copies=copies)


def _without_numbers(source: Source, target: str, asked: Asked) -> Promise | Error | None:
    """Return the outcome for an array without plain numbers, which stays or is moved by its framework."""
    if source.framework != target:
        return source.error
    if asked.dtype or asked.device or asked.copy:
        return None
    return Promise(target, "", "", shares=True, same=True)


def _outcome(source: Source, target: str, dtype: str, device: str, *, copies: bool) -> Promise:
    same = source.framework == target and not copies
    on_device = source.device != "cpu" or device != "cpu"
    readonly = None
    if target == "numpy" and not same:
        readonly = not copies and (source.readonly or source.overlaps)
    kernel = on_device and (dtype != source.dtype or _uploads_by_kernel(source, target, device))
    return Promise(target, dtype, device, not copies, same, readonly, kernel)


def _uploads_by_kernel(source: Source, target: str, device: str) -> bool:
    """Return whether the frameworks use a kernel for an upload: it depends on shape and layout."""
    if source.device != "cpu" or device == "cpu":
        return False
    if source.read:
        return True  # for copy=True, the uploaded array is copied once more
    if target == "cupy":
        return source.values.ndim == 0
    return source.order == "" or source.unshareable


def _device(source: Source, target: str, asked: Asked) -> str | Error:
    """Return the device of the result, or the error of a device that the target does not have."""
    here = DEVICES[target]
    if asked.device is None:
        return source.device if source.device in here else here[0]
    wanted = "cuda:0" if asked.device == "cuda" else asked.device
    if wanted in here or (wanted == source.device and source.framework == target):
        return wanted
    kinds = {"torch": ("cpu", "cuda"), "cupy": ("cuda",)}.get(target, ("cpu",))
    if wanted.partition(":")[0] in kinds:
        return interop.DeviceUnavailableError
    return interop.InvalidOptionError


def loses_kind(start: str, end: str) -> bool:
    """Return whether a cast needs casting="unsafe": to a lesser kind of number."""
    return _kind(start) > _kind(end)


def _kind(dtype: str) -> int:
    name = dtype.partition("_")[0].rstrip("0123456789")
    return _KINDS.index("float" if name == "bfloat" else name)


def _must_copy(source: Source, target: str) -> bool:
    """Return whether another framework cannot use the memory as it is."""
    if source.read or source.unshareable:
        return True
    if source.device != "cpu" or not source.nbytes:
        return False
    if target == "torch":
        needed = itemsize(source.dtype) if source.dtype.startswith("complex") else 1
        return source.overlaps or source.reverses or source.address % needed != 0
    if target == "jax":
        if source.address % 64 or not source.order:
            return True
        return source.order == "F" and (source.readonly or source.dtype in SMALL)
    return False


def _breaks_policy(source: Source, target: str, device: str, dtype: str, asked: Asked) -> bool:
    travels = host_bytes(source, target, device, dtype)
    limit = 0 if asked.host_copy == "error" else asked.max_host_bytes
    return travels > limit


def host_bytes(source: Source, target: str, device: str, dtype: str) -> int:
    """Return the bytes between host and device: those of the smaller dtype that the device has.

    A cast from complex to real numbers reads the real parts only.
    """
    if (source.device == "cpu") == (device == "cpu"):
        return 0
    before = itemsize(source.dtype)
    after = itemsize(dtype)
    if device != "cpu" and source.dtype in MISSING[target]:
        return source.values.size * after
    if device == "cpu" and dtype in MISSING.get(source.framework, ()):
        return source.values.size * before
    if source.dtype.startswith("complex") and not dtype.startswith(("complex", "bool")):
        before //= 2
    return source.values.size * min(before, after)


def cast(values: np.ndarray[Any, Any], dtype: str) -> np.ndarray[Any, Any]:
    """Return numbers in another dtype: imaginary parts are dropped, and bool tests for zero."""
    if values.dtype.name == dtype:
        return values
    plain = values if values.dtype.name in PLAIN else values.astype(np.float32)
    if dtype == "bool":
        return plain != 0
    if plain.dtype.kind == "c" and not dtype.startswith("complex"):
        plain = plain.real
    if dtype in SMALL:
        return plain.astype(np.float32).astype(numpy_dtype(dtype))
    return plain.astype(dtype)
