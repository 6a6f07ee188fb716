"""PyTorch: host memory through its own bridge to NumPy, device memory through DLPack."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Final

import torch
from torch import Tensor
from torch.nn.parameter import is_lazy
from torch.utils.dlpack import from_dlpack

from interop import errors
from interop.adapter import (
    CPU,
    CURRENT,
    CompiledPath,
    Device,
    DeviceAdapter,
    Facts,
    FastPath,
    Stream,
)

from . import containers, cuda, host, subclass, wire
from .facts import KINDS, device_of, read_facts

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from interop.adapter import Lease
    from interop.adapter.streams import Interface

_TYPES: Final = {kind: name for name, kind in KINDS.items()}

# A subclass or a mode may redefine every attribute: facts are read, and memory lent, behind its back.
_unseen: Final = subclass.unseen
_is_faked: Final = host.is_faked
_dispatch_keys: Final = torch._C._dispatch_keys


class TorchAdapter(DeviceAdapter):
    """`torch.Tensor`, its subclasses that have memory of their own, and Parameters."""

    name: ClassVar[str] = "torch"
    array_type = Tensor
    copies_fast: ClassVar[bool] = True
    device_kinds: ClassVar[frozenset[int]] = frozenset(_TYPES)

    def describe(self, x: Any, /) -> Facts:
        """Tell the facts of a tensor; what has no plain numbers says why."""
        if type(x) is Tensor:
            return read_facts(x)
        with _unseen():
            return read_facts(x if is_lazy(x) else subclass.plain(x))

    def address(self, x: Any, /) -> int:
        """Return `Tensor.data_ptr`."""
        with _unseen():
            return int(subclass.plain(x).data_ptr())

    def resolve_device(self, device: Device, /) -> Device | str:
        """Ask torch for the accelerator that it was built for, and how many there are."""
        if device.kind == CPU.kind:
            return CPU
        kind = _TYPES.get(device.kind)
        if kind is None:
            return errors.Reason(
                f"torch can't be on {device}", f"Its devices are {', '.join(KINDS)}."
            )
        accelerator = torch.accelerator.current_accelerator(check_available=True)
        count = torch.accelerator.device_count() if accelerator and accelerator.type == kind else 0
        index = (
            torch.accelerator.current_device_index()
            if device.id == CURRENT and count
            else device.id
        )
        if 0 <= index < count:
            return Device(device.kind, index)
        found = f"torch {torch.__version__} finds {count or 'no'} device{'s' * (count > 1)} of type {kind} here"
        return errors.Reason(found, 'Leave device out, or pass device="cpu".')

    def why_no_dtype(self, dtype: str, /) -> str | None:
        """Miss the dtypes that only ml_dtypes has."""
        return (
            None
            if dtype in host.DTYPES
            else errors.Reason(f"torch has no {dtype}", 'Pass dtype="float32".')
        )

    def why_not_adoptable(self, facts: Facts, /) -> str | None:
        """Refuse negative strides: torch ends the process when it meets one (pytorch#188023)."""
        if not facts.nbytes or not facts.strides:  # some producers keep their strides to themselves
            return None
        if any(s < 0 and n > 1 for s, n in zip(facts.strides, facts.shape, strict=True)):
            return "torch has no negative strides"
        return None

    def parse_device(self, spec: Any, /) -> Device:
        """Read a `torch.device`."""
        kind = KINDS.get(spec.type) if isinstance(spec, torch.device) else None
        if kind is None:
            return super().parse_device(spec)
        return (
            CPU if kind == CPU.kind else Device(kind, CURRENT if spec.index is None else spec.index)
        )

    def parse_dtype(self, spec: Any, /) -> str:
        """Read a `torch.dtype`, or its name with torch in front: ``"torch.half"``."""
        dtype = getattr(torch, spec.partition(".")[2], None) if isinstance(spec, str) else spec
        return host.NAMES[dtype] if dtype in host.NAMES else super().parse_dtype(spec)

    def is_tracing(self) -> bool:
        """Ask `torch.compiler`, whose answer is a constant to Dynamo."""
        return torch.compiler.is_compiling()

    def fixed_keywords(self, container: type, /) -> Mapping[str, Mapping[str, Any]]:
        """Return keywords that keep the dtype of indices, and arrays for torch's kernels on the host."""
        return containers.fixed_keywords(container)

    def current_stream(self, device: Device, /) -> Stream:
        """Return torch's current stream of the device."""
        stream = torch.cuda.current_stream(device.id)
        return Stream(stream.cuda_stream, stream)

    def using(self, stream: Stream, /) -> Any:
        """Make it torch's current stream, where torch has CUDA at all."""
        return cuda.using(stream)

    def wait_stream(self, earlier: Stream, later: Stream, device: Device, /) -> None:
        """Record an event on the stream `earlier`, and let the stream `later` wait for it."""
        if not earlier.is_same(later):
            cuda.wait_stream(earlier, later, device)

    def is_capturing(self, stream: Stream, device: Device, /) -> bool:
        """Ask torch; the legacy stream answers with an error while any other is captured."""
        return cuda.is_capturing(stream, device)

    def synchronize(self, device: Device, /) -> None:
        """Synchronise the device."""
        torch.cuda.synchronize(device.id)

    def export(self, x: Any, stream: Stream | None, /) -> Any:
        """Return a detached tensor on the host, or a tensor on a device that is ready for `stream`."""
        with _unseen():
            tensor = subclass.plain(x).detach()
            if tensor.is_cpu:
                host.forbid_resizing(tensor)
                return tensor
        return super().export(tensor, stream)

    def device_of(self, x: Any, /) -> Device:
        """Return the device of a plain tensor."""
        return device_of(x)

    def reuse_stream(self, x: Any, own: Stream, /) -> Stream:
        """Return the stream that torch's allocator waits for, if the memory is torch's own.

        The owner of other memory waits for torch's current stream.
        """
        if x.untyped_storage().resizable():
            return cuda.gate(x, device_of(x))
        return own

    def exporter(self, x: Any, lease: Lease | None, /) -> cuda.OrderedTensor:
        """Return the tensor with its device as the current one while the capsule is made."""
        return cuda.OrderedTensor(x, lease)

    def owned(self, x: Any, owner: Any, /) -> Tensor:
        """Return a tensor over the CUDA Array Interface of `x`: torch keeps the object behind it."""
        with _unseen():
            if not x.numel():
                return x.detach()
            lent = torch.as_tensor(cuda.Owned(x.detach(), owner), device=x.device)
            return lent.view(x.dtype)

    def from_dlpack(self, source: Any, /) -> Tensor:
        """Return the result of `torch.from_dlpack`."""
        return from_dlpack(source)

    def from_interface(self, source: Interface, /) -> Tensor:
        """Return a tensor over a CUDA Array Interface."""
        return torch.as_tensor(source, device=f"cuda:{source.device.id}")

    def export_host(self, x: Any, /) -> NDArray[Any]:
        """Return `Tensor.numpy`, which keeps torch from resizing the memory under its reader."""
        if type(x) is Tensor and not x.requires_grad and not _is_faked():
            return host.share(x)
        with _unseen():
            return host.share(subclass.plain(x).detach())

    def adopt_host(self, array: NDArray[Any], /) -> Tensor:
        """Return a tensor over an ndarray, by `torch.from_numpy` where it can."""
        return host.adopt(array)

    def copy(self, x: Any, device: Device, dtype: str, /) -> Tensor:
        """Return a copy with the layout of `Tensor.clone`, in the same gradient graph; complete on return."""
        wanted = host.DTYPES.get(dtype)
        if type(x) is Tensor and wanted and device == CPU and host.is_simple(x) and not _is_faked():
            return (
                x.clone() if x.dtype is wanted else x.to(wanted)
            )  # a negation that was pending is done, too
        with _unseen():
            x = subclass.plain(x)
            if wanted is not None:
                x = host.without_imaginary(x, wanted)
            huge = device.is_host and host.is_huge(x) and subclass.has_own_memory(type(x))
            return host.write_huge(x, wanted) if huge else _move(x, device, wanted)

    def copy_within(self, x: Any, device: Device, dtype: str, /) -> Tensor:
        """Copy a tensor by the subclass, with all state, or as a plain tensor if the subclass cannot."""
        with _unseen():
            there = _torch_device(subclass.plain(x), device)
        if is_lazy(x):
            return subclass.copy_lazy(x, there)
        wanted = host.DTYPES.get(dtype)
        copied = None if wanted is None else subclass.copy(x, there, wanted)
        return self.copy(x, device, dtype) if copied is None else copied

    def stack(self, arrays: Sequence[Any], axis: int, /) -> Tensor:
        """Stack as torch does, but large ones with one copy of each: `torch.stack` is slow where they are permuted."""
        with _unseen():
            needs_alignment = subclass.plain(arrays[0]).is_complex()
        if needs_alignment:
            arrays = [subclass.aligned(x) for x in arrays]
        if all(type(x) is Tensor and host.is_huge(x) for x in arrays):
            with _unseen():
                return host.stack_huge(arrays, axis)
        return subclass.stack(arrays, axis)

    def with_numpy_dtype(self, x: Any, /) -> Tensor:
        """Return a tensor whose ``dtype`` is NumPy's, or ml_dtypes'."""
        return x.as_subclass(wire.NumPyTyped)

    def view(self, x: Any, index: Any, /) -> Tensor:
        """Return a view that is detached, and counted as the same memory by autograd."""
        with _unseen():
            return subclass.plain(x).detach()[index]

    def assign(self, x: Any, source: Any, /) -> None:
        """Write by `Tensor.copy_`; what is uploaded is cast on the device."""
        with _unseen():
            x = subclass.plain(x).detach()
            source = (
                subclass.plain(source).detach()
                if isinstance(source, Tensor)
                else host.adopt_anywhere(source)
            )
            source = host.without_imaginary(source, x.dtype)
            source = host.resolved(
                source
            )  # with a cast, `copy_` forgets a negation, or negates in the new dtype
            if source.is_cpu and not x.is_cpu and source.dtype is not x.dtype:
                source = source.to(x.device, non_blocking=True)
            host.write(x, source)

    def mark_modified(self, x: Any, /) -> None:
        """Let autograd see that values which it has saved are no longer the same."""
        with _unseen():
            bare = subclass.plain(x)
            if not bare.is_inference():
                torch.autograd.graph.increment_version(bare)

    def download_into(self, x: Any, out: NDArray[Any], /) -> None:
        """Write by `Tensor.copy_`."""
        with _unseen():
            host.write(host.adopt_anywhere(out), host.resolved(subclass.plain(x).detach()))

    def pinned(self, nbytes: int, /) -> NDArray[Any]:
        """Return memory of torch's own allocator, where torch has CUDA."""
        pins = torch.cuda.is_available()
        return torch.empty(nbytes, dtype=torch.uint8, device="cpu", pin_memory=pins).numpy()

    def record_event(self, device: Device, /) -> Callable[[], object]:
        """Record an event whose waiting costs no processor time; of other devices than CUDA's, wait at once."""
        if device.kind != KINDS["cuda"]:
            torch.accelerator.synchronize(device.id)
            return super().record_event(device)
        event = torch.cuda.Event(blocking=True)  # type: ignore[no-untyped-call]
        event.record(torch.cuda.current_stream(device.id))
        return event.synchronize

    @property
    def plain_types(self) -> tuple[type[Any], ...]:
        """Parameters, too: they differ in what a module makes of them."""
        return Tensor, torch.nn.Parameter

    def fingerprint(self, x: Any, /) -> Any:
        """Return a key of all values in the facts, most of them as dispatch keys, or None."""
        if _is_faked():
            return None
        try:
            return x.dtype, x.shape, x.stride(), x.requires_grad, _dispatch_keys(x).raw_repr()
        except RuntimeError:  # nested tensors have no shape, sparse ones no strides
            return None

    def fast_export_host(self) -> FastPath:
        """Return `Tensor.numpy`, which checks everything except overlapping elements."""
        return FastPath(Tensor.is_contiguous, Tensor.numpy, host.share_without_gradient)

    def fast_adopt_host(self) -> FastPath:
        """Return `torch.from_numpy`, which does not check alignment, strides and the read-only flag."""
        return FastPath(host.is_plain, torch.from_numpy, torch.from_numpy)

    def compiled_export_host(self) -> CompiledPath | None:
        """Return the functions of `_native.c`, or None if it was not built."""
        if host.compiled is None:
            return None
        native = host.compiled
        return CompiledPath(native.share, native.share_detached, native.share_copy)

    def compiled_adopt_host(self) -> CompiledPath | None:
        """Return the functions of `_native.c`, or None if it was not built."""
        if host.compiled is None:
            return None
        native = host.compiled
        return CompiledPath(native.adopt, native.adopt, native.adopt_copy)


def _torch_device(x: Tensor, device: Device) -> torch.device:
    """Return torch's name of a device; the tensor's own may be one that the adapter has no number for."""
    if device == device_of(x):
        return x.device
    return torch.device("cpu") if device.is_host else torch.device(_TYPES[device.kind], device.id)


def _move(x: Tensor, device: Device, dtype: torch.dtype | None) -> Tensor:
    """Copy; to another device with a cast on the side where fewer bytes travel, which torch leaves to the host."""
    source, x = x, host.aligned(x)
    there = _torch_device(x, device)
    if dtype is None or dtype == x.dtype or there == x.device:
        return host.resolved(x.to(device=there, dtype=dtype, copy=source is x))
    moved = x.to(dtype).to(there) if dtype.itemsize < x.element_size() else x.to(there).to(dtype)
    return host.resolved(moved)


adapter = TorchAdapter()
