"""CuPy: CUDA memory, through DLPack. It holds no host memory, so an ndarray stands for that."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING, Any, ClassVar, Final

import cupy
import numpy as np

from interop import errors
from interop.adapter import CUDA, CURRENT, PLAIN_DTYPES, Device, DeviceAdapter, Facts, Stream
from interop.adapter.dtypes import without_imaginary, without_warnings
from interop.adapter.streams import LEGACY, PER_THREAD
from interop.adapter.strides import why_no_memory

from . import features, memory, streams

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from interop.adapter import Lease
    from interop.adapter.device_adapter import OrderedArray
    from interop.adapter.streams import Interface

# A table, because NumPy takes 1500 ns to build the name of a dtype.
_NAMES: Final[dict[Any, str]] = {np.dtype(name): name for name in PLAIN_DTYPES}
if features.BFLOAT16:  # CuPy supports no float8
    _NAMES[features.BFLOAT16] = "bfloat16"
_MANAGED: Final = 13  # kDLCUDAManaged
_DTYPES: Final = {name: dtype for dtype, name in _NAMES.items()}


class CuPyAdapter(DeviceAdapter):
    """`cupy.ndarray` and its subclasses."""

    name: ClassVar[str] = "cupy"
    array_type = cupy.ndarray
    device_kinds: ClassVar[frozenset[int]] = frozenset({streams.GPU.kind})
    device_aliases: ClassVar[Mapping[int, int]] = {CUDA.kind: streams.GPU.kind}
    default_device: ClassVar[Device] = streams.GPU
    copies_ndarrays: ClassVar[bool] = True

    def describe(self, x: Any, /) -> Facts:
        """Return the facts about a CuPy array. Managed memory has the device of the array."""
        facts = Facts(
            "cupy", x.shape, _NAMES.get(x.dtype, str(x.dtype)), self.device_of(x), x.strides,
            x.nbytes, not_shareable=memory.why_not_shareable(x),
        )  # fmt: skip
        if problem := why_no_memory(x):
            return facts._replace(unsupported=problem)
        if x.dtype in _NAMES:
            return facts
        reason = f"CuPy's {x.dtype} is not a dtype of plain numbers"
        hint = "Convert it first: x.astype(float)."
        return facts._replace(unsupported=errors.Reason(reason, hint))

    def address(self, x: Any, /) -> int:
        """Return the device pointer."""
        return int(x.data.ptr)

    def resolve_device(self, device: Device, /) -> Device | str:
        """Return a device that the runtime finds, or the reason why not."""
        if device.kind != streams.GPU.kind:
            hint = "Convert to numpy or torch for the host."
            return errors.Reason(f"CuPy holds {streams.PLATFORM} memory only", hint)
        count = streams.device_count()
        if not count:
            reason = f"CuPy needs a {streams.PLATFORM} GPU, and there is none here"
            return errors.Reason(reason, "Use interop.to_torch or interop.to_numpy.")
        index = device.id
        if index == CURRENT:
            index = cupy.cuda.runtime.getDevice()
        if 0 <= index < count:
            return Device(streams.GPU.kind, index)
        plural = "" if count == 1 else "s"
        found = f"{count} {streams.PLATFORM} device{plural}"
        return f"CuPy finds {found} here, and {device} is none of them."

    def why_no_dtype(self, dtype: str, /) -> str | None:
        """Return a reason for the 8-bit floats, and for bfloat16 where CuPy does not support it."""
        if dtype in _DTYPES:
            return None
        hint = 'Pass dtype="float32".'
        if dtype == "bfloat16":
            hint = features.BFLOAT16_HINT
        return errors.Reason(f"CuPy has no {dtype} here", hint)

    def alignment(self, dtype: str, /) -> int:  # noqa: ARG002 - the same for all
        """Return 1: host memory is uploaded, from any address, and never adopted."""
        return 1

    def parse_device(self, spec: Any, /) -> Device:
        """Convert a `cupy.cuda.Device`."""
        if isinstance(spec, cupy.cuda.Device):
            return Device(streams.GPU.kind, spec.id)
        return super().parse_device(spec)

    def parse_dtype(self, spec: Any, /) -> str:
        """Convert everything that NumPy, and so CuPy, accepts as a dtype."""
        return np.dtype(spec).name

    def parse_stream(self, spec: Any, /) -> Stream:
        """Convert a stream of a CuPy release whose streams have no `__cuda_stream__`."""
        if isinstance(spec, features.STREAMS_WITHOUT_PROTOCOL):
            return Stream(spec.ptr, spec)
        return super().parse_stream(spec)

    def current_stream(self, device: Device, /) -> Stream:
        """Return CuPy's current stream on a device."""
        with cupy.cuda.Device(device.id):
            stream = cupy.cuda.get_current_stream()
        return Stream(stream.ptr, stream)

    def using(self, stream: Stream, /) -> Any:
        """Return a context in which a stream is CuPy's current one, or nothing without a device.

        CuPy does not keep the stream object of another library alive. The caller does.
        """
        if not streams.device_count():
            return nullcontext()
        # Both handles name the legacy stream, for which CuPy has an object already.
        if stream.handle in (0, LEGACY):
            return cupy.cuda.Stream.null
        if stream.handle == PER_THREAD:
            return cupy.cuda.Stream.ptds
        if isinstance(stream.owner, cupy.cuda.Stream):
            return stream.owner
        return features.external_stream(stream.handle)

    def wait_stream(self, earlier: Stream, later: Stream, device: Device, /) -> None:
        """Record an event on the stream `earlier`, and let the stream `later` wait for it.

        The runtime takes handles, so the streams may belong to any library.
        """
        if earlier.is_same(later):
            return
        with cupy.cuda.Device(device.id):
            # An event without timing is cheaper. CUDA frees the event only after the record has
            # completed, so the end of this method may destroy the Python object (decision 0010).
            event = cupy.cuda.Event(disable_timing=True)
            cupy.cuda.runtime.eventRecord(event.ptr, earlier.plain_handle)
            cupy.cuda.runtime.streamWaitEvent(later.plain_handle, event.ptr)

    def is_capturing(self, stream: Stream, device: Device, /) -> bool:
        """Return whether the runtime reports a capture of the stream.

        For the legacy stream, the runtime raises an error while any other stream is captured.
        """
        with cupy.cuda.Device(device.id):
            try:
                return bool(cupy.cuda.runtime.streamIsCapturing(stream.plain_handle))
            except cupy.cuda.runtime.CUDARuntimeError as error:
                # After another error the stream is gone, and nothing is captured.
                return "StreamCaptureImplicit" in str(error)

    def synchronize(self, device: Device, /) -> None:
        """Synchronise the device."""
        cupy.cuda.Device(device.id).synchronize()

    def device_of(self, x: Any, /) -> Device:
        """Return the device of an array; managed memory is on the device that it was made for."""
        return Device(streams.GPU.kind, x.device.id)

    def exporter(self, x: Any, lease: Lease | None, /) -> OrderedArray:
        """Return an exporter of memory that owns the lease.

        torch does not import DLPack's device type of managed memory. The exporter of such memory
        also has a CUDA Array Interface, which has no device types.
        """
        lent = x if lease is None else self.owned(x, lease)
        # The method of the base class is called, because a subclass may redefine it.
        if cupy.ndarray.__dlpack_device__(x)[0] == _MANAGED:
            return streams.OrderedManagedArray(lent, self.device_of(x))
        return streams.OrderedCuPyArray(lent)

    def owned(self, x: Any, owner: Any, /) -> Any:
        """Return an array over the same memory, which keeps an object alive."""
        # With negative strides, the first element is not at the lowest address.
        low, high = cupy.byte_bounds(x)
        memory = cupy.cuda.UnownedMemory(low, high - low, owner, x.device.id)
        start = cupy.cuda.MemoryPointer(memory, x.data.ptr - low)
        return cupy.ndarray(x.shape, x.dtype, start, x.strides)

    def from_dlpack(self, source: Any, /) -> Any:
        """Return the result of `cupy.from_dlpack`."""
        return cupy.from_dlpack(source)

    def from_interface(self, source: Interface, /) -> Any:
        """Return an array over a CUDA Array Interface.

        The interface has no stream any more: CuPy would block the host until that stream is done.
        """
        with cupy.cuda.Device(source.device.id):
            return cupy.asarray(source)

    def export_host(self, x: Any, /) -> NDArray[Any]:
        """Return the ndarray that stands for host memory."""
        return x

    def adopt_host(self, array: NDArray[Any], /) -> NDArray[Any]:
        """Return the ndarray that stands for host memory. `copy` uploads it."""
        return array

    def copy(self, x: Any, device: Device, dtype: str, /) -> Any:
        """Return a copy on a device by one download, upload or copy.

        Between the host and a device, the cast is made on the side from which fewer bytes travel.
        An ndarray stands for an array on the host, as the argument and as the result.
        """
        wanted = _DTYPES[dtype]
        x = memory.aligned(x)
        x = without_imaginary(x, wanted)
        if device.is_host:
            with x.device:  # the download is ordered by the current stream of that device
                if wanted.itemsize <= x.itemsize:
                    # The download is the copy, so the cast makes none if the dtype stays.
                    return cupy.asnumpy(x.astype(wanted, copy=False), order="A")
                downloaded = cupy.asnumpy(x, order="A")
            return without_warnings(downloaded.astype, wanted)
        target = cupy.cuda.Device(device.id)
        if isinstance(x, np.ndarray):
            if wanted.itemsize < x.itemsize or x.dtype not in _NAMES:
                x = without_warnings(x.astype, wanted)
            with target:
                if not x.size:
                    return cupy.empty(x.shape, wanted)  # CuPy refuses a high address
                # An upload from pinned memory goes on after the call, so wait for it.
                uploaded = cupy.asarray(x, order="K", blocking=memory.is_pinned(x))
                return uploaded.astype(wanted, copy=False)
        # The pool may reuse the memory of x as soon as x is deleted. So the stream of x waits for
        # the copy, too.
        streams.order(x.device, target)
        with target:
            if x.dtype == wanted:
                copied = memory.duplicate(x)
            else:
                copied = x.astype(wanted, order="K")
        streams.order(target, x.device)
        return copied

    def copy_within(self, x: Any, device: Device, dtype: str, /) -> Any:
        """Copy an array with its subclass, or as a plain array if attributes would be lost."""
        copied = self.copy(x, device, dtype)
        # The class with default attributes would be wrong, and a plain array is not
        # (decision 0024).
        if type(copied) is type(x) is not cupy.ndarray and vars(x).keys() - vars(copied).keys():
            return copied.view(cupy.ndarray)
        return copied

    def view(self, x: Any, index: Any, /) -> Any:
        """Return the view that CuPy's indexing gives."""
        return x[index]

    def assign(self, x: Any, source: Any, /) -> None:
        """Write without a kernel if both arrays are contiguous and have one dtype."""
        if isinstance(source, np.ndarray):
            with x.device:
                memory.upload(x, source)
            return
        # Bytes can be copied between devices. A kernel that writes `x` may not reach the other
        # device, so the values are brought to this one before.
        if source.device != x.device and not memory.is_one_copy(x, source):
            source = self.copy(source, Device(streams.GPU.kind, x.device.id), _NAMES[source.dtype])
        source = memory.aligned(source)
        streams.order(source.device, x.device)
        with x.device:
            if memory.is_one_copy(x, source):
                x.data.copy_from_device_async(source.data, source.nbytes)
            else:
                x[...] = without_imaginary(source, x.dtype)
        streams.order(x.device, source.device)

    def download_into(self, x: Any, out: NDArray[Any], /) -> None:
        """Write by `cupy.ndarray.get`."""
        if x.size:
            with x.device:
                # The values must be there only when the next `record_event` has passed.
                x.get(out=out, blocking=False)

    def pinned(self, nbytes: int, /) -> NDArray[Any]:
        """Return memory of CuPy's pool of pinned memory."""
        return np.frombuffer(cupy.cuda.alloc_pinned_memory(nbytes), np.uint8, nbytes)

    def record_event(self, device: Device, /) -> Callable[[], object]:
        """Record an event for which the host waits without using the processor."""
        with cupy.cuda.Device(device.id):
            event = cupy.cuda.Event(block=True, disable_timing=True)
            event.record(cupy.cuda.get_current_stream())
        return event.synchronize

    def stack(self, arrays: Sequence[Any], axis: int, /) -> Any:
        """Stack on the device of the arrays. CuPy alone would stack on the current device."""
        with arrays[0].device:
            return cupy.stack([memory.aligned(x) for x in arrays], axis=axis)


adapter = CuPyAdapter()
