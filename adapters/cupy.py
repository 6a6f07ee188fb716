"""CuPy: CUDA memory, through DLPack. It holds no host memory, so an ndarray stands for that."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Final

import cupy
import numpy as np

from interop.adapter import CUDA, CURRENT, Adapter, Device, Facts

if TYPE_CHECKING:
    from numpy.typing import NDArray

_NATIVE: Final = (
    "bool", "uint8", "uint16", "uint32", "uint64", "int8", "int16", "int32", "int64",
    "float16", "float32", "float64", "complex64", "complex128",
)  # fmt: skip
_NAMES: Final[dict[Any, str]] = {np.dtype(name): name for name in _NATIVE}


class CuPyAdapter(Adapter):
    """`cupy.ndarray` and its subclasses."""

    name: ClassVar[str] = "cupy"
    array_type = cupy.ndarray
    holds: ClassVar[frozenset[int]] = frozenset({CUDA.kind})
    home: ClassVar[Device] = CUDA

    def describe(self, x: Any, /) -> Facts:
        """Tell the facts of a CuPy array; managed memory is its device's."""
        dtype = x.dtype
        name = _NAMES.get(dtype)
        problem = None if name else f"CuPy's {dtype} is no dtype of plain numbers. Convert it first: x.astype(float)."
        device = Device(CUDA.kind, x.device.id)
        return Facts("cupy", x.shape, name or str(dtype), device, x.strides, x.nbytes, unsupported=problem)

    def address(self, x: Any, /) -> int:
        """Return the device pointer."""
        return int(x.data.ptr)

    def place(self, device: Device, /) -> Device | str:
        """Ask the runtime which devices there are."""
        if device.kind != CUDA.kind:
            return "CuPy holds CUDA memory only. Convert to numpy or torch for the host."
        try:
            count = cupy.cuda.runtime.getDeviceCount()
        except cupy.cuda.runtime.CUDARuntimeError:  # its words speak of drivers, whatever is missing
            count = 0
        if not count:
            return "CuPy needs a CUDA GPU, and there is none here"
        index = cupy.cuda.runtime.getDevice() if device.index == CURRENT else device.index
        if 0 <= index < count:
            return Device(CUDA.kind, index)
        return f"CuPy finds {count} CUDA device{'s' * (count > 1)} here, and {device} is none of them"

    def lacks(self, dtype: str, /) -> str | None:
        """Miss what ml_dtypes adds to NumPy."""
        return None if dtype in _NATIVE else f'CuPy has no {dtype}. Pass dtype="float32".'

    def parse_device(self, spec: Any, /) -> Device:
        """Read a `cupy.cuda.Device`."""
        return Device(CUDA.kind, spec.id) if isinstance(spec, cupy.cuda.Device) else super().parse_device(spec)

    def parse_dtype(self, spec: Any, /) -> str:
        """Read what CuPy takes for a dtype: NumPy's."""
        return np.dtype(spec).name

    def export(self, x: Any, stream: int | None, /) -> Any:
        """Return the array for DLPack; its export orders `stream` after CuPy's current one."""
        return _Exported(x, stream)

    def adopt(self, source: Any, stream: int | None, /) -> Any:
        """Return a CuPy array over a DLPack source, usable on `stream`."""
        if stream is None or stream == -1:
            return cupy.from_dlpack(source)
        with cupy.cuda.ExternalStream(stream):
            return cupy.from_dlpack(source)

    def export_host(self, x: Any, /) -> NDArray[Any]:
        """Return the ndarray that stands for host memory."""
        return x  # type: ignore[no-any-return]

    def adopt_host(self, array: NDArray[Any], /) -> NDArray[Any]:
        """Return the ndarray that stands for host memory, to be uploaded by `copy`."""
        return array

    def copy(self, x: Any, device: Device, dtype: str, /) -> Any:
        """Return a copy on the device; of an ndarray, by one upload; on the host, as an ndarray, complete on return."""
        if device.is_host:
            return cupy.asnumpy(x.astype(dtype, copy=False))
        with cupy.cuda.Device(device.index):
            return cupy.array(x, dtype=dtype, copy=True, order="K")


class _Exported:
    """An array for one consumer: the stream is the one the conversion was asked for."""

    def __init__(self, array: Any, stream: int | None) -> None:
        self._array = array
        self._stream = stream

    def __dlpack_device__(self) -> tuple[int, int]:
        return self._array.__dlpack_device__()  # type: ignore[no-any-return]

    def __dlpack__(self, *, stream: int | None = None, **keywords: Any) -> Any:
        with self._array.device:
            return self._array.__dlpack__(stream=stream if self._stream is None else self._stream, **keywords)


adapter = CuPyAdapter()
