"""An adapter for array-api-strict, shown in the tutorial: host memory that speaks DLPack."""

from typing import Any, ClassVar

import array_api_strict as strict
import numpy as np

from interop.adapter import CPU, Adapter, Device, Facts
from interop.adapter.dtypes import without_imaginary
from interop.errors import Reason


class StrictAdapter(Adapter):
    name: ClassVar[str] = "array_api_strict"
    array_type = type(strict.empty(0))
    honours_readonly: ClassVar[bool] = True

    def describe(self, x: Any, /) -> Facts:
        view = np.from_dlpack(x)  # no copy: the array has no attributes for strides and writability
        unsupported = None
        if x.device != strict.Device("CPU_DEVICE"):
            unsupported = Reason(f"it pretends to be on {x.device}", "Use x.to_device(CPU_DEVICE).")
        return Facts(
            framework=self.name,
            shape=view.shape,
            dtype=view.dtype.name,
            device=CPU,
            strides=view.strides,
            nbytes=view.nbytes,
            readonly=not view.flags.writeable,
            unsupported=unsupported,
        )

    def address(self, x: Any, /) -> int:
        return int(np.from_dlpack(x).ctypes.data)

    def why_no_dtype(self, dtype: str, /) -> str | None:
        if hasattr(strict, dtype):
            return None
        return Reason(f"array-api-strict has no dtype {dtype}", 'Pass dtype="float32".')

    def parse_dtype(self, spec: Any, /) -> str:
        return str(spec).removeprefix("array_api_strict.")

    def export(self, x: Any, stream: Any, /) -> Any:
        return x

    def adopt(self, source: Any, stream: Any, /) -> Any:
        return strict.from_dlpack(source)

    def copy(self, x: Any, device: Device, dtype: str, /) -> Any:
        view = without_imaginary(np.from_dlpack(x), np.dtype(dtype))
        with np.errstate(all="ignore"):  # NumPy would warn if a value overflows
            return strict.asarray(np.array(view, dtype))


adapter = StrictAdapter()
