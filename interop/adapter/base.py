"""The contract between interop and a framework: subclass `Adapter`, state facts, do what is asked.

The core decides everything else: share or copy, on which side, in which order, and in which words
an error says so. A new adapter of host memory writes

- the attributes ``name`` and ``array_type``;
- the methods ``describe``, ``address``, ``why_no_dtype`` and ``copy``;
- either ``export`` and ``adopt`` (the framework speaks DLPack) or ``export_host`` and
  ``adopt_host`` (the framework speaks NumPy).

All other methods have defaults. `HooksMixin` and the modules `interop.adapter.writable`,
`interop.adapter.fastpath` and `interop.adapter.streams` say who needs them. A framework with device
memory subclasses `interop.adapter.DeviceAdapter`. A framework whose arrays are read or computed
first subclasses `interop.adapter.ReadAdapter` or `interop.adapter.LazyAdapter`.

An adapter can say no in six ways. Each answer is a reason in words, which the core puts into an
error or into ``Plan.reason``.

``Facts.unsupported``
    The array has no plain numbers (sparse, object dtype). Every conversion raises
    UnsupportedArrayError with this text, so the text ends with what to write instead.
``Facts.not_shareable``
    The array has numbers, but nobody can use the memory as it is (byte order, a lazy bit, the
    address). The core calls ``copy`` first, and ``copy=False`` raises CopyRequiredError.
``Facts.needs_read``
    There is no memory yet (a file, a lazy array). The core calls ``ReadAdapter.read`` and plans
    again.
``Adapter.why_no_dtype`` and ``Adapter.why_no_dtype_on``
    As a target, the framework lacks a dtype, or a device does. Only another ``dtype=`` helps, so
    the text names one.
``Adapter.why_not_adoptable``
    As a target, the framework cannot use memory with this layout. The core makes a copy first.
``BufferError``, raised by ``export``, ``adopt``, ``export_host`` and ``adopt_host``
    Only the attempt shows that the memory cannot be shared. The core plans once more, with a copy
    for the reason that the error gives.

Reasons that end up in an error (``unsupported``, ``why_no_dtype``, ``why_no_dtype_on`` and
``resolve_device``) may be an `interop.errors.Reason`, which adds a hint. The other reasons are
clauses without a full stop and without a hint, because the core puts them behind the word
"because".

A device that the framework cannot use is a reason that ``Adapter.resolve_device`` returns in the
place of a device. ``Adapter.why_misread`` concerns only arguments of decorated functions.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Final

from interop.adapter.capsule import as_ndarray
from interop.adapter.device import CPU, HOST, Device
from interop.adapter.fastpath import FastPathMixin
from interop.adapter.streams import StreamMixin
from interop.adapter.writable import WritableMixin

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from interop.adapter.facts import Facts
    from interop.adapter.streams import Stream

__all__ = ["INDEX", "Adapter", "HooksMixin"]

INDEX: Final[Mapping[str, Any]] = {"dtype": None}
"""Keywords that are fixed for arrays of indices: a ``dtype=`` for the values does not apply."""
_INDEX_FIELDS: Final = ("counts", "indices", "inverse_indices")
"""Fields of the results of ``unique_all`` and the related functions of the array API."""
_COMPLEX_ALIGNMENT: Final = {"complex64": 8, "complex128": 16}
"""In bytes: the size of an element. NumPy aligns a complex number to half of that."""


class HooksMixin:
    """The part of `Adapter` that supports compilers, containers and Dask."""

    def is_tracing(self) -> bool:
        """Return whether a compiler of the framework traces the running program."""
        return False

    def fixed_keywords(self, container: type, /) -> Mapping[str, Mapping[str, Any]]:
        """Return the keywords that `convert_tree` keeps fixed, by field of a container class.

        For example, ``{"indices": INDEX}`` keeps the dtype of the indices, whichever ``dtype=`` the
        caller requests for the values. The default covers the names of the array API.
        """
        return {name: INDEX for name in _INDEX_FIELDS if hasattr(container, name)}

    def with_numpy_dtype(self, x: Any, /) -> Any:
        """Return an array without elements whose ``dtype`` is a NumPy dtype.

        The result is an instance of the class of `x`. Dask reads the dtype of blocks from it.
        """
        return x


class Adapter(WritableMixin, HooksMixin, FastPathMixin, StreamMixin):
    """One framework, for the core. An adapter keeps no state and decides nothing.

    The defaults suit a framework that holds host memory and speaks DLPack. See
    `interop.adapter.base` for the methods that each adapter writes and for the ways to say no.
    """

    name: ClassVar[str]
    """The name of the framework as a target, for example ``"torch"``."""
    array_type: type[Any]
    """The class of native arrays. Its subclasses, from any package, are native too."""
    scalar_types: tuple[type[Any], ...] = ()
    """Classes of single numbers that read like arrays. Trees leave these numbers unchanged."""
    device_kinds: ClassVar[frozenset[int]] = HOST
    """The DLPack device kinds (``DLDeviceType``) that the framework supports, if present."""
    device_aliases: ClassVar[Mapping[int, int]] = {}
    """Other device kinds that callers may write in ``device=``, and the kinds that are meant.

    The ROCm builds of torch and CuPy call their devices "cuda", so there ``"cuda"`` means ROCm.
    """
    default_device: ClassVar[Device] = CPU
    """The device of a result if the framework does not support the device of the source."""
    honours_readonly: ClassVar[bool] = False
    """Whether native arrays over read-only memory refuse writes. If not, such memory is copied."""
    ndarray_native: ClassVar[bool] = False
    """Whether native arrays are ndarrays, so that `adopt_host` returns the argument."""
    copies_ndarrays: ClassVar[bool] = False
    """Whether `copy` also takes an ndarray of any dtype, and so copies what cannot be adopted."""
    lazy: ClassVar[bool] = False
    """Whether arrays are computed later. True only for `interop.adapter.lazy.LazyAdapter`."""
    immutable: ClassVar[bool] = False
    """Whether even new copies are read-only. The target then makes the copies on the host."""
    copies_fast: ClassVar[bool] = False
    """Whether `copy` reaches memory bandwidth for large host arrays, although a call costs more."""

    # -- facts -------------------------------------------------------------------------------------

    def describe(self, x: Any, /) -> Facts:
        """Return the facts about a native array without a copy, synchronisation or computation."""
        raise NotImplementedError

    def address(self, x: Any, /) -> int:
        """Return the address in bytes of element ``[0, 0, ...]``.

        This is not one of the `Facts`, because reading an address is slow in some frameworks.
        """
        raise NotImplementedError

    def why_misread(self, x: Any, /) -> str | None:  # noqa: ARG002 - a default answer
        """Return why code for plain arrays would misread a native array (a mask), or None.

        A function decorated with `interop.implemented_in` refuses such an argument for this reason.
        """
        return None

    # -- devices and dtypes ------------------------------------------------------------------------

    def resolve_device(self, device: Device, /) -> Device | str:
        """Return a device with its id filled in, or the reason why the framework cannot use it."""
        return CPU if device.is_host else f"{self.name} holds host memory only"

    def parse_device(self, spec: Any, /) -> Device:
        """Convert a device object of the framework, given as ``device=``, into a `Device`.

        Raises
        ------
        TypeError, ValueError
            The object is not a device of the framework.
        """
        msg = f"{spec!r} is not a device of {self.name}"
        raise TypeError(msg)

    def why_no_dtype(self, dtype: str, /) -> str | None:
        """Return why the framework lacks a dtype and what to write instead, or None.

        The argument is one of `PLAIN_DTYPES` or `EXTENDED_DTYPES`.
        """
        raise NotImplementedError

    def why_no_dtype_on(self, device: Device, dtype: str, /) -> str | None:  # noqa: ARG002
        """Return why a device lacks a dtype of the framework and what to write instead, or None."""
        return None

    def parse_dtype(self, spec: Any, /) -> str:
        """Convert a dtype object of the framework, given as ``dtype=``, into a name (``"int8"``).

        Raises
        ------
        TypeError, ValueError
            The object is not a dtype of the framework.
        """
        msg = f"{spec!r} is not a dtype of {self.name}"
        raise TypeError(msg)

    # -- sharing: all methods raise BufferError with the reason if memory cannot be shared ---------

    def why_not_adoptable(self, facts: Facts, /) -> str | None:  # noqa: ARG002 - a default answer
        """Return why memory with a given layout cannot be adopted (negative strides), or None."""
        return None

    def alignment(self, dtype: str, /) -> int:
        """Return the number of bytes of which the address of adopted host memory is a multiple.

        1 accepts every array that NumPy calls aligned. Memory at other addresses is copied. By
        default, complex numbers are aligned to their whole size, as kernels in C++ require.
        """
        return _COMPLEX_ALIGNMENT.get(dtype, 1)

    def export(self, x: Any, stream: Stream | None, /) -> Any:
        """Return an object that exports the memory of a native array by DLPack.

        This is the safety gate: after it, other code holds the memory. `stream` is None for host
        memory. On a device, the object is ready for work on `stream`. If the memory could be reused
        before that work is done, the object has an attribute `lease` with a
        `interop.adapter.lease.Lease`, or exports memory that owns a lease. `DeviceAdapter` does
        this.
        """
        raise NotImplementedError

    def adopt(self, source: Any, stream: Stream | None, /) -> Any:
        """Return a native array over the memory of an object that speaks DLPack, never a copy.

        On a device, the memory is ready for work on `stream`.
        """
        raise NotImplementedError

    def export_host(self, x: Any, /) -> NDArray[Any]:
        """Return an ndarray over the memory of a native array on the host.

        Every dtype without a reason from `why_no_dtype` is supported, by ml_dtypes if need be.
        """
        return as_ndarray(self.export(x, None))

    def adopt_host(self, array: NDArray[Any], /) -> Any:
        """Return a native array over the memory of an ndarray, read-only or not, never a copy."""
        needed = self.alignment(array.dtype.name)
        # The planner checks the address, but a cached plan serves arrays at other addresses, too.
        if needed > 1 and array.size and array.ctypes.data % needed:
            msg = f"{self.name} needs {needed} bytes of alignment"
            raise BufferError(msg)
        return self.adopt(array, None)

    # -- copies ------------------------------------------------------------------------------------

    def copy(self, x: Any, device: Device, dtype: str, /) -> Any:
        """Return an independent array on a device of the framework, cast without a warning.

        The result is aligned and in native byte order, has no negative strides and no pending lazy
        operation. A copy to the host is complete on return. Between the host and a device, the cast
        is made on the side from which fewer bytes travel. A framework without host memory
        (`device_kinds`) returns an ndarray for a device of the host, and takes an ndarray to
        upload.
        """
        raise NotImplementedError

    def copy_within(self, x: Any, device: Device, dtype: str, /) -> Any:
        """Return an independent array of the same framework, copied as the subclass copies.

        As `copy`. The result has the class and the state of a subclass (attributes, metadata), or
        neither of the two.
        """
        return self.copy(x, device, dtype)

    def stack(self, arrays: Sequence[Any], axis: int, /) -> Any:
        """Return native arrays of equal shape, dtype and device, stacked along a new axis.

        The result is new memory on the same device. The default is ``stack`` of the array-API
        namespace that array-api-compat knows, or NotImplemented if there is none.
        """
        from array_api_compat import array_namespace  # noqa: PLC0415 - the contract loads nothing

        try:
            namespace = array_namespace(arrays[0])
        except MemoryError:
            raise
        except Exception:  # noqa: BLE001 - no namespace is known, or a metaclass raises anything
            return NotImplemented
        return namespace.stack(arrays, axis=axis)
