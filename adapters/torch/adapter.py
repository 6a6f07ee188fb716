"""PyTorch: host memory through its own bridge to NumPy, device memory through DLPack."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Final

import torch
from torch import Tensor
from torch.nn.parameter import is_lazy
from torch.utils.dlpack import from_dlpack

from interop import errors
from interop.adapter import CPU, CompiledPath, Device, DeviceAdapter, Facts, FastPath, Stream

from . import alignment, containers, copies, cuda, devices, features, host, modes, subclass, wire
from .dtypes import DTYPES, NAMES
from .facts import fingerprint, read_facts

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from interop.adapter import Lease
    from interop.adapter.streams import Interface

# A subclass or a mode may redefine each attribute. Facts and memory are read without them.
_unseen: Final = subclass.unseen
_is_faked: Final = modes.is_faked


class TorchAdapter(DeviceAdapter):
    """`torch.Tensor`, Parameters, and subclasses with memory of their own."""

    name: ClassVar[str] = "torch"
    array_type = Tensor
    copies_fast: ClassVar[bool] = True
    device_kinds: ClassVar[frozenset[int]] = devices.DEVICE_KINDS
    device_aliases: ClassVar[Mapping[int, int]] = devices.ALIASES

    def describe(self, x: Any, /) -> Facts:
        """Return the facts about a tensor, with a reason if there are no plain numbers."""
        if type(x) is Tensor:
            return read_facts(x)
        with _unseen():
            return read_facts(x if is_lazy(x) else subclass.plain(x))

    def address(self, x: Any, /) -> int:
        """Return `Tensor.data_ptr`."""
        with _unseen():
            return int(subclass.plain(x).data_ptr())

    def resolve_device(self, device: Device, /) -> Device | str:
        """Return a device that torch was built for and finds here, or the reason why not."""
        return devices.resolve(device)

    def why_no_dtype(self, dtype: str, /) -> str | None:
        """Return a reason for the dtypes that only ml_dtypes has."""
        if dtype in DTYPES:
            return None
        return errors.Reason(f"torch has no {dtype}", 'Pass dtype="float32".')

    def why_not_adoptable(self, facts: Facts, /) -> str | None:
        """Refuse negative strides, with which torch crashes the process (pytorch#188023)."""
        if not facts.nbytes or not facts.strides:  # some producers do not tell their strides
            return None
        if any(s < 0 and n > 1 for s, n in zip(facts.strides, facts.shape, strict=True)):
            return "torch has no negative strides"
        return None

    def parse_device(self, spec: Any, /) -> Device:
        """Convert a `torch.device`."""
        return devices.parse(spec) or super().parse_device(spec)

    def parse_dtype(self, spec: Any, /) -> str:
        """Convert a `torch.dtype`, or a name such as ``"torch.half"``."""
        dtype = spec
        if isinstance(spec, str):
            dtype = getattr(torch, spec.partition(".")[2], None)
        return NAMES[dtype] if dtype in NAMES else super().parse_dtype(spec)

    def is_tracing(self) -> bool:
        """Return whether Dynamo traces the program. Dynamo treats the answer as a constant."""
        return torch.compiler.is_compiling()

    def fixed_keywords(self, container: type, /) -> Mapping[str, Mapping[str, Any]]:
        """Return the keywords that keep indices as they are, and batch sizes on the host."""
        return containers.fixed_keywords(container)

    def parse_stream(self, spec: Any, /) -> Stream:
        """Convert a stream of a torch release whose streams have no `__cuda_stream__`."""
        return Stream(spec.cuda_stream, spec)

    def current_stream(self, device: Device, /) -> Stream:
        """Return torch's current stream on a device."""
        return cuda.current_stream(device)

    def using(self, stream: Stream, /) -> Any:
        """Return a context in which a stream is torch's current one, or nothing without CUDA."""
        return cuda.using(stream)

    def wait_stream(self, earlier: Stream, later: Stream, device: Device, /) -> None:
        """Record an event on the stream `earlier`, and let the stream `later` wait."""
        if not earlier.is_same(later):
            cuda.wait_stream(earlier, later, device)

    def is_capturing(self, stream: Stream, device: Device, /) -> bool:
        """Return whether torch reports a capture of the stream."""
        return cuda.is_capturing(stream, device)

    def synchronize(self, device: Device, /) -> None:
        """Synchronise the device."""
        cuda.synchronize(device)

    def export(self, x: Any, stream: Stream | None, /) -> Any:
        """Return a detached tensor on the host, or an exporter of one that is ready on a device."""
        with _unseen():
            tensor = subclass.plain(x).detach()
            if tensor.is_cpu:
                host.forbid_resizing(tensor)
                return tensor
        return super().export(tensor, stream)

    def device_of(self, x: Any, /) -> Device:
        """Return the device of a plain tensor."""
        return devices.device_of(x)

    def reuse_stream(self, x: Any, own: Stream, /) -> Stream:
        """Return the stream that torch's allocator waits for, if the memory is torch's own.

        The owner of other memory waits for torch's current stream.
        """
        # Memory that torch has adopted has a fixed size, and torch's allocator does not own it.
        if x.untyped_storage().resizable():
            return cuda.gate(x, devices.device_of(x))
        return own

    def exporter(self, x: Any, lease: Lease | None, /) -> cuda.OrderedTensor:
        """Return an exporter that makes the capsule with the tensor's device as the current one."""
        return cuda.OrderedTensor(x, lease)

    def owned(self, x: Any, owner: Any, /) -> Tensor:
        """Return a tensor over a CUDA Array Interface, whose object torch keeps alive."""
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
        """Return the result of `Tensor.numpy`, which forbids torch to resize the memory later."""
        if type(x) is Tensor and not x.requires_grad and not _is_faked():
            return host.share(x)
        with _unseen():
            return host.share(subclass.plain(x).detach())

    def adopt_host(self, array: NDArray[Any], /) -> Tensor:
        """Return a tensor over an ndarray, by `torch.from_numpy` if possible."""
        return host.adopt(array)

    def copy(self, x: Any, device: Device, dtype: str, /) -> Tensor:
        """Return a copy with the layout of `Tensor.clone`, in the gradient graph of the tensor."""
        wanted = DTYPES.get(dtype)
        # The usual case comes first, without contexts. `clone` and `to` also resolve a negation.
        simple = type(x) is Tensor and wanted and device == CPU and copies.is_simple(x)
        if simple and not _is_faked():
            return x.clone() if x.dtype is wanted else x.to(wanted)
        with _unseen():
            x = subclass.plain(x)
            if wanted is not None:
                x = copies.without_imaginary(x, wanted)
            if device.is_host and copies.is_huge(x) and subclass.has_own_memory(type(x)):
                return copies.copy_huge(x, wanted)
            return copies.move(x, device, wanted)

    def copy_within(self, x: Any, device: Device, dtype: str, /) -> Tensor:
        """Copy a tensor by its subclass, with all state, or else as a plain tensor."""
        with _unseen():
            there = devices.torch_device(subclass.plain(x), device)
        if is_lazy(x):
            return subclass.copy_lazy(x, there)
        copied = None
        if dtype in DTYPES:
            copied = subclass.copy(x, there, DTYPES[dtype])
        return self.copy(x, device, dtype) if copied is None else copied

    def stack(self, arrays: Sequence[Any], axis: int, /) -> Tensor:
        """Stack by `torch.stack`, or large tensors with one copy each.

        `torch.stack` is slow for large tensors whose axes are permuted.
        """
        with _unseen():
            needs_alignment = subclass.plain(arrays[0]).is_complex()
        if needs_alignment:
            arrays = [subclass.aligned(x) for x in arrays]
        if all(type(x) is Tensor and copies.is_huge(x) for x in arrays):
            with _unseen():
                return copies.stack_huge(arrays, axis)
        return subclass.stack(arrays, axis)

    def with_numpy_dtype(self, x: Any, /) -> Tensor:
        """Return a tensor whose ``dtype`` is a dtype of NumPy or of ml_dtypes."""
        return x.as_subclass(wire.NumPyTyped)

    def view(self, x: Any, index: Any, /) -> Tensor:
        """Return a detached view. Autograd counts writes to the view as writes to the tensor."""
        with _unseen():
            return subclass.plain(x).detach()[index]

    def assign(self, x: Any, source: Any, /) -> None:
        """Write by `Tensor.copy_`. Uploaded values are cast on the device."""
        with _unseen():
            x = subclass.plain(x).detach()
            if isinstance(source, Tensor):
                source = subclass.plain(source).detach()
            else:
                source = host.adopt_anywhere(source)
            source = copies.without_imaginary(source, x.dtype)
            # With a cast, `copy_` forgets a pending negation, or negates in the new dtype.
            source = copies.resolved(source)
            if source.is_cpu and not x.is_cpu and source.dtype is not x.dtype:
                source = source.to(x.device, non_blocking=True)
            alignment.write(x, source)

    def mark_modified(self, x: Any, /) -> None:
        """Increase the version counter, by which autograd notices changes of saved values."""
        with _unseen():
            bare = subclass.plain(x)
            # A tensor of inference mode has no version counter, and torch would raise an error.
            if not bare.is_inference():
                torch.autograd.graph.increment_version(bare)

    def download_into(self, x: Any, out: NDArray[Any], /) -> None:
        """Write by `Tensor.copy_`."""
        with _unseen():
            source = copies.resolved(subclass.plain(x).detach())
            alignment.write(host.adopt_anywhere(out), source)

    def pinned(self, nbytes: int, /) -> NDArray[Any]:
        """Return memory of torch's allocator of pinned memory, or plain memory without CUDA."""
        pins = torch.cuda.is_available()
        return torch.empty(nbytes, dtype=torch.uint8, device="cpu", pin_memory=pins).numpy()

    def record_event(self, device: Device, /) -> Callable[[], object]:
        """Record an event for which the host waits without using the processor.

        Where no handle names the stream, wait at once.
        """
        if not device.has_streams:
            features.accelerator.synchronize(device.id)
            return super().record_event(device)
        event = torch.cuda.Event(blocking=True)  # type: ignore[no-untyped-call]
        event.record(torch.cuda.current_stream(device.id))
        return event.synchronize

    @property
    def plain_types(self) -> tuple[type[Any], ...]:
        """`Tensor` and `Parameter`, which differ only in their use by modules."""
        return Tensor, torch.nn.Parameter

    # Not a method, because each conversion with a cached plan calls the function.
    fingerprint = staticmethod(fingerprint)  # pyright: ignore[reportAssignmentType]
    why_no_dtype_on = staticmethod(devices.why_no_dtype_on)  # pyright: ignore[reportAssignmentType]

    def fast_export_host(self) -> FastPath:
        """Return the calls for plain tensors, which torch itself makes."""
        return host.fast_export()

    def fast_adopt_host(self) -> FastPath:
        """Return `torch.from_numpy`, with a check of the layout."""
        return host.fast_adopt()

    def compiled_export_host(self) -> CompiledPath | None:
        """Return the functions of `_native.c`, or None if it was not built."""
        native = host.compiled
        if native is None:
            return None
        return CompiledPath(native.share, native.share_detached, native.share_copy)

    def compiled_adopt_host(self) -> CompiledPath | None:
        """Return the functions of `_native.c`, or None if it was not built."""
        native = host.compiled
        if native is None:
            return None
        return CompiledPath(native.adopt, native.adopt, native.adopt_copy)

    def why_not_compiled(self) -> str | None:
        """Return why `_native.c` is not in use: it was not built, or torch is too old for it."""
        return host.why_not_compiled()


adapter = TorchAdapter()
