"""A minimal framework and its adapter: arrays of few dtypes, in host memory."""

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from interop.adapter import CPU, Adapter, Device, Facts


class Abacus:
    """Rows of beads."""

    def __init__(self, beads: NDArray[Any]) -> None:
        self.beads = beads


class AbacusAdapter(Adapter):
    """The adapter for Abacus arrays."""

    name: ClassVar[str] = "abacus"
    array_type = Abacus
    honours_readonly: ClassVar[bool] = True

    def describe(self, x: Any, /) -> Facts:
        beads = x.beads
        return Facts(
            self.name, beads.shape, beads.dtype.name, CPU, beads.strides, beads.nbytes,
            readonly=not beads.flags.writeable,
        )  # fmt: skip

    def address(self, x: Any, /) -> int:
        return int(x.beads.ctypes.data)

    def why_no_dtype(self, dtype: str, /) -> str | None:
        known = dtype in ("bool", "int64", "float32")
        return None if known else f'an abacus has no {dtype}. Pass dtype="int64".'

    def export(self, x: Any, stream: Any, /) -> Any:  # noqa: ARG002 - host memory knows no streams
        return x.beads

    def adopt(self, source: Any, stream: Any, /) -> Any:  # noqa: ARG002
        return Abacus(np.from_dlpack(source))

    def copy(self, x: Any, device: Device, dtype: str, /) -> Any:  # noqa: ARG002 - there is one device
        return Abacus(np.array(x.beads, dtype))


adapter = AbacusAdapter()
