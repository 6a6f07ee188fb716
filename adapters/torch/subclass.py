"""Reads and copies of tensor subclasses.

A read ignores what the class or a mode redefines. A copy uses it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import torch
from torch import Tensor

from interop.adapter.scope import scoped

from . import alignment
from .copies import drops_imaginary
from .modes import FAKE, is_faked

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence
    from contextlib import AbstractContextManager

_without_function: Final = torch._C.DisableTorchFunctionSubclass
_NO_DISPATCH: Final = torch._C._disabled_torch_dispatch_impl


def _is_plain(x: Any) -> bool:
    # By identity, because the metaclass of a subclass may say that the class equals `Tensor`.
    return type(x) is Tensor or type(x) is torch.nn.Parameter


def unseen() -> AbstractContextManager[Any]:
    """Return a context that hides operations on a tensor from a subclass and `FakeTensorMode`."""
    return _outside_fake_mode() if is_faked() else _without_function()


@scoped
def _outside_fake_mode() -> Generator[None, None, None]:
    # As torch's own `unset_fake_temporarily`, in which an interrupt would lose the mode.
    modes: list[Any] = []
    try:
        modes.extend(map(torch._C._unset_dispatch_mode, (FAKE,)))
        with _without_function():
            yield
    finally:
        for mode in modes:
            if mode is not None:
                torch._C._set_dispatch_mode(mode)


def has_own_memory(cls: Any) -> bool:
    """Return whether the tensors of a class are backed by memory.

    A tensor whose class defines `__torch_dispatch__` may stand for another tensor.
    """
    return cls.__torch_dispatch__ is _NO_DISPATCH


def plain(x: Any) -> Tensor:
    """Return a plain tensor that shares the memory and the graph of a given tensor.

    A subclass may redefine every attribute and method: by `__torch_function__`, or as any other
    class.
    """
    if _is_plain(x) or not has_own_memory(type(x)):
        return x
    try:
        with unseen():
            return Tensor.as_subclass(x, Tensor)
    except RuntimeError:  # the layout has no such alias
        return x


def copy(x: Any, device: torch.device, dtype: torch.dtype) -> Any:
    """Return the copy that a subclass makes by `clone` or `to`, or None if not possible.

    The device, dtype, shape, memory and gradient of the copy must be those that the plan promises.
    A copy with the class but without the attributes of the instance becomes a plain tensor.
    """
    if _is_plain(x) or alignment.is_misaligned(plain(x)):  # `clone` would crash the process
        return None
    try:
        copied = _copy_by_methods(x, device, dtype)
        if isinstance(copied, Tensor) and _is_copy(plain(copied), plain(x), device, dtype):
            return _with_state(copied, x)
    except MemoryError:
        raise
    except Exception:  # noqa: BLE001, S110 - a subclass may raise anything
        pass
    return None


def aligned(x: Any) -> Any:
    """Return a tensor that torch's kernels can read: `x`, or else a plain copy."""
    with unseen():
        bare = plain(x)
        return alignment.realigned(bare) if alignment.is_misaligned(bare) else x


def copy_lazy(x: Any, device: torch.device) -> Tensor:
    """Return a new parameter or buffer without a shape, on a device."""
    copied: Any = type(x)(requires_grad=x.requires_grad, device=device, dtype=plain(x).dtype)
    copied.__dict__.update(vars(x))  # for example, whether a buffer is persistent
    return copied


def stack(tensors: Sequence[Any], axis: int) -> Tensor:
    """Stack tensors by the overrides of their classes, or as plain tensors.

    The overrides are used if the result agrees with that of plain tensors: in shape, dtype, device
    and gradient.
    """
    if all(map(_is_plain, tensors)):
        with unseen():
            return torch.stack(list(tensors), dim=axis)
    try:
        stacked: Any = torch.stack(list(tensors), dim=axis)
        parts = [plain(x) for x in tensors]
        if isinstance(stacked, Tensor) and _is_stack(plain(stacked), parts, axis):
            return _with_state(stacked, tensors[0])
    except MemoryError:
        raise
    except Exception:  # noqa: BLE001, S110 - a subclass may raise anything
        pass
    with unseen():
        return torch.stack([plain(x) for x in tensors], dim=axis)


def _copy_by_methods(x: Any, device: torch.device, dtype: torch.dtype) -> Any:
    """Call `to` and `clone` of the subclass, with positional arguments only.

    Some classes accept no keywords in `to`. The cast comes first if fewer bytes travel then.
    """
    real = plain(x)
    copied = x.real if drops_imaginary(real, dtype) else x
    seen = plain(copied)
    if seen.is_conj() or seen.is_neg():
        copied = copied.resolve_conj().resolve_neg()
    casts_first = dtype.itemsize < seen.dtype.itemsize
    if casts_first:
        copied = copied.to(dtype)
    if real.device != device:
        copied = copied.to(device)
    if seen.dtype != dtype and not casts_first:
        copied = copied.to(dtype)
    # `to` returns the tensor itself if neither dtype nor device changes.
    if _storage(plain(copied)) == _storage(real):
        copied = copied.clone()
    return copied


def _is_copy(copied: Tensor, x: Tensor, device: torch.device, dtype: torch.dtype) -> bool:
    with unseen():
        if (copied.shape, copied.dtype) != (x.shape, dtype):
            return False
        if not _is_same_device(copied.device, device) or copied.is_conj() or copied.is_neg():
            return False
        return _is_independent(copied, x) and _keeps_graph(copied, x)


def _is_same_device(one: torch.device, other: torch.device) -> bool:
    # torch.device("cpu") has the index None, and the device of a tensor on the host may have 0.
    return (one.type, one.index or 0) == (other.type, other.index or 0)


def _is_stack(stacked: Tensor, tensors: list[Tensor], axis: int) -> bool:
    first = tensors[0]
    shape = list(first.shape)
    shape.insert(axis % (first.ndim + 1), len(tensors))
    with unseen():
        if list(stacked.shape) != shape:
            return False
        if (stacked.device, stacked.dtype) != (first.device, first.dtype):
            return False
        return all(_keeps_graph(stacked, x) for x in tensors)


def _is_independent(copied: Tensor, x: Tensor) -> bool:
    return not x.numel() or _storage(copied) != _storage(x)


def _storage(x: Tensor) -> int:
    """Return the address of the storage object, which differs for each storage."""
    with unseen():
        # Private, but the public address of the memory is 0 for each storage without bytes.
        return x.untyped_storage()._cdata


def _keeps_graph(copied: Tensor, x: Tensor) -> bool:
    # A copy of integers has no gradient, and under `no_grad` no copy has one.
    differentiable = copied.is_floating_point() or copied.is_complex()
    if not (x.requires_grad and differentiable and torch.is_grad_enabled()):
        return True
    return copied.grad_fn is not None


def _with_state(result: Tensor, x: Any) -> Tensor:
    """Return a result as a plain tensor if attributes of the source instance are missing."""
    if type(result) is type(x) and not vars(x).keys() <= vars(result).keys():
        return plain(result)
    return result
