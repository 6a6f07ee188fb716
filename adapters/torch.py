"""PyTorch: host memory through its own bridge to NumPy, device memory through DLPack."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Final

import torch
from torch import Tensor

from interop.adapter import CPU, CURRENT, Adapter, Device, Facts

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

_PLAIN: Final = (
    "bool", "uint8", "uint16", "uint32", "uint64", "int8", "int16", "int32", "int64",
    "float16", "float32", "float64", "complex64", "complex128",
)  # fmt: skip
# NumPy's bridge knows none of these: they cross as integers of their size, and are ml_dtypes' on the other side.
_CARRIED: Final = {
    "bfloat16": torch.int16, "float8_e4m3fn": torch.uint8, "float8_e4m3fnuz": torch.uint8,
    "float8_e5m2": torch.uint8, "float8_e5m2fnuz": torch.uint8, "float8_e8m0fnu": torch.uint8,
}  # fmt: skip
_DTYPES: Final[dict[str, torch.dtype]] = {name: getattr(torch, name) for name in (*_PLAIN, *_CARRIED)}
_NAMES: Final = {dtype: name for name, dtype in _DTYPES.items()}
_KINDS: Final = {"cpu": 1, "cuda": 10 if torch.version.hip else 2, "mps": 8, "xpu": 14}
_TYPES: Final = {kind: name for name, kind in _KINDS.items()}

# A subclass may redefine every attribute in __torch_function__: facts are read, and memory lent, behind its back.
_behind_subclass: Final = torch._C.DisableTorchFunctionSubclass
_no_dispatch: Final = torch._C._disabled_torch_dispatch_impl
_is_transformed: Final = torch._C._functorch.is_functorch_wrapped_tensor


class TorchAdapter(Adapter):
    """`torch.Tensor`, its subclasses that have memory of their own, and Parameters."""

    name: ClassVar[str] = "torch"
    array_type = Tensor
    holds: ClassVar[frozenset[int]] = frozenset(_TYPES)

    def describe(self, x: Any, /) -> Facts:
        """Tell the facts of a tensor; what has no plain numbers says why."""
        with _behind_subclass():
            problem = _no_numbers(x)
            return _plain_facts(x) if problem is None else _bare_facts(x, problem)

    def address(self, x: Any, /) -> int:
        """Return `Tensor.data_ptr`."""
        with _behind_subclass():
            return int(x.data_ptr())

    def place(self, device: Device, /) -> Device | str:
        """Ask the module of the device's type whether there is one, and which is the current one."""
        if device.kind == CPU.kind:
            return CPU
        kind = _TYPES.get(device.kind)
        if kind is None:
            return f"torch has no device {device}"
        module = getattr(torch, kind)
        count = module.device_count() if module.is_available() else 0
        index = module.current_device() if device.index == CURRENT and count else device.index
        if 0 <= index < count:
            return Device(device.kind, index)
        return f"torch {torch.__version__} finds {count or 'no'} device{'s' * (count > 1)} of type {kind} here"

    def lacks(self, dtype: str, /) -> str | None:
        """Miss the dtypes that only ml_dtypes has."""
        return None if dtype in _DTYPES else f'torch has no {dtype}. Pass dtype="float32".'

    def refuses(self, facts: Facts, /) -> str | None:
        """Refuse negative strides: torch ends the process when it meets one (pytorch#188023)."""
        if facts.nbytes and any(s < 0 and n > 1 for s, n in zip(facts.strides, facts.shape, strict=True)):
            return "torch has no negative strides"
        return None

    def parse_device(self, spec: Any, /) -> Device:
        """Read a `torch.device`."""
        if not isinstance(spec, torch.device) or spec.type not in _KINDS:
            return super().parse_device(spec)
        return CPU if spec.type == "cpu" else Device(_KINDS[spec.type], CURRENT if spec.index is None else spec.index)

    def parse_dtype(self, spec: Any, /) -> str:
        """Read a `torch.dtype`, or its name with torch in front: ``"torch.half"``."""
        dtype = getattr(torch, spec.partition(".")[2], None) if isinstance(spec, str) else spec
        return _NAMES[dtype] if dtype in _NAMES else super().parse_dtype(spec)

    def export(self, x: Any, stream: int | None, /) -> Any:
        """Return the tensor for DLPack, cut off its graph; its export waits for nothing but `stream`."""
        with _behind_subclass():
            return _Exported(x.detach(), stream)

    def adopt(self, source: Any, stream: int | None, /) -> Tensor:
        """Return a tensor over a DLPack source, usable on `stream`."""
        if stream is None:
            return torch.from_dlpack(source)
        with torch.cuda.stream(torch.cuda.ExternalStream(stream)):  # type: ignore[no-untyped-call]
            return torch.from_dlpack(source)

    def export_host(self, x: Any, /) -> NDArray[Any]:
        """Return `Tensor.numpy`, which keeps torch from resizing the memory under its reader."""
        with _behind_subclass():
            tensor = x.detach()
            carrier = _CARRIED.get(_NAMES[tensor.dtype])
            if carrier is None:
                return tensor.numpy()  # type: ignore[no-any-return]
            import ml_dtypes  # noqa: PLC0415 - optional; the planner has asked the target

            return tensor.view(carrier).numpy().view(getattr(ml_dtypes, _NAMES[tensor.dtype]))  # type: ignore[no-any-return]

    def adopt_host(self, array: NDArray[Any], /) -> Tensor:
        """Return a tensor over an ndarray; read-only memory by DLPack, since `torch.from_numpy` warns of it."""
        array = _with_plain_strides(array)
        if array.dtype.isbuiltin != 1:
            name = array.dtype.name
            return self.adopt_host(array.view(str(_CARRIED[name]).removeprefix("torch."))).view(_DTYPES[name])
        if not array.flags.writeable:
            return torch.from_dlpack(array.__dlpack__(max_version=(1, 0)))
        return torch.from_numpy(array)

    def copy(self, x: Any, device: Device, dtype: str, /) -> Tensor:
        """Return a copy with the layout of `Tensor.clone`, in the same gradient graph; complete on return."""
        copied: Tensor = x.to(device=f"{_TYPES[device.kind]}:{device.index}", dtype=_DTYPES.get(dtype), copy=True)
        return copied.resolve_conj().resolve_neg()

    def quick_export_host(self, slow: Callable[[Any], Any], /) -> Callable[[Any], Any]:
        """Let `Tensor.numpy` do it: it refuses what can't be shared, except overlapping elements."""
        native = Tensor.numpy

        def to_host(x: Any) -> Any:
            try:
                if x.is_contiguous():
                    return native(x)
            except (TypeError, RuntimeError):
                pass
            return slow(x)

        return to_host

    def quick_adopt_host(self, slow: Callable[[Any], Any], /) -> Callable[[Any], Any]:
        """Let `torch.from_numpy` do it, where the array is contiguous, aligned, native and writeable."""
        native = torch.from_numpy

        def from_host(array: Any) -> Any:
            if array.flags.carray:
                try:
                    return native(array)
                except (TypeError, ValueError):
                    pass
            return slow(array)

        return from_host


def _plain_facts(x: Tensor) -> Facts:
    size = x.element_size()
    return Facts(
        "torch", tuple(x.shape), _NAMES[x.dtype], _device(x), tuple(s * size for s in x.stride()), x.numel() * size,
        gradient=x.requires_grad, obstacle="a conjugation or negation is pending" if x.is_conj() or x.is_neg() else None,
    )  # fmt: skip


def _bare_facts(x: Tensor, problem: str) -> Facts:
    shape = () if x.is_nested else tuple(x.shape)  # a nested tensor has none
    return Facts(
        "torch", shape, str(x.dtype).removeprefix("torch."), _device(x), gradient=x.requires_grad, unsupported=problem
    )


def _device(x: Tensor) -> Device:
    return Device(_KINDS.get(x.device.type, 12), x.device.index or 0)


def _no_numbers(x: Tensor) -> str | None:
    """Return why a tensor has no memory of plain numbers behind it."""
    if type(x).__torch_dispatch__ is not _no_dispatch:
        return f"a {type(x).__name__} has no memory of its own. Convert the tensor that it stands for."
    if _is_transformed(x):
        return "inside torch.func (vmap, grad) there are no values yet. Convert outside of it."
    if x.device.type not in _KINDS:
        return f"a tensor on the device {x.device.type!r} has no values to read."
    if x.is_nested:
        return "it is nested. Use x.to_padded_tensor(0.0) or x.unbind()."
    if x.layout is not torch.strided:
        return f"its layout is {x.layout}. Use x.to_dense()."
    if x.is_quantized:
        return "it is quantized. Use x.dequantize() or x.int_repr()."
    if x._is_zerotensor():
        return "it is a gradient of zeros without memory. Use torch.zeros_like(x)."
    if x.dtype not in _NAMES:
        fix = "x.to(torch.complex64)" if x.dtype.is_complex else "x.to(torch.int8), or x.view(torch.uint8) for its bytes"
        return f"{x.dtype} has no counterpart elsewhere. Use {fix}."
    return None


def _with_plain_strides(array: NDArray[Any]) -> NDArray[Any]:
    """Replace strides that are never stepped over (axes of length 1, empty arrays): torch refuses odd ones even so."""
    size = array.itemsize
    if not any(s < 0 or s % size for s in array.strides):
        return array
    from numpy.lib.stride_tricks import as_strided  # noqa: PLC0415

    strides = [s if n > 1 and array.size else size for s, n in zip(array.strides, array.shape, strict=True)]
    return as_strided(array, strides=strides, writeable=array.flags.writeable)


class _Exported:
    """A tensor for one consumer: the stream is the one the conversion was asked for, on the tensor's own device."""

    def __init__(self, tensor: Tensor, stream: int | None) -> None:
        self._tensor = tensor
        self._stream = stream

    def __dlpack_device__(self) -> tuple[int, int]:
        return self._tensor.__dlpack_device__()  # type: ignore[no-any-return]

    def __dlpack__(self, *, stream: int | None = None, **keywords: Any) -> Any:
        with torch.cuda.device_of(self._tensor):
            return self._tensor.__dlpack__(stream=stream if self._stream is None else self._stream, **keywords)


adapter = TorchAdapter()
