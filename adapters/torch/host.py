"""torch's tensors in host memory: what crosses to NumPy and back, and copies near the memory's speed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
import torch
from torch import Tensor
from torch.utils.dlpack import from_dlpack

from interop.adapter import PLAIN_DTYPES, find_compiled

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

# NumPy's bridge knows none of these: they cross as integers of their size, and are ml_dtypes' on the other side.
_CARRIED: Final = {
    "bfloat16": torch.int16, "float8_e4m3fn": torch.uint8, "float8_e4m3fnuz": torch.uint8,
    "float8_e5m2": torch.uint8, "float8_e5m2fnuz": torch.uint8, "float8_e8m0fnu": torch.uint8,
}  # fmt: skip
DTYPES: Final[dict[str, torch.dtype]] = {
    name: getattr(torch, name) for name in (*PLAIN_DTYPES, *_CARRIED)
}
_CARRIERS: Final = {DTYPES[name]: carrier for name, carrier in _CARRIED.items()}
NAMES: Final = {dtype: name for name, dtype in DTYPES.items()}
_BY_ML_DTYPES: Final = 2  # what `dtype.isbuiltin` says of a dtype that a package has added to NumPy
HUGE: Final = 4 * 1024 * 1024  # from here on NumPy asks for huge pages (madvise)
_no_dispatch: Final = torch._C._disabled_torch_dispatch_impl
is_transformed: Final = torch._C._functorch.is_functorch_wrapped_tensor  # pyright: ignore[reportAttributeAccessIssue]
_WRAPPERS: Final = {
    "DTensor": "Use x.full_tensor() to gather it from all processes, or x.to_local() for the part in this one.",
    "AsyncCollectiveTensor": "Use x.wait() for the result of the collective.",
    "MaskedTensor": "Use x.to_tensor(value) to fill what is masked.",
}
"""Classes of torch whose objects stand for another tensor, and how to get it."""


_dispatch_mode: Final = torch._C._get_dispatch_mode  # pyright: ignore[reportAttributeAccessIssue]
_FAKE: Final = torch._C._TorchDispatchModeKey.FAKE  # pyright: ignore[reportAttributeAccessIssue]


def is_faked() -> bool:
    """Return whether `FakeTensorMode` is on.

    The mode refuses real tensors, or turns them into tensors without numbers.
    """
    return _dispatch_mode(_FAKE) is not None


def _bind() -> Any:
    """Return `_torch.c`, if it was built, and if this torch offers what it needs."""
    if compiled := find_compiled("interop.adapters.torch._native"):
        try:
            is_mode_enabled = torch._C._is_torch_function_mode_enabled
            compiled.bind(
                Tensor,
                torch.nn.Parameter,
                torch.UntypedStorage,
                is_mode_enabled,
                torch.int8,
                torch.uint8,
            )
        except AttributeError:
            return None
    return compiled


compiled: Final = _bind()


def numpy_dtype(dtype: torch.dtype) -> np.dtype[Any]:
    """Return the dtype of NumPy or ml_dtypes for the same numbers as a dtype of torch."""
    return np.dtype(_of_ml_dtypes(dtype) if dtype in _CARRIERS else NAMES[dtype])


def share(x: Tensor) -> NDArray[Any]:
    """Return an ndarray over the memory of a tensor without a gradient; of ml_dtypes, where NumPy has no such dtype."""
    carrier = _CARRIERS.get(x.dtype)
    if carrier is None:
        return x.numpy()
    return x.view(carrier).numpy().view(_of_ml_dtypes(x.dtype))


def forbid_resizing(x: Tensor) -> None:
    """Let torch refuse from now on to free or move the memory of a tensor, which `Tensor.numpy` sees to."""
    x.view(_CARRIERS.get(x.dtype, x.dtype)).numpy()


def _of_ml_dtypes(dtype: torch.dtype) -> Any:
    import ml_dtypes  # noqa: PLC0415 - optional; the planner has asked the target

    return getattr(ml_dtypes, NAMES[dtype])


def share_without_gradient(x: Tensor) -> NDArray[Any]:
    """Let `Tensor.numpy` detach, but not download, which is for a plan to say."""
    if not x.is_cpu or is_transformed(x) or x._is_zerotensor() or is_faked():
        raise TypeError
    return x.numpy(force=True)


def is_plain(array: Any) -> bool:
    """Return whether `torch.from_numpy` may share an ndarray.

    The ndarray must be contiguous, writeable, and aligned as torch requires.
    """
    if not array.flags.carray:
        return False
    # Real numbers are their own real part; NumPy itself takes 1 microsecond to tell an address.
    return array.real is array or torch.from_numpy(array).data_ptr() % array.itemsize == 0


def adopt(array: NDArray[Any]) -> Tensor:
    """Return a tensor over an ndarray at an address that torch's kernels can use.

    Raises
    ------
    BufferError
        The ndarray is not aligned as torch needs it.
    """
    tensor = adopt_anywhere(array)
    if is_misaligned(tensor):
        msg = f"torch needs {array.itemsize} bytes of alignment for {array.dtype}"
        raise BufferError(msg)
    return tensor


def adopt_anywhere(array: NDArray[Any]) -> Tensor:
    """Return a tensor over an ndarray; read-only memory by DLPack, since `torch.from_numpy` warns of it."""
    if array.flags.writeable:
        try:
            return torch.from_numpy(array)
        except (
            TypeError,
            ValueError,
        ):  # a dtype of ml_dtypes, or strides that are never stepped over
            pass
    if array.dtype.isbuiltin == _BY_ML_DTYPES:
        name = array.dtype.name
        return adopt_anywhere(array.view(str(_CARRIED[name]).removeprefix("torch."))).view(
            DTYPES[name]
        )
    array = _with_plain_strides(array)
    return (
        torch.from_numpy(array)
        if array.flags.writeable
        else from_dlpack(array.__dlpack__(max_version=(1, 0)))
    )


def _with_plain_strides(array: NDArray[Any]) -> NDArray[Any]:
    """Replace strides that are never stepped over (axes of length 1, empty arrays): torch refuses odd ones even so."""
    size = array.itemsize
    if not any(s < 0 or s % size for s in array.strides):
        return array
    from numpy.lib.stride_tricks import as_strided  # noqa: PLC0415

    strides = [
        s if n > 1 and array.size else size for s, n in zip(array.strides, array.shape, strict=True)
    ]
    return as_strided(array, strides=strides, writeable=array.flags.writeable)


# -- alignment -------------------------------------------------------------------------------------


def is_misaligned(x: Tensor) -> bool:
    """Return whether torch's kernels would fail on a tensor because of the address.

    On the host that ends the process. There, a complex number of torch's is aligned to its whole size
    (torch/headeronly/util/complex.h: ``alignas(sizeof(T) * 2)``), one of NumPy's to the size of its parts, and the
    kernels for all other dtypes read from any address. A GPU loads every element from a multiple of its size.
    """
    strict = x.is_cuda or (x.is_cpu and x.is_complex())
    if not strict or type(x).__torch_dispatch__ is not _no_dispatch:  # pyright: ignore[reportAttributeAccessIssue]
        return False
    try:
        return x.data_ptr() % x.element_size() != 0 and x.numel() > 0
    except RuntimeError:  # sparse, nested or inside torch.func: there is no address to read from
        return False


def realigned(x: Tensor) -> Tensor:
    """Return a copy of a misaligned tensor in new memory, with the graph and the lazy bits."""
    is_conj, is_neg = x.is_conj(), x.is_neg()
    bare = _toggled(x, is_conj=is_conj, is_neg=is_neg)
    out = _span(bare) if x.is_cuda else torch.empty_like(bare)
    if not x.is_cuda:
        torch.view_as_real(out).copy_(torch.view_as_real(bare))
    return _toggled(out, is_conj=is_conj, is_neg=is_neg)


def _span(x: Tensor) -> Tensor:
    """Return a copy of all memory from the first element of a tensor to the last.

    Memory in one piece is copied without a kernel.
    """
    length = 1 + sum(stride * (n - 1) for stride, n in zip(x.stride(), x.shape, strict=True))
    return x.as_strided((length,), (1,)).clone().as_strided(x.shape, x.stride(), 0)


def _toggled(x: Tensor, *, is_conj: bool, is_neg: bool) -> Tensor:
    """Set or clear lazy bits. No number is read."""
    x = x.conj() if is_conj else x
    return torch._neg_view(x) if is_neg else x  # pyright: ignore[reportPrivateImportUsage]


def aligned(x: Tensor) -> Tensor:
    """Return a tensor that torch's kernels can read: `x`, or else a copy."""
    return realigned(x) if is_misaligned(x) else x


def write(x: Tensor, source: Tensor) -> None:
    """Write the values of a resolved tensor by `Tensor.copy_`, wherever `x` lies."""
    if not is_misaligned(x):
        x.copy_(source, non_blocking=True)
        return
    cast = torch.empty_like(x).copy_(source)
    torch.view_as_real(x).copy_(torch.view_as_real(cast))


# -- copies ----------------------------------------------------------------------------------------


def resolved(x: Tensor) -> Tensor:
    """Return an aligned tensor without a pending conjugation or negation.

    `copy_` reads such a tensor as it is.
    """
    x = aligned(x)
    return x.resolve_conj().resolve_neg() if x.is_conj() or x.is_neg() else x


def without_imaginary(x: Tensor, dtype: torch.dtype) -> Tensor:
    """Return the tensor that a cast to a dtype should read: the real part, or the tensor itself.

    A cast from complex to real numbers reads the real part only. torch warns of that, and the
    caller has accepted the loss already. A cast to bool reads both parts.
    """
    return x.real if drops_imaginary(x, dtype) else x


def drops_imaginary(x: Tensor, dtype: torch.dtype) -> bool:
    """Return whether a cast of a tensor to a dtype reads the real part only."""
    return x.is_complex() and not dtype.is_complex and dtype is not torch.bool


def is_simple(x: Tensor) -> bool:
    """Whether `clone` and `to` alone make a copy: on the host, real numbers, small."""
    return x.is_cpu and not x.is_complex() and x.nbytes < HUGE


def is_huge(x: Tensor) -> bool:
    """Whether NumPy would ask for huge pages, which torch does not; a copy in a graph is torch's own affair."""
    plain = x.layout is torch.strided and x.nbytes >= HUGE and x.is_cpu and not x.requires_grad
    return plain and not is_misaligned(x)


def write_huge(x: Tensor, dtype: torch.dtype | None) -> Tensor:
    """Copy into memory of NumPy's allocator: half of the time of `clone` goes into the pages of its result."""
    strides = torch.empty_like(x, device="meta").stride()
    return _empty_huge(x.numel(), dtype or x.dtype).as_strided(x.shape, strides).copy_(resolved(x))


def stack_huge(tensors: Sequence[Tensor], axis: int) -> Tensor:
    """Stack along a new axis."""
    first = tensors[0]
    axis %= first.ndim + 1
    shape = (*first.shape[:axis], len(tensors), *first.shape[axis:])
    out = _empty_huge(first.numel() * len(tensors), first.dtype).view(shape)
    for i, x in enumerate(tensors):
        out.select(axis, i).copy_(resolved(x))
    return out


def _empty_huge(count: int, dtype: torch.dtype) -> Tensor:
    memory = torch.from_numpy(np.empty(count * dtype.itemsize, np.uint8)).view(dtype)
    # NumPy's allocator can be replaced (NEP 49), also by one that aligns to less.
    return torch.empty(count, dtype=dtype, device="cpu") if is_misaligned(memory) else memory


def stood_for(cls: type) -> str:
    """Say how to get the tensor that an object of a wrapper class stands for. The classes are not imported."""
    names = (base.__name__ for base in cls.__mro__)
    return next(
        (_WRAPPERS[name] for name in names if name in _WRAPPERS),
        "Convert the tensor that it stands for.",
    )
