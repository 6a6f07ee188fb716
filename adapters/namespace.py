"""Any array-API namespace on host memory, as a target: an adapter made for a module with `from_dlpack` or `asarray`.

What the module does is not known. So it is tried, on arrays of one element: whether it shares memory, whether it
protects what is read-only, and which dtypes it has.
"""

from __future__ import annotations

import inspect
from contextlib import suppress
from functools import cache
from math import prod
from typing import TYPE_CHECKING, Any, ClassVar, Final, cast

import numpy as np

from interop import errors
from interop.adapter import CPU, PLAIN_DTYPES, Adapter, Device, Facts

if TYPE_CHECKING:
    from types import ModuleType

    from numpy.typing import NDArray

    from interop.handoff import Stream


_PROBE: Final = "float32"


class NamespaceAdapter(Adapter):
    """The arrays of one module. A subclass of this is made for each, see `make_adapter`."""

    copies_ndarrays: ClassVar[bool] = True
    namespace: ClassVar[ModuleType]
    shares: ClassVar[bool] = False
    """Whether its `from_dlpack` was seen to share memory; else every array is a copy."""
    device: ClassVar[Any] = None
    """What its arrays say of where they are."""

    def describe(self, x: Any, /) -> Facts:
        """Tell what the array says of itself, and of its memory what DLPack does; else it passes for contiguous."""
        shape, dtype, view = tuple(x.shape), _dtype_name(x.dtype), _look(x)
        if dtype not in PLAIN_DTYPES:
            return Facts(self.name, shape, dtype, CPU, unsupported=f"its dtype {x.dtype} is none of plain numbers")
        size = np.dtype(dtype).itemsize
        strides = view.strides if view is not None else tuple(size * prod(shape[n + 1 :]) for n in range(len(shape)))
        readonly = view is not None and not view.flags.writeable
        return Facts(self.name, shape, dtype, CPU, strides, size * prod(shape), readonly=readonly)

    def address(self, x: Any, /) -> int:
        """Return the address that NumPy finds by DLPack."""
        return int(self.export_host(x).__array_interface__["data"][0])

    def lacks(self, dtype: str, /) -> str | None:
        """Miss what does not come out of the namespace as it went in."""
        return None if _has(self, dtype) else f'{self.name} has no {dtype}. Pass dtype="float32".'

    def refuses(self, facts: Facts, /) -> str | None:  # noqa: ARG002 - the same for all
        """Refuse everything where nothing is ever shared."""
        return None if self.shares else f"{self.name} makes arrays in memory of its own only"

    def parse_device(self, spec: Any, /) -> Device:
        """Read the device that its arrays on the host are on."""
        return CPU if type(spec) is type(self.device) and spec == self.device else super().parse_device(spec)

    def parse_dtype(self, spec: Any, /) -> str:
        """Read a dtype object that is called like the standard's dtype."""
        return _dtype_name(spec)

    def export(self, x: Any, stream: Stream | None, /) -> Any:  # noqa: ARG002 - host memory knows no streams
        """Return the array itself."""
        return x

    def export_host(self, x: Any, /) -> NDArray[Any]:
        """Return an ndarray over the same memory, or what the array gives NumPy to read."""
        view = _look(x)
        return np.asarray(x) if view is None else view

    def adopt(self, source: Any, stream: Stream | None, /) -> Any:  # noqa: ARG002
        """Return a native array over the memory of an ndarray, and see that it is this memory.

        The standard lets `from_dlpack` copy what it can't share, and say nothing.
        """
        try:
            x = self.namespace.from_dlpack(source)
        except Exception as error:  # a namespace may raise anything
            msg = f"{self.name}.from_dlpack refuses it ({type(error).__name__}: {error})"
            raise BufferError(msg) from error
        view = _look(x)
        if source.size and (view is None or view.ctypes.data != source.ctypes.data):
            msg = f"{self.name}.from_dlpack copies it"
            raise BufferError(msg)
        return x

    def copy(self, x: Any, device: Device, dtype: str, /) -> Any:  # noqa: ARG002 - there is one device
        """Return a copy of a native array or an ndarray: by NumPy, if it can be handed over, else by `asarray`."""
        array = x if isinstance(x, np.ndarray) else self.export_host(x)
        copies = not self.shares and _takes_copy(self.namespace)
        if not copies or array.dtype != dtype:
            array = _cast(array, dtype)
        if self.shares:
            with suppress(BufferError):
                return self.adopt(array, None)
        try:
            return self.namespace.asarray(array, copy=True) if copies else self.namespace.asarray(array)
        except Exception as error:  # a namespace may raise anything
            msg = f"{self.name} refuses an array of {dtype} {array.shape} ({type(error).__name__}: {error})"
            raise errors.UnsupportedArrayError(msg) from error


def make_adapter(namespace: ModuleType) -> Adapter | None:
    """Make the adapter of a module that shares memory, or else copies; None if no array on the host comes out of it."""
    for shares in (True, False):
        adapter = _subclass(name=namespace.__name__, namespace=namespace, shares=shares)
        with suppress(Exception):  # whatever it raises, it makes no such arrays
            x = _made(adapter, _PROBE)
            if _dtype_name(x.dtype) == _PROBE and tuple(x.shape) == (1,) and _is_on_host(x):
                return _subclass(
                    name=namespace.__name__, namespace=namespace, shares=shares, array_type=type(x),
                    device=getattr(x, "device", None), honours_readonly=shares and _honours_readonly(adapter),
                )  # fmt: skip
    return None


def _subclass(**traits: Any) -> Adapter:
    return cast("Adapter", type("NamespaceAdapter", (NamespaceAdapter,), traits)())


# -- trials --------------------------------------------------------------------------------------------------------


def _made(adapter: Any, dtype: str) -> Any:
    array = np.zeros(1, dtype)
    return adapter.adopt(array, None) if adapter.shares else adapter.copy(array, CPU, dtype)


@cache
def _has(adapter: Adapter, dtype: str) -> bool:
    """Whether an array of a dtype comes out as it went in."""
    if dtype not in PLAIN_DTYPES:
        return False
    try:
        return _dtype_name(_made(adapter, dtype).dtype) == dtype
    except Exception:  # noqa: BLE001 - a namespace may raise anything
        return False


def _honours_readonly(adapter: Adapter) -> bool:
    """Whether read-only memory is shared, known as such afterwards, and not written to by an assignment."""
    memory = np.zeros(1, _PROBE)
    protected = memory.view()
    protected.flags.writeable = False
    try:
        x = adapter.adopt(protected, None)
    except BufferError:
        return False
    with suppress(Exception):  # it is to raise, whatever it likes
        x[0] = 1
    view = _look(x)
    return view is not None and not view.flags.writeable and not memory.any()


def _is_on_host(x: Any) -> bool:
    return not hasattr(x, "__dlpack_device__") or Device(*map(int, x.__dlpack_device__())).is_host


# -- looking at arrays of unknown classes -----------------------------------------------------------------------------


def _look(x: Any) -> NDArray[Any] | None:
    """Return an ndarray over the memory of an array; None if it can't be lent."""
    try:
        return np.from_dlpack(x)
    except Exception:  # noqa: BLE001 - a producer may raise anything
        return None


def _dtype_name(dtype: Any) -> str:
    """Return the standard's name of a dtype: libraries call it by that, some with their own name in front."""
    return str(dtype).rpartition(".")[2]


def _takes_copy(namespace: ModuleType) -> bool:
    try:
        return "copy" in inspect.signature(namespace.asarray).parameters
    except ValueError:  # written in C and silent about it
        return False


def _cast(array: Any, dtype: str) -> NDArray[Any]:
    """Return a copy in native byte order, without reversed axes. What a cast loses was permitted by the caller."""
    if array.dtype.kind == "c" and np.dtype(dtype).kind not in "bc":
        array = array.real  # what the cast does, without NumPy's warning
    with np.errstate(all="ignore"):
        return np.array(array, dtype=dtype, order="K", copy=True)
