"""Any array-API namespace, as a target: an adapter made for a module with `from_dlpack` or `asarray`.

What the module does is not known. So it is tried, on arrays of one element: whether it shares memory, whether it
protects what is read-only, and which dtypes it has. Its arrays are made on the host; only the module itself moves them
to other devices of its own, and back (decision 0029).
"""

from __future__ import annotations

from contextlib import suppress
from math import prod
from typing import TYPE_CHECKING, Any, ClassVar, Final, cast

import numpy as np

from interop import errors
from interop.adapter import CPU, HOST, LIBRARY, PLAIN_DTYPES, Adapter, Device, Facts, LibraryDevice
from interop.adapter.dtypes import short_name, without_imaginary

from . import trials

if TYPE_CHECKING:
    from types import ModuleType

    from numpy.typing import NDArray

    from interop.adapter.streams import Stream


_NARROWER: Final = {
    "float64": "float32",
    "complex128": "complex64",
    "int64": "int32",
    "uint64": "uint32",
}


class NamespaceAdapter(Adapter):
    """The arrays of one module. A subclass of this is made for each, see `make_adapter`."""

    copies_ndarrays: ClassVar[bool] = True
    device_kinds: ClassVar[frozenset[int]] = HOST | {LIBRARY}
    namespace: ClassVar[ModuleType]
    shares: ClassVar[bool] = False
    """Whether its `from_dlpack` was seen to share memory; else every array is a copy."""
    device: ClassVar[Any] = None
    """The library's own object for the device of arrays on the host."""

    def describe(self, x: Any, /) -> Facts:
        """Tell what the array says of itself, and of its memory what DLPack does; else it passes for contiguous."""
        shape, dtype, device = tuple(x.shape), short_name(x.dtype), self._device_of(x)
        if dtype not in PLAIN_DTYPES:
            return Facts(
                self.name,
                shape,
                dtype,
                device,
                unsupported=f"its dtype {x.dtype} is none of plain numbers",
            )
        view = trials.look(x) if device == CPU else None
        size = np.dtype(dtype).itemsize
        strides = (
            view.strides
            if view is not None
            else tuple(size * prod(shape[n + 1 :]) for n in range(len(shape)))
        )
        readonly = view is not None and not view.flags.writeable
        return Facts(
            self.name, shape, dtype, device, strides, size * prod(shape), readonly=readonly
        )

    def _device_of(self, x: Any) -> Device:
        native = getattr(x, "device", None)
        return CPU if native is None or native == self.device else LibraryDevice(native)

    def address(self, x: Any, /) -> int:
        """Return the address that NumPy finds by DLPack."""
        return int(self.export_host(x).__array_interface__["data"][0])

    def resolve_device(self, device: Device, /) -> Device | str:
        """Take the host, and the devices that the library lists."""
        listed = [] if self.device is None else trials.devices(self.namespace)
        if device.is_host or (isinstance(device, LibraryDevice) and device.native == self.device):
            return CPU
        native = device.native if isinstance(device, LibraryDevice) else None
        if native is not None and (
            native in listed or (not listed and type(native) is type(self.device))
        ):
            return device
        reason = f"{self.name} can't be on {device}"
        if listed:
            return errors.Reason(reason, f"Its devices are {', '.join(map(str, listed))}.")
        return errors.Reason(reason, "It holds host memory only.")

    def why_no_dtype_on(self, device: Device, dtype: str, /) -> str | None:
        """Return why a device does not support a dtype, according to the library, or None.

        The library is asked by ``__array_namespace_info__().dtypes(device=)``, if it has an
        answer.
        """
        if not isinstance(device, LibraryDevice) or trials.has_on(
            self.namespace, device.native, dtype
        ):
            return None
        narrower = _NARROWER.get(dtype, "")
        able = narrower and trials.has_on(self.namespace, device.native, narrower)
        return f"{device} has no {dtype}. " + (
            f'Pass dtype="{narrower}".' if able else "Convert it to another device."
        )

    def why_no_dtype(self, dtype: str, /) -> str | None:
        """Miss what does not come out of the namespace as it went in."""
        return (
            None
            if trials.has_dtype(self, dtype)
            else errors.Reason(f"{self.name} has no {dtype}", 'Pass dtype="float32".')
        )

    def why_not_adoptable(self, facts: Facts, /) -> str | None:  # noqa: ARG002 - the same for all
        """Refuse everything where nothing is ever shared."""
        return None if self.shares else f"{self.name} makes arrays in memory of its own only"

    def parse_device(self, spec: Any, /) -> Device:
        """Read a device of the library."""
        if self.device is None or type(spec) is not type(self.device):
            return super().parse_device(spec)
        return CPU if spec == self.device else LibraryDevice(spec)

    def parse_dtype(self, spec: Any, /) -> str:
        """Read a dtype object that is called like the standard's dtype."""
        return short_name(spec)

    def export(self, x: Any, stream: Stream | None, /) -> Any:  # noqa: ARG002 - host memory knows no streams
        """Return the array itself."""
        return x

    def export_host(self, x: Any, /) -> NDArray[Any]:
        """Return an ndarray over the same memory, or what the array gives NumPy to read."""
        if self._device_of(x) != CPU:
            msg = f"only {self.name} can read memory on {x.device}"
            raise BufferError(msg)
        view = trials.look(x)
        return np.asarray(x) if view is None else view

    def adopt(self, source: Any, stream: Stream | None, /) -> Any:  # noqa: ARG002
        """Return a native array over the memory of an ndarray, and see that it is this memory.

        The standard lets `from_dlpack` copy what it can't share, and say nothing.
        """
        try:
            x = self.namespace.from_dlpack(source)
        except Exception as error:  # a namespace may raise anything
            msg = f"{self.name}.from_dlpack refuses it ({errors.quote(error)})"
            raise BufferError(msg) from error
        view = trials.look(x)
        if source.size and (view is None or view.ctypes.data != source.ctypes.data):
            msg = f"{self.name}.from_dlpack copies it"
            raise BufferError(msg)
        return x

    def current_stream(self, device: Device, /) -> Stream:
        """Refuse: the standard has no name for the stream on which a library works."""
        reason = f"stream= cannot order the work of {self.name} on {device}"
        raise errors.UnsupportedArrayError(reason, target=self.name, hint="Leave stream= out.")

    def view(self, x: Any, index: Any, /) -> Any:
        """Return a slice; on a device of the library, the library's own."""
        if self._device_of(x) == CPU:
            return super().view(x, index)
        axes = index if isinstance(index, tuple) else (index,)
        return x[
            axes if ... in axes else (*axes, ...)
        ]  # the standard takes no fewer indices than axes

    def copy(self, x: Any, device: Device, dtype: str, /) -> Any:
        """Return a copy of a native array or an ndarray, on a given device.

        If the library moves the array to or from the host, the array is cast on the host.
        """
        here = CPU if isinstance(x, np.ndarray) else self._device_of(x)
        if here == device == CPU:
            return self._copy_on_host(x, dtype)
        try:
            return self._copy_by_library(x, here, device, dtype)
        except errors.InteropError:
            raise
        except Exception as error:  # a namespace may raise anything
            raise errors.UnsupportedArrayError(
                f"its library refuses that ({errors.quote(error)})",
                attempt="cannot copy an array of {source} to {target}",
                source=f"{self.name} from {here}",
                target=f"{device} as {dtype}",
            ) from error

    def _copy_by_library(self, x: Any, here: Device, device: Device, dtype: str) -> Any:
        """Return a copy on a device that only the library can address, or of an array there."""
        if here == device:
            return self.namespace.astype(x, getattr(self.namespace, dtype), copy=True)
        if here != CPU and short_name(x.dtype) == dtype:
            return self._moved(x, device)
        host = (
            self._brought_in(x, dtype)
            if here == CPU
            else self._copy_on_host(self._moved(x, CPU), dtype)
        )
        return host if device == CPU else self._moved(host, device)

    def _moved(self, x: Any, device: Device) -> Any:
        moved = x.to_device(self.device if device == CPU else device.native)  # type: ignore[attr-defined]
        if self._device_of(moved) != device:
            msg = f"it is on {moved.device} after to_device"
            raise RuntimeError(msg)
        return moved

    def _brought_in(self, x: Any, dtype: str) -> Any:
        """Return a native array on the host, over shared memory if possible.

        Sharing is enough, because moving the array will copy it.
        """
        if not isinstance(x, np.ndarray) and short_name(x.dtype) == dtype:
            return x
        if self.shares and x.dtype == dtype:
            with suppress(BufferError):
                return self.adopt(x, None)
        return self._copy_on_host(x, dtype)

    def _copy_on_host(self, x: Any, dtype: str) -> Any:
        """Return a copy made by NumPy if the copy can be handed over, or else by `asarray`."""
        array = x if isinstance(x, np.ndarray) else self.export_host(x)
        copies = not self.shares and trials.takes_copy(self.namespace)
        if not copies or array.dtype != dtype:
            array = _cast(array, dtype)
        if self.shares:
            with suppress(BufferError):
                return self.adopt(array, None)
        try:
            return (
                self.namespace.asarray(array, copy=True)
                if copies
                else self.namespace.asarray(array)
            )
        except Exception as error:  # a namespace may raise anything
            source = f"{dtype} {array.shape}"
            reason = f"{self.name} refuses an array of {source} ({errors.quote(error)})"
            raise errors.UnsupportedArrayError(reason, source=source, target=self.name) from error


def make_adapter(namespace: ModuleType) -> Adapter | None:
    """Make the adapter of a module that shares memory, or else copies; None if no array on the host comes out of it."""
    for shares in (True, False):
        adapter = _subclass(name=namespace.__name__, namespace=namespace, shares=shares)
        with suppress(Exception):  # whatever it raises, it makes no such arrays
            x = trials.made(adapter, trials.PROBE)
            if (
                short_name(x.dtype) == trials.PROBE
                and tuple(x.shape) == (1,)
                and trials.is_on_host(x)
            ):
                return _subclass(
                    name=namespace.__name__, namespace=namespace, shares=shares, array_type=type(x),
                    device=getattr(x, "device", None), honours_readonly=shares and trials.honours_readonly(adapter),
                )  # fmt: skip
    return None


def _subclass(**traits: Any) -> Adapter:
    return cast("Adapter", type("NamespaceAdapter", (NamespaceAdapter,), traits)())


def _cast(array: Any, dtype: str) -> NDArray[Any]:
    """Return a copy in native byte order, without reversed axes. What a cast loses was permitted by the caller."""
    array = without_imaginary(array, np.dtype(dtype))
    with np.errstate(all="ignore"):
        return np.array(array, dtype=dtype, order="K", copy=True)
