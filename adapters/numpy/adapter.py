"""The adapter of NumPy. All host memory crosses between frameworks as ndarrays."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from interop import errors
from interop.adapter import CPU, Adapter, Device, Facts, capsule
from interop.adapter.strides import why_no_memory

from .._meanings import lost_by_subclass, lost_mask
from . import copies, pages
from .dtypes import NAMES, PLAIN, PLAIN_IDS, dtype_named
from .facts import read_facts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from interop.adapter.streams import Stream


class NumPyAdapter(Adapter):
    """Adapter for `numpy.ndarray`, subclasses, and NumPy scalars (read as 0-d arrays)."""

    name: ClassVar[str] = "numpy"
    array_type = np.ndarray
    scalar_types = (np.generic,)
    honours_readonly: ClassVar[bool] = True
    ndarray_native: ClassVar[bool] = True

    def describe(self, x: Any, /) -> Facts:
        """Return the facts of an ndarray or a NumPy scalar."""
        if isinstance(x, np.generic):
            facts = read_facts(np.asarray(x))
            return facts._replace(needs_read="a NumPy scalar has no memory to share")
        return read_facts(x)

    def address(self, x: Any, /) -> int:
        """Return the address of the first element, as stated by the array interface."""
        return int(x.__array_interface__["data"][0])

    def resolve_device(self, device: Device, /) -> Device | str:
        """Return the CPU for host memory, or the reason to refuse another device."""
        if device.is_host:
            return CPU
        hint = "For a GPU, use interop.to_cupy or interop.to_torch."
        return errors.Reason("NumPy holds host memory only", hint)

    def why_no_dtype(self, dtype: str, /) -> str | None:
        """Return why NumPy lacks a dtype, or None. ml_dtypes adds bfloat16 and 8-bit floats."""
        if dtype_named(dtype) is not None:
            return None
        hint = 'Run pip install ml-dtypes, or pass dtype="float32".'
        return errors.Reason(f"NumPy has no {dtype} without ml_dtypes", hint)

    def why_misread(self, x: Any, /) -> str | None:
        """Return why a function without mask support would misread an array, or None.

        Such a function reads the values under the mask.
        """
        if type(x) is np.ndarray:
            return None
        return lost_mask(x)

    def alignment(self, dtype: str, /) -> int:  # noqa: ARG002 - the same for all dtypes
        """Return 1, because NumPy reads from any address."""
        return 1

    def parse_dtype(self, spec: Any, /) -> str:
        """Return the name of anything that `numpy.dtype` accepts."""
        dtype = np.dtype(spec)
        return NAMES.get(dtype) or dtype.name

    def export(self, x: Any, stream: Stream | None, /) -> Any:  # noqa: ARG002 - no streams
        """Return the array as a plain ndarray, because a subclass may redefine DLPack."""
        return self.export_host(x)

    def adopt(self, source: Any, stream: Stream | None, /) -> NDArray[Any]:  # noqa: ARG002
        """Return an ndarray over the memory of a DLPack producer.

        The ndarray is read-only if the producer says so, or says nothing about that.
        """
        return capsule.as_ndarray(source)

    def export_host(self, x: Any, /) -> NDArray[Any]:
        """Return a plain ndarray over the memory of an array, with NumPy's own dtype object."""
        array = x
        if type(x) is not np.ndarray:
            array = copies.plain(x)
        if id(array.dtype) in PLAIN_IDS:
            return array
        # Another dtype object with the same name: numpy.longlong, or a dtype with metadata.
        dtype = PLAIN.get(NAMES.get(array.dtype, ""))
        if dtype is None:
            return array
        return array.view(dtype)

    def adopt_host(self, array: NDArray[Any], /) -> NDArray[Any]:
        """Return the given ndarray."""
        return array

    def copy(self, x: Any, device: Device, dtype: str, /) -> NDArray[Any]:  # noqa: ARG002
        """Return a copy as a plain ndarray in order "K".

        The axes keep their order in memory, and reversed axes become regular ones. A cast gives no
        warning, because the caller has accepted its loss.
        """
        if type(x) is not np.ndarray:
            x = copies.plain(x)
        return copies.copied(x, dtype)

    def copy_within(self, x: Any, device: Device, dtype: str, /) -> NDArray[Any]:
        """Copy an array by the subclass, or as a plain ndarray if the subclass cannot copy.

        A subclass that copies itself keeps its state.

        Raises
        ------
        UnsupportedArrayError
            The plain ndarray would have lost a mask or a unit (decision 0026), or the strides of
            the array reach beyond any memory.
        """
        _check_memory(x)
        if type(x) is np.ndarray or isinstance(x, np.generic):
            return self.copy(x, device, dtype)
        result = copies.copied_by_subclass(x, dtype)
        if result is None:
            result = self.copy(x, device, dtype)
        if type(result) is np.ndarray and (lost := lost_by_subclass(x)):
            raise _cannot_copy(x, lost)
        return result

    def stack(self, arrays: Sequence[Any], axis: int, /) -> Any:
        """Return ndarrays stacked along a new axis."""
        for x in arrays:
            _check_memory(x)
        return np.stack(arrays, axis=axis)

    def view(self, x: Any, index: Any, /) -> NDArray[Any]:
        """Return a view as a plain ndarray."""
        return self.export_host(x)[index]

    def assign(self, x: NDArray[Any], source: NDArray[Any], /) -> None:
        """Write values in place, from any layout and byte order, with the casts of `copy`."""
        copies.write(x, source)

    def page_out(self, x: NDArray[Any], /) -> None:
        """Release the pages of a `numpy.memmap` from memory, private changes excepted."""
        pages.page_out(x)

    def fingerprint(self, x: Any, /) -> Any:
        """Return the attributes that `read_facts` reads. The flags include the alignment."""
        return x.dtype, x.shape, x.strides, x.flags.num


def _check_memory(x: Any) -> None:
    """Refuse an array whose elements NumPy cannot access. Within NumPy, no plan refuses such one.

    Raises
    ------
    UnsupportedArrayError
    """
    if problem := why_no_memory(x):
        raise _cannot_copy(x, problem)


def _cannot_copy(x: Any, reason: str) -> errors.UnsupportedArrayError:
    facts = adapter.describe(x)
    return errors.UnsupportedArrayError(reason, attempt="cannot copy {source}", source=facts)


adapter = NumPyAdapter()
