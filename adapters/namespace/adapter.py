"""The adapter of array-API namespaces, made for each module with `from_dlpack` or `asarray`.

Nothing is known about such a module. Trials with arrays of one element show whether it shares
memory, whether it protects read-only memory, and which dtypes it has. Its arrays are made on the
host. Only the module itself moves them to other devices and back (decision 0029).
"""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Any, ClassVar, cast

import numpy as np

from interop import errors
from interop.adapter import CPU, HOST, LIBRARY, PLAIN_DTYPES, Adapter, Device, Facts, LibraryDevice
from interop.adapter.dtypes import NARROWER, short_name
from interop.adapter.strides import contiguous_strides

from . import copies, trials

if TYPE_CHECKING:
    from types import ModuleType

    from numpy.typing import NDArray

    from interop.adapter.streams import Stream


class NamespaceAdapter(Adapter):
    """Adapter for the arrays of one module. `make_adapter` makes a subclass for each module."""

    copies_ndarrays: ClassVar[bool] = True
    device_kinds: ClassVar[frozenset[int]] = HOST | {LIBRARY}
    namespace: ClassVar[ModuleType]
    shares: ClassVar[bool] = False
    """Whether a trial has shown that `from_dlpack` shares memory. If not, every array is a copy."""
    device: ClassVar[Any] = None
    """The library's own object for the device of arrays on the host."""

    def describe(self, x: Any, /) -> Facts:
        """Return the facts that an array states, and the layout that DLPack states.

        An array whose memory cannot be seen is described as contiguous.
        """
        shape = tuple(x.shape)
        dtype = short_name(x.dtype)
        device = self.device_of(x)
        if dtype not in PLAIN_DTYPES:
            problem = f"its dtype {x.dtype} is not a dtype of plain numbers"
            return Facts(self.name, shape, dtype, device, unsupported=problem)
        size = np.dtype(dtype).itemsize
        strides = contiguous_strides(shape, size)
        readonly = False
        if device == CPU and (view := trials.look(x)) is not None:
            strides = view.strides
            readonly = not view.flags.writeable
        nbytes = size * prod(shape)
        return Facts(self.name, shape, dtype, device, strides, nbytes, readonly=readonly)

    def device_of(self, x: Any) -> Device:
        """Return the CPU for the library's host memory, or else the library's own device."""
        native = getattr(x, "device", None)
        # A library without devices holds host memory, as the trial has shown.
        if native is None or native == self.device:
            return CPU
        return LibraryDevice(native)

    def address(self, x: Any, /) -> int:
        """Return the address of the first element, which NumPy finds by DLPack."""
        return int(self.export_host(x).__array_interface__["data"][0])

    def resolve_device(self, device: Device, /) -> Device | str:
        """Return the CPU or a device of the library, or the reason to refuse another device."""
        if device.is_host:
            return CPU
        native = device.native if isinstance(device, LibraryDevice) else None
        if native is not None and native == self.device:
            return CPU
        listed = [] if self.device is None else trials.devices(self.namespace)
        if native is not None and self._is_known(native, listed):
            return device
        hint = "It holds host memory only."
        if listed:
            hint = f"Its devices are {', '.join(map(str, listed))}."
        return errors.Reason(f"{self.name} can't be on {device}", hint)

    def _is_known(self, native: Any, listed: list[Any]) -> bool:
        """Return whether a device is listed, or has the right class if the list is empty."""
        return native in listed or (not listed and type(native) is type(self.device))

    def why_no_dtype_on(self, device: Device, dtype: str, /) -> str | None:
        """Return why a device does not support a dtype, according to the library, or None.

        The answer comes from ``__array_namespace_info__().dtypes(device=)``, if the library has
        that function.
        """
        if not isinstance(device, LibraryDevice):
            return None
        if trials.has_on(self.namespace, device.native, dtype):
            return None
        narrower = NARROWER.get(dtype)
        hint = "Convert it to another device."
        if narrower and trials.has_on(self.namespace, device.native, narrower):
            hint = f'Pass dtype="{narrower}".'
        return errors.Reason(f"{device} has no {dtype}", hint)

    def why_no_dtype(self, dtype: str, /) -> str | None:
        """Return why the namespace lacks a dtype, or None if a trial array keeps the dtype."""
        if trials.has_dtype(self, dtype):
            return None
        return errors.Reason(f"{self.name} has no {dtype}", 'Pass dtype="float32".')

    def why_not_adoptable(self, facts: Facts, /) -> str | None:  # noqa: ARG002
        """Return why memory cannot be shared, or None if the namespace shares memory at all."""
        if self.shares:
            return None
        return f"{self.name} always copies into its own memory"

    def parse_device(self, spec: Any, /) -> Device:
        """Return a device for a device object of the library."""
        if self.device is None or type(spec) is not type(self.device):
            return super().parse_device(spec)
        return CPU if spec == self.device else LibraryDevice(spec)

    def parse_dtype(self, spec: Any, /) -> str:
        """Return the name of a dtype object of the library."""
        return short_name(spec)

    def export(self, x: Any, stream: Stream | None, /) -> Any:  # noqa: ARG002 - no streams
        """Return the array itself."""
        return x

    def export_host(self, x: Any, /) -> NDArray[Any]:
        """Return an ndarray over the memory of an array, or over a copy that the library makes."""
        if self.device_of(x) != CPU:
            msg = f"only {self.name} can read memory on {x.device}"
            raise BufferError(msg)
        view = trials.look(x)
        if view is None:
            return np.asarray(x)
        return view

    def adopt(self, source: Any, stream: Stream | None, /) -> Any:  # noqa: ARG002
        """Return a native array over the memory of an ndarray.

        The standard lets `from_dlpack` copy without a notice, so the address is compared.

        Raises
        ------
        BufferError
            The namespace refuses the memory, or has copied it.
        """
        try:
            x = self.namespace.from_dlpack(source)
        except MemoryError:
            raise
        except Exception as error:  # a namespace may raise anything
            msg = f"{self.name}.from_dlpack refuses it ({errors.quote(error)})"
            raise BufferError(msg) from error
        view = trials.look(x)
        # Without elements, there is no memory to compare.
        if source.size and (view is None or view.ctypes.data != source.ctypes.data):
            msg = f"{self.name}.from_dlpack copies it"
            raise BufferError(msg)
        return x

    def current_stream(self, device: Device, /) -> Stream:
        """Raise an error, because the array API standard does not name the stream of a library."""
        reason = f"stream= cannot order the work of {self.name} on {device}"
        raise errors.UnsupportedArrayError(reason, hint="Leave stream= out.")

    def view(self, x: Any, index: Any, /) -> Any:
        """Return a view, made by the library itself if the array is on the library's device."""
        if self.device_of(x) == CPU:
            return super().view(x, index)
        axes = index if isinstance(index, tuple) else (index,)
        # The standard requires an index for each axis, or an ellipsis.
        if ... not in axes:
            axes = (*axes, ...)
        return x[axes]

    def copy(self, x: Any, device: Device, dtype: str, /) -> Any:
        """Return a copy of a native array or an ndarray on a given device."""
        here = CPU
        if not isinstance(x, np.ndarray):
            here = self.device_of(x)
        if here == device == CPU:
            return copies.copy_on_host(self, x, dtype)
        return copies.copy_by_library(self, x, here, device, dtype)


def make_adapter(namespace: ModuleType) -> Adapter | None:
    """Return an adapter for a module that shares memory or copies, or None if neither works."""
    # Trials need an adapter, so each attempt makes one. The one that is returned has the results.
    for shares in (True, False):
        adapter = _subclass(name=namespace.__name__, namespace=namespace, shares=shares)
        with errors.ignored_refusals:  # a module may raise anything, and then cannot be a target
            x = trials.made(adapter, trials.PROBE)
            # A module that makes another dtype, or makes arrays on a GPU, cannot be used safely.
            if trials.is_like_probe(x) and trials.is_on_host(x):
                return _subclass(
                    name=namespace.__name__,
                    namespace=namespace,
                    shares=shares,
                    array_type=type(x),
                    device=getattr(x, "device", None),
                    honours_readonly=shares and trials.honours_readonly(adapter),
                )
    return None


def _subclass(**attributes: Any) -> Adapter:
    return cast("Adapter", type("NamespaceAdapter", (NamespaceAdapter,), attributes)())
