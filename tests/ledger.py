"""A third-party framework whose arrays wrap an ndarray, and the adapter for them."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from interop.adapter import CPU, PLAIN_DTYPES, Adapter, Device, Facts


class Ledger:
    def __init__(self, rows: NDArray[Any]) -> None:
        self.rows = rows


class Journal(Ledger):
    """A subclass of Ledger, for tests that register a separate adapter."""


class LedgerAdapter(Adapter):
    name = "ledger"
    array_type: type[Any] = Ledger

    def describe(self, x: Any, /) -> Facts:
        return Facts(self.name, x.rows.shape, x.rows.dtype.name, CPU, x.rows.strides, x.rows.nbytes)

    def address(self, x: Any, /) -> int:
        return int(x.rows.ctypes.data)

    def why_no_dtype(self, dtype: str, /) -> str | None:
        return None if dtype in PLAIN_DTYPES else f"a ledger has no {dtype}"

    def export(self, x: Any, stream: Any, /) -> Any:  # noqa: ARG002
        return x.rows

    def adopt(self, source: Any, stream: Any, /) -> Any:  # noqa: ARG002
        return self.array_type(np.from_dlpack(source))

    def copy(self, x: Any, device: Device, dtype: str, /) -> Any:  # noqa: ARG002
        return self.array_type(x.rows.astype(dtype))


class JournalAdapter(LedgerAdapter):
    name = "journal"
    array_type = Journal


adapter = LedgerAdapter()
