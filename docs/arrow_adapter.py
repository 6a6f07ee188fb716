"""An adapter for pyarrow.Tensor, written in the tutorial: host memory that NumPy can share."""

from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from interop.adapter import CPU, Adapter, Device, Facts
from interop.errors import Reason

DTYPES = (
    "uint8", "uint16", "uint32", "uint64", "int8", "int16", "int32", "int64",
    "float16", "float32", "float64",
)  # fmt: skip


class TensorAdapter(Adapter):
    name: ClassVar[str] = "pyarrow"
    array_type = pa.Tensor
    honours_readonly: ClassVar[bool] = True

    def describe(self, x: Any, /) -> Facts:
        dtype = np.dtype(x.type.to_pandas_dtype())
        return Facts(
            framework=self.name,
            shape=x.shape,
            dtype=dtype.name,
            device=CPU,
            strides=x.strides,
            nbytes=x.size * dtype.itemsize,
            readonly=not x.is_mutable,
        )

    def address(self, x: Any, /) -> int:
        return int(x.to_numpy().ctypes.data)

    def why_no_dtype(self, dtype: str, /) -> str | None:
        if dtype in DTYPES:
            return None
        return Reason(f"pyarrow.Tensor has no dtype {dtype}", 'Pass dtype="float32".')

    def why_not_adoptable(self, facts: Facts, /) -> str | None:
        if min(facts.strides, default=0) < 0:
            return "pyarrow.Tensor has no negative strides"
        return None

    def export_host(self, x: Any, /) -> NDArray[Any]:
        return x.to_numpy()

    def adopt_host(self, array: NDArray[Any], /) -> Any:
        return pa.Tensor.from_numpy(array)

    def copy(self, x: Any, device: Device, dtype: str, /) -> Any:
        with np.errstate(all="ignore"):  # NumPy would warn if a value overflows
            return pa.Tensor.from_numpy(np.array(x.to_numpy(), dtype))


adapter = TensorAdapter()
