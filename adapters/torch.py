"""PyTorch: host memory through its own bridge to NumPy, device memory through DLPack."""

from __future__ import annotations

from contextlib import nullcontext
from importlib import import_module
from operator import attrgetter
from typing import TYPE_CHECKING, Any, ClassVar, Final

import numpy as np
import torch
from torch import Tensor
from torch.utils.dlpack import from_dlpack

from interop.adapter import CPU, CURRENT, MAY_BE_COMPILED, NOWHERE, PLAIN_DTYPES, Adapter, Device, Facts
from interop.handoff import LEGACY, UNORDERED, Lease, Stream, settle

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

# NumPy's bridge knows none of these: they cross as integers of their size, and are ml_dtypes' on the other side.
_CARRIED: Final = {
    "bfloat16": torch.int16, "float8_e4m3fn": torch.uint8, "float8_e4m3fnuz": torch.uint8,
    "float8_e5m2": torch.uint8, "float8_e5m2fnuz": torch.uint8, "float8_e8m0fnu": torch.uint8,
}  # fmt: skip
_DTYPES: Final[dict[str, torch.dtype]] = {name: getattr(torch, name) for name in (*PLAIN_DTYPES, *_CARRIED)}
_CARRIERS: Final = {_DTYPES[name]: carrier for name, carrier in _CARRIED.items()}
_NAMES: Final = {dtype: name for name, dtype in _DTYPES.items()}
_BY_ML_DTYPES: Final = 2  # what `dtype.isbuiltin` says of a dtype that a package has added to NumPy
_HUGE: Final = 4 * 1024 * 1024  # from here on NumPy asks for huge pages (madvise)
_KINDS: Final = {"cpu": 1, "cuda": 10 if torch.version.hip else 2, "mps": 8, "xpu": 14}
_TYPES: Final = {kind: name for name, kind in _KINDS.items()}

# A subclass may redefine every attribute in __torch_function__: facts are read, and memory lent, behind its back.
_behind_subclass: Final = torch._C.DisableTorchFunctionSubclass
_no_dispatch: Final = torch._C._disabled_torch_dispatch_impl
_no_function: Final = torch._C._disabled_torch_function_impl
_is_transformed: Final = torch._C._functorch.is_functorch_wrapped_tensor  # pyright: ignore[reportAttributeAccessIssue]


class TorchAdapter(Adapter):
    """`torch.Tensor`, its subclasses that have memory of their own, and Parameters."""

    name: ClassVar[str] = "torch"
    array_type = Tensor
    copies_fast: ClassVar[bool] = True
    holds: ClassVar[frozenset[int]] = frozenset(_TYPES)

    def describe(self, x: Any, /) -> Facts:
        """Tell the facts of a tensor; what has no plain numbers says why."""
        if type(x) is Tensor:
            return _facts(x)
        with _behind_subclass():
            return _facts(x)

    def address(self, x: Any, /) -> int:
        """Return `Tensor.data_ptr`."""
        with _behind_subclass():
            return int(x.data_ptr())

    def place(self, device: Device, /) -> Device | str:
        """Ask torch for the accelerator that it was built for, and how many there are."""
        if device.kind == CPU.kind:
            return CPU
        kind = _TYPES.get(device.kind)
        if kind is None:
            return f"torch can't be on {device}. Its devices are {', '.join(_KINDS)}."
        accelerator = torch.accelerator.current_accelerator(check_available=True)
        count = torch.accelerator.device_count() if accelerator and accelerator.type == kind else 0
        index = torch.accelerator.current_device_index() if device.id == CURRENT and count else device.id
        if 0 <= index < count:
            return Device(device.kind, index)
        found = f"torch {torch.__version__} finds {count or 'no'} device{'s' * (count > 1)} of type {kind} here"
        return f'{found}. Leave device out, or pass device="cpu".'

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
        kind = _KINDS.get(spec.type) if isinstance(spec, torch.device) else None
        if kind is None:
            return super().parse_device(spec)
        return CPU if kind == CPU.kind else Device(kind, CURRENT if spec.index is None else spec.index)

    def parse_dtype(self, spec: Any, /) -> str:
        """Read a `torch.dtype`, or its name with torch in front: ``"torch.half"``."""
        dtype = getattr(torch, spec.partition(".")[2], None) if isinstance(spec, str) else spec
        return _NAMES[dtype] if dtype in _NAMES else super().parse_dtype(spec)

    def current_stream(self, device: Device, /) -> Stream:
        """Return torch's current stream of the device."""
        stream = torch.cuda.current_stream(device.id)
        return Stream(stream.cuda_stream, stream)

    def using(self, stream: Stream, /) -> Any:
        """Make it torch's current stream, where torch has CUDA at all."""
        if not torch.cuda.is_available():
            return nullcontext()
        own = isinstance(stream.owner, torch.cuda.Stream)
        here = Device(_KINDS["cuda"], torch.cuda.current_device())
        return torch.cuda.stream(stream.owner if own else _stream(stream, here))

    def order(self, first: Stream, second: Stream, device: Device, /) -> None:
        """Record an event on one stream, and let the other wait for it."""
        if first.is_same(second):
            return
        start = _stream(first, device)
        with torch.cuda.stream(start):  # torch asks the current stream whether it is captured, whichever it records on
            event = torch.cuda.Event()  # type: ignore[no-untyped-call]
            event.record(start)
            _stream(second, device).wait_event(event)

    def captures(self, stream: Stream, device: Device, /) -> bool:
        """Ask torch; the legacy stream answers with an error while any other is captured."""
        with torch.cuda.stream(_stream(stream, device)):
            try:
                return bool(torch.cuda.is_current_stream_capturing())
            except RuntimeError as error:  # or the stream is gone, and nothing is captured from it
                return "captur" in str(error)

    def wait(self, device: Device, /) -> None:
        """Synchronise the device."""
        torch.cuda.synchronize(device.id)

    def export(self, x: Any, stream: Stream | None, /) -> Any:
        """Return the tensor for DLPack, cut off its graph, ordered for `stream`, and with a lease if it is another."""
        with _behind_subclass():
            tensor = x.detach()
        settle()
        device, stream = _device(tensor), stream or Stream(LEGACY)
        own = self.current_stream(device)
        if stream.ordered:
            self.order(own, stream, device)
        if own.is_same(stream):
            return _Exported(tensor, None)
        # Memory that came from elsewhere has no allocator that listens: whoever owns it waits for torch's stream.
        back_to = _gate(tensor, device) if tensor.untyped_storage().resizable() else own
        return _Exported(tensor, Lease(tensor, device, stream, back_to, self))

    def adopt(self, source: Any, stream: Stream | None, /) -> Tensor:
        """Return a tensor over a source that speaks DLPack, ordered already, or the CUDA Array Interface."""
        if hasattr(source, "__dlpack__"):
            return from_dlpack(source)
        tensor = torch.as_tensor(source, device=f"cuda:{source.device.id}")
        if source.producer and stream and stream.ordered:
            self.order(source.producer, stream, source.device)
        return tensor

    def export_host(self, x: Any, /) -> NDArray[Any]:
        """Return `Tensor.numpy`, which keeps torch from resizing the memory under its reader."""
        if type(x) is Tensor and x.dtype not in _CARRIERS:
            return x.detach().numpy() if x.requires_grad else x.numpy()
        with _behind_subclass():
            tensor = x.detach()
            carrier = _CARRIERS.get(tensor.dtype)
            if carrier is None:
                return tensor.numpy()
            import ml_dtypes  # noqa: PLC0415 - optional; the planner has asked the target

            return tensor.view(carrier).numpy().view(getattr(ml_dtypes, _NAMES[tensor.dtype]))

    def adopt_host(self, array: NDArray[Any], /) -> Tensor:
        """Return a tensor over an ndarray; read-only memory by DLPack, since `torch.from_numpy` warns of it."""
        if not array.flags.writeable:
            return _adopt_odd(array)
        try:
            return torch.from_numpy(array)
        except (TypeError, ValueError):  # a dtype of ml_dtypes, or strides that are never stepped over
            return _adopt_odd(array)

    def copy(self, x: Any, device: Device, dtype: str, /) -> Tensor:
        """Return a copy with the layout of `Tensor.clone`, in the same gradient graph; complete on return."""
        wanted = _DTYPES.get(dtype)
        if type(x) is Tensor and x.dtype is wanted and x.is_cpu and device == CPU and x.nbytes < _HUGE:
            return _resolved(x.clone())
        with _behind_subclass():
            if x.is_complex() and wanted is not None and not wanted.is_complex and wanted is not torch.bool:
                x = x.real  # what the cast does, without torch's warning: the caller has asked for it
            if device.is_host and _is_huge(x):
                return _write_huge(x, wanted or x.dtype)
            there = x.device if device == _device(x) else f"{_TYPES[device.kind]}:{device.id}"
            copied = _resolved(_move(x, there, wanted))
            keeps_class = type(x).__torch_function__ is not _no_function
            return copied.as_subclass(type(x)) if keeps_class and type(copied) is Tensor else copied

    def stack(self, arrays: Sequence[Any], axis: int, /) -> Tensor:
        """Stack as torch does, but large ones with one copy of each: `torch.stack` is slow where they are permuted."""
        first = arrays[0]
        if not all(type(x) is Tensor and _is_huge(x) for x in arrays):
            return torch.stack(list(arrays), dim=axis)
        axis %= first.ndim + 1
        shape = (*first.shape[:axis], len(arrays), *first.shape[axis:])
        out = _huge(first.numel() * len(arrays), first.dtype).view(shape)
        for i, x in enumerate(arrays):
            out.select(axis, i).copy_(x)
        return out

    def fingerprint(self, x: Any, /) -> Any:
        """Return what `_facts` reads; the dispatch keys tell device, layout, lazy bits and transformations."""
        try:
            return x.dtype, x.shape, x.stride(), x.requires_grad, torch._C._dispatch_keys(x).raw_repr()
        except RuntimeError:  # nested tensors have no shape, sparse ones no strides
            return None

    def quick_export_host(self) -> Any:
        """Let `Tensor.numpy` do it: it refuses what can't be shared, except elements that overlap."""
        return Tensor.is_contiguous, Tensor.numpy, _numpy_without_gradient

    def quick_adopt_host(self) -> Any:
        """Let `torch.from_numpy` do it, where the array is contiguous, aligned and writeable: it minds no flag."""
        return attrgetter("flags.carray"), torch.from_numpy, torch.from_numpy

    def compiled_export_host(self) -> Any:
        """Let `_torch.c` do it, where it was built."""
        return _compiled and (_compiled.share, _compiled.share_detached, _compiled.share_copy)

    def compiled_adopt_host(self) -> Any:
        """Let `_torch.c` do it, where it was built."""
        return _compiled and (_compiled.adopt, _compiled.adopt, _compiled.adopt_copy)


def _find_compiled() -> Any:
    """Return the compiled half, if there is one, and if this torch offers what it needs."""
    if not MAY_BE_COMPILED:
        return None
    try:
        compiled = import_module(f"{__package__}._torch")
        is_mode_enabled = torch._C._is_torch_function_mode_enabled
        compiled.bind(Tensor, torch.UntypedStorage, is_mode_enabled, torch.int8, torch.uint8)
    except (ImportError, AttributeError):
        return None
    return compiled


_compiled: Final = _find_compiled()


def _numpy_without_gradient(x: Tensor) -> NDArray[Any]:
    """Let `Tensor.numpy` detach, but not download, which is for a plan to say."""
    if not x.is_cpu or _is_transformed(x):
        raise TypeError
    return x.numpy(force=True)


def _adopt_odd(array: NDArray[Any]) -> Tensor:
    if array.dtype.isbuiltin == _BY_ML_DTYPES:
        name = array.dtype.name
        return adapter.adopt_host(array.view(str(_CARRIED[name]).removeprefix("torch."))).view(_DTYPES[name])
    array = _with_plain_strides(array)
    return torch.from_numpy(array) if array.flags.writeable else from_dlpack(array.__dlpack__(max_version=(1, 0)))


def _facts(x: Tensor) -> Facts:
    if problem := _no_numbers(x):
        shape = () if x.is_nested else tuple(x.shape)  # a nested tensor has none
        dtype = str(x.dtype).removeprefix("torch.")
        return Facts("torch", shape, dtype, _device(x), gradient=x.requires_grad, unsupported=problem)
    size = x.element_size()
    strides = tuple([s * size for s in x.stride()])
    pending = "a conjugation or negation is pending" if x.is_conj() or x.is_neg() else None
    return Facts(
        "torch", tuple(x.shape), _NAMES[x.dtype], _device(x), strides, x.numel() * size,
        gradient=x.requires_grad, obstacle=pending,
    )  # fmt: skip


def _device(x: Tensor) -> Device:
    kind = _KINDS.get(x.device.type)
    return NOWHERE if kind is None else Device(kind, x.device.index or 0)


def _no_numbers(x: Tensor) -> str | None:  # noqa: PLR0911 - a list of reasons
    """Return why a tensor has no memory of plain numbers behind it."""
    if x.is_nested:
        return "it is nested. Use x.to_padded_tensor(0.0) or x.unbind()."
    if type(x).__torch_dispatch__ is not _no_dispatch:  # pyright: ignore[reportAttributeAccessIssue]
        return f"a {type(x).__name__} has no memory of its own. Convert the tensor that it stands for."
    if _is_transformed(x):
        return "inside torch.func (vmap, grad) there are no values yet. Convert outside of it."
    if x.device.type not in _KINDS:
        return f"a tensor on the device {x.device.type!r} has no values to read. Make it with values on another one."
    if x.layout is not torch.strided:
        return f"its layout is {x.layout}. Use x.to_dense()."
    if x.is_quantized:
        return "it is quantized. Use x.dequantize() or x.int_repr()."
    if x._is_zerotensor():
        return "it is a gradient of zeros without memory. Use torch.zeros_like(x)."
    if x.dtype not in _NAMES:
        fix = "x.to(torch.complex64)" if x.dtype.is_complex else "x.view(torch.uint8) for its bytes"
        return f"{x.dtype} has no counterpart elsewhere. Use {fix}."
    return None


def _move(x: Tensor, there: Any, dtype: torch.dtype | None) -> Tensor:
    """Copy; to another device with a cast on the side where fewer bytes travel, which torch leaves to the host."""
    if dtype is None or dtype == x.dtype or torch.device(there) == x.device:
        return x.to(device=there, dtype=dtype, copy=True)
    return x.to(dtype).to(there) if dtype.itemsize < x.element_size() else x.to(there).to(dtype)


def _resolved(x: Tensor) -> Tensor:
    return x.resolve_conj().resolve_neg() if x.is_conj() or x.is_neg() else x


def _is_huge(x: Tensor) -> bool:
    """Whether NumPy would ask for huge pages, which torch does not; a copy in a graph is torch's own affair."""
    return x.nbytes >= _HUGE and x.is_cpu and not x.requires_grad and x.layout is torch.strided


def _write_huge(x: Tensor, dtype: torch.dtype) -> Tensor:
    """Copy into memory of NumPy's allocator: half of the time of `clone` goes into the pages of its result."""
    strides = torch.empty_like(x, device="meta").stride()
    return _huge(x.numel(), dtype).as_strided(x.shape, strides).copy_(x)


def _huge(count: int, dtype: torch.dtype) -> Tensor:
    return torch.from_numpy(np.empty(count * dtype.itemsize, np.uint8)).view(dtype)


def _with_plain_strides(array: NDArray[Any]) -> NDArray[Any]:
    """Replace strides that are never stepped over (axes of length 1, empty arrays): torch refuses odd ones even so."""
    size = array.itemsize
    if not any(s < 0 or s % size for s in array.strides):
        return array
    from numpy.lib.stride_tricks import as_strided  # noqa: PLC0415

    strides = [s if n > 1 and array.size else size for s, n in zip(array.strides, array.shape, strict=True)]
    return as_strided(array, strides=strides, writeable=array.flags.writeable)


def _stream(stream: Stream, device: Device) -> Any:
    if stream.handle in (0, LEGACY):
        return torch.cuda.default_stream(device.id)
    return torch.cuda.ExternalStream(stream.handle, device=device.id)  # type: ignore[no-untyped-call]


_gates: Final[dict[int, Any]] = {}


def _gate(tensor: Tensor, device: Device) -> Stream:
    """Return the stream that the allocator waits for before it reuses the tensor's memory: one a device, for ever.

    Not the consumer's own: `record_stream` keeps a bare handle, which is used when that stream may be gone.
    """
    gate = _gates.get(device.id) or _gates.setdefault(device.id, torch.cuda.Stream(device.id))  # type: ignore[no-untyped-call]
    tensor.record_stream(gate)
    return Stream(gate.cuda_stream, gate)


class _Exported:
    """A tensor for one consumer, ordered already; the consumer's array must own the lease."""

    def __init__(self, tensor: Tensor, lease: Lease | None) -> None:
        self._tensor = tensor
        self.lease = lease

    def __dlpack_device__(self) -> tuple[int, int]:
        return self._tensor.__dlpack_device__()

    def __dlpack__(self, **keywords: Any) -> Any:
        with torch.cuda.device(self._tensor.device):
            return self._tensor.__dlpack__(**{**keywords, "stream": UNORDERED})


adapter = TorchAdapter()
