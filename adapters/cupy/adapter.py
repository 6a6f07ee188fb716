"""CuPy: CUDA memory, through DLPack. It holds no host memory, so an ndarray stands for that."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Final

import cupy
import numpy as np

from interop import errors
from interop.adapter import CUDA, CURRENT, PLAIN_DTYPES, Device, DeviceAdapter, Facts, Stream
from interop.adapter.device_adapter import OrderedArray
from interop.adapter.dtypes import without_imaginary
from interop.adapter.streams import LEGACY, PER_THREAD, UNORDERED, Interface

from . import memory

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from interop.adapter import Lease

_NAMES: Final[dict[Any, str]] = {np.dtype(name): name for name in PLAIN_DTYPES}
try:  # CuPy 14 takes bfloat16 from ml_dtypes, and no float8
    import ml_dtypes
except ImportError:
    pass
else:
    _NAMES[np.dtype(ml_dtypes.bfloat16)] = "bfloat16"
_MANAGED: Final = 13  # kDLCUDAManaged
_DTYPES: Final = {name: dtype for dtype, name in _NAMES.items()}


class CuPyAdapter(DeviceAdapter):
    """`cupy.ndarray` and its subclasses."""

    name: ClassVar[str] = "cupy"
    array_type = cupy.ndarray
    device_kinds: ClassVar[frozenset[int]] = frozenset({CUDA.kind})
    default_device: ClassVar[Device] = CUDA
    copies_ndarrays: ClassVar[bool] = True

    def describe(self, x: Any, /) -> Facts:
        """Tell the facts of a CuPy array; managed memory is its device's."""
        dtype = x.dtype
        name = _NAMES.get(dtype)
        problem = (
            None
            if name
            else errors.Reason(
                f"CuPy's {dtype} is not a dtype of plain numbers",
                "Convert it first: x.astype(float).",
            )
        )
        device = Device(CUDA.kind, x.device.id)
        return Facts(
            "cupy", x.shape, name or str(dtype), device, x.strides, x.nbytes,
            not_shareable=memory.why_not_shareable(x), unsupported=problem,
        )  # fmt: skip

    def address(self, x: Any, /) -> int:
        """Return the device pointer."""
        return int(x.data.ptr)

    def resolve_device(self, device: Device, /) -> Device | str:
        """Ask the runtime which devices there are."""
        if device.kind != CUDA.kind:
            return errors.Reason(
                "CuPy holds CUDA memory only", "Convert to numpy or torch for the host."
            )
        try:
            count = cupy.cuda.runtime.getDeviceCount()
        except (
            cupy.cuda.runtime.CUDARuntimeError
        ):  # its words speak of drivers, whatever is missing
            count = 0
        if not count:
            return errors.Reason(
                "CuPy needs a CUDA GPU, and there is none here",
                "Use interop.to_torch or interop.to_numpy.",
            )
        index = cupy.cuda.runtime.getDevice() if device.id == CURRENT else device.id
        if 0 <= index < count:
            return Device(CUDA.kind, index)
        return (
            f"CuPy finds {count} CUDA device{'s' * (count > 1)} here, and {device} is none of them."
        )

    def why_no_dtype(self, dtype: str, /) -> str | None:
        """Miss the 8-bit floats, and bfloat16 where ml_dtypes is missing."""
        if dtype in _DTYPES:
            return None
        fix = "Run pip install ml-dtypes, or pass" if dtype == "bfloat16" else "Pass"
        return errors.Reason(f"CuPy has no {dtype} here", f'{fix} dtype="float32".')

    def alignment(self, dtype: str, /) -> int:  # noqa: ARG002 - the same for all
        """Upload from any address: host memory is never adopted."""
        return 1

    def parse_device(self, spec: Any, /) -> Device:
        """Read a `cupy.cuda.Device`."""
        return (
            Device(CUDA.kind, spec.id)
            if isinstance(spec, cupy.cuda.Device)
            else super().parse_device(spec)
        )

    def parse_dtype(self, spec: Any, /) -> str:
        """Read what CuPy takes for a dtype: NumPy's."""
        return np.dtype(spec).name

    def current_stream(self, device: Device, /) -> Stream:
        """Return CuPy's current stream of the device."""
        with cupy.cuda.Device(device.id):
            stream = cupy.cuda.get_current_stream()
        return Stream(stream.ptr, stream)

    def using(self, stream: Stream, /) -> Any:
        """Make it CuPy's current stream; no other library's object is kept but by the caller."""
        if stream.handle in (0, LEGACY):
            return cupy.cuda.Stream.null
        if stream.handle == PER_THREAD:
            return cupy.cuda.Stream.ptds
        own = isinstance(stream.owner, cupy.cuda.Stream)
        return stream.owner if own else cupy.cuda.Stream.from_external(_Handle(stream.handle))

    def wait_stream(self, earlier: Stream, later: Stream, device: Device, /) -> None:
        """Record an event on the stream `earlier`, and let the stream `later` wait for it.

        The runtime takes handles, so the streams may belong to any library.
        """
        if earlier.is_same(later):
            return
        with cupy.cuda.Device(device.id):
            event = cupy.cuda.Event(disable_timing=True)
            cupy.cuda.runtime.eventRecord(event.ptr, earlier.handle)
            cupy.cuda.runtime.streamWaitEvent(later.handle, event.ptr)

    def is_capturing(self, stream: Stream, device: Device, /) -> bool:
        """Ask the runtime; the legacy stream answers with an error while any other is captured."""
        with cupy.cuda.Device(device.id):
            try:
                return bool(cupy.cuda.runtime.streamIsCapturing(stream.handle))
            except cupy.cuda.runtime.CUDARuntimeError as error:
                return "StreamCaptureImplicit" in str(error)

    def synchronize(self, device: Device, /) -> None:
        """Synchronise the device."""
        cupy.cuda.Device(device.id).synchronize()

    def device_of(self, x: Any, /) -> Device:
        """Return the device of an array; managed memory is on the device that it was made for."""
        return Device(CUDA.kind, x.device.id)

    def exporter(self, x: Any, lease: Lease | None, /) -> OrderedArray:
        """Return an exporter of memory that owns the lease.

        torch does not import DLPack's device type of managed memory. The exporter of such memory
        also has a CUDA Array Interface, which has no device types.
        """
        lent = x if lease is None else self.owned(x, lease)
        if cupy.ndarray.__dlpack_device__(x)[0] == _MANAGED:
            return _OrderedManagedArray(lent, self.device_of(x))
        return _OrderedArray(lent)

    def owned(self, x: Any, owner: Any, /) -> Any:
        """Return an array over the same memory, which keeps an object alive."""
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
        """Return the ndarray that stands for host memory, to be uploaded by `copy`."""
        return array

    def copy(self, x: Any, device: Device, dtype: str, /) -> Any:
        """Return a copy on the device; of an ndarray, by one upload; on the host, as an ndarray, complete on return."""
        wanted = _DTYPES[dtype]
        x = memory.aligned(x)
        x = without_imaginary(x, wanted)
        if device.is_host:
            with x.device:  # of which the current stream is meant
                return cupy.asnumpy(x.astype(wanted, copy=False), order="A")
        target = cupy.cuda.Device(device.id)
        if isinstance(x, np.ndarray):
            with target:
                return cupy.asarray(x, order="K", blocking=memory.is_pinned(x)).astype(
                    wanted, copy=False
                )
        # The pool may hand x's memory out again as soon as x is gone: its stream waits until it has been read.
        _order(x.device, target)
        with target:
            copied = memory.duplicate(x) if x.dtype == wanted else x.astype(wanted, order="K")
        _order(target, x.device)
        return copied

    def copy_within(self, x: Any, device: Device, dtype: str, /) -> Any:
        """Copy an array, as a plain array if the subclass would lose attributes.

        CuPy may copy a subclass without its attributes.
        """
        copied = self.copy(x, device, dtype)
        lost = (
            type(copied) is type(x) is not cupy.ndarray
            and not vars(x).keys() <= vars(copied).keys()
        )
        return copied.view(cupy.ndarray) if lost else copied

    def view(self, x: Any, index: Any, /) -> Any:
        """Return a view."""
        return x[index]

    def assign(self, x: Any, source: Any, /) -> None:
        """Write by one copy where both are in one piece and of one dtype, else by a kernel."""
        if isinstance(source, np.ndarray):
            with x.device:
                memory.upload(x, source)
            return
        if source.device != x.device and not memory.is_one_copy(x, source):
            source = self.copy(source, Device(CUDA.kind, x.device.id), _NAMES[source.dtype])
        source = memory.aligned(source)
        _order(source.device, x.device)
        with x.device:
            if memory.is_one_copy(x, source):
                x.data.copy_from_device_async(source.data, source.nbytes)
            else:
                x[...] = without_imaginary(source, x.dtype)
        _order(x.device, source.device)

    def download_into(self, x: Any, out: NDArray[Any], /) -> None:
        """Write by `cupy.ndarray.get`."""
        if x.size:
            with x.device:
                x.get(out=out, blocking=False)

    def pinned(self, nbytes: int, /) -> NDArray[Any]:
        """Return memory of CuPy's own pool."""
        return np.frombuffer(cupy.cuda.alloc_pinned_memory(nbytes), np.uint8, nbytes)

    def record_event(self, device: Device, /) -> Callable[[], object]:
        """Record an event whose waiting costs no processor time."""
        with cupy.cuda.Device(device.id):
            event = cupy.cuda.Event(block=True, disable_timing=True)
            event.record(cupy.cuda.get_current_stream())
        return event.synchronize

    def stack(self, arrays: Sequence[Any], axis: int, /) -> Any:
        """Stack on the arrays' device, whatever is current: CuPy's own would stack on that one."""
        with arrays[0].device:
            return cupy.stack([memory.aligned(x) for x in arrays], axis=axis)


def _order(first: Any, second: Any) -> None:
    """Let the current stream of the second device wait for that of the first; one device is in order with itself."""
    if first == second:
        return
    with first:
        event = cupy.cuda.get_current_stream().record()
    with second:
        cupy.cuda.get_current_stream().wait_event(event)


class _Handle:
    """A stream by its handle, for `Stream.from_external`."""

    def __init__(self, handle: int) -> None:
        self._handle = handle

    def __cuda_stream__(self) -> tuple[int, int]:
        return 0, self._handle


class _OrderedArray(OrderedArray):
    """An array for one consumer, on whose stream it is ready.

    The methods are those of `cupy.ndarray`, whatever a subclass redefines.
    """

    def __dlpack_device__(self) -> tuple[int, int]:
        return cupy.ndarray.__dlpack_device__(self._array)

    def __dlpack__(self, **keywords: Any) -> Any:
        """Export with the array's device as the current one: CuPy asks for its current stream."""
        with self._array.device:
            return cupy.ndarray.__dlpack__(self._array, **{**keywords, "stream": UNORDERED})


class _OrderedManagedArray(_OrderedArray, Interface):
    """Managed memory for one consumer, by DLPack or by the CUDA Array Interface."""

    def __init__(self, array: Any, device: Device) -> None:
        _OrderedArray.__init__(self, array)
        Interface.__init__(self, array, device)


adapter = CuPyAdapter()
