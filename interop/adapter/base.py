"""The contract between the core and a framework: facts, and a few verbs.

A framework joins by one subclass of `Adapter`. It states what is so and does what it is told; every choice
(share or copy, where, why) is made in `interop._engine.planner`. Standard library only, so that importing it is free.
"""

from __future__ import annotations

import os
from contextlib import nullcontext
from importlib import import_module
from typing import TYPE_CHECKING, Any, ClassVar, Final

from interop.adapter.device import CPU, HOST, Device

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Mapping, Sequence
    from contextlib import AbstractContextManager
    from types import ModuleType

    from numpy.typing import NDArray

    from interop.adapter.facts import Facts
    from interop.adapter.streams import Stream

    Call = Callable[[Any], Any]
    FastPath = tuple[Callable[[Any], bool], Call, Call]
    Compiled = tuple[Call, Call, Call]

__all__ = ["INDEX", "Adapter", "find_compiled"]

_WHOLE_ELEMENTS: Final = {"complex64": 8, "complex128": 16}
"""Bytes of one element. NumPy also takes complex numbers at multiples of half of that, the size of a real number."""


def find_compiled(module: str) -> ModuleType | None:
    """Import the compiled half of a module, if it was built; ``INTEROP_COMPILED=0`` in the environment forbids it."""
    try:
        return None if os.environ.get("INTEROP_COMPILED") == "0" else import_module(module)
    except ImportError:
        return None


def _nothing_to_wait_for() -> None:
    pass


_INDICES: Final = (
    "counts",
    "indices",
    "inverse_indices",
)  # of `unique_all` and its kin in the array API
INDEX: Final[Mapping[str, Any]] = {"dtype": None}
"""Keywords for arrays of indices, which no `dtype=` is meant for."""


class Adapter:
    """One framework, for the core. Keeps no state and decides nothing.

    Everything that shares memory may answer with a BufferError whose text is the reason; the core then plans once
    more, with that reason. The defaults suit a framework of host memory that speaks DLPack.
    """

    name: ClassVar[str]
    array_type: type[Any]
    """The class of native arrays. Subclasses of it, from any package, are native too."""
    scalar_types: tuple[type[Any], ...] = ()
    """Classes of numbers that can be read as arrays, but are none: they pass through trees."""
    device_kinds: ClassVar[frozenset[int]] = HOST
    """The DLPack device kinds that this framework can allocate on, GPU present or not."""
    default_device: ClassVar[Device] = CPU
    """Where an array goes that cannot stay where it is."""
    honours_readonly: ClassVar[bool] = False
    """Whether a native array can refuse to be written to."""
    ndarray_native: ClassVar[bool] = False
    """Whether native arrays are ndarrays, so that `adopt_host` is the identity."""
    copies_ndarrays: ClassVar[bool] = False
    """Whether `copy` takes an ndarray as it is: then memory that can't be adopted is copied here, not by its owner."""
    lazy: ClassVar[bool] = False
    """Whether arrays are computed later: see `interop.adapter.lazy`, whose adapters are."""
    immutable: ClassVar[bool] = False
    """Whether nothing native can be written to, copies included: then the target makes the copies on the host."""
    copies_fast: ClassVar[bool] = False
    """Whether large arrays on the host are copied near the memory's speed, at the price of a slower call."""

    # -- questions ---------------------------------------------------------------------------------------------

    def describe(self, x: Any, /) -> Facts:
        """Tell the facts of a native array. No copy, no synchronisation, no computation."""
        raise NotImplementedError

    def address(self, x: Any, /) -> int:
        """Return where element ``[0, 0, ...]`` is. Apart from `describe`, because for some it takes longer."""
        raise NotImplementedError

    def resolve_device(self, device: Device, /) -> Device | str:
        """Return `device` with its id filled in, or the reason why this framework can't have memory there."""
        return CPU if device.is_host else f"{self.name} holds host memory only"

    def why_no_dtype(self, dtype: str, /) -> str | None:
        """Return why there is no such dtype here, and what to write instead; None if there is."""
        raise NotImplementedError

    def why_no_dtype_on(self, device: Device, dtype: str, /) -> str | None:  # noqa: ARG002 - a default answer
        """Return why a device lacks a dtype of the framework, and an alternative, or None."""
        return None

    def why_not_adoptable(self, facts: Facts, /) -> str | None:  # noqa: ARG002 - a question with a default answer
        """Return why memory laid out like this can't be adopted (negative strides); None if it can."""
        return None

    def why_misread(self, x: Any, /) -> str | None:  # noqa: ARG002 - a question with a default answer
        """Return why functions of plain arrays may read wrong values from a native array (a mask); None if not."""
        return None

    def alignment(self, dtype: str, /) -> int:
        """Return the number of bytes of which an address on the host must be a multiple to be adopted.

        1 if every array will do that NumPy calls aligned. Memory at another address is copied. The default is what
        vectorised kernels in C++ want: `std::complex` at multiples of its size.
        """
        return _WHOLE_ELEMENTS.get(dtype, 1)

    def parse_device(self, spec: Any, /) -> Device:
        """Read the framework's own device object; raise TypeError or ValueError if it is none."""
        msg = f"{spec!r} is no device of {self.name}"
        raise TypeError(msg)

    def parse_dtype(self, spec: Any, /) -> str:
        """Read the framework's own dtype object or name; raise TypeError or ValueError if it is none."""
        msg = f"{spec!r} is no dtype of {self.name}"
        raise TypeError(msg)

    def is_tracing(self) -> bool:
        """Whether the framework's compiler is reading the program, instead of the interpreter running it."""
        return False

    def fixed_keywords(self, container: type, /) -> Mapping[str, Mapping[str, Any]]:
        """Return, by field of a container class of this framework, the keywords that are fixed for arrays there.

        Indices, for example, have no other dtype whatever the caller wants of the values. By default those that
        the array API names so are.
        """
        return {name: INDEX for name in _INDICES if hasattr(container, name)}

    # -- the same memory: BufferError with the reason where it can't be done --------------------------------------

    def export(self, x: Any, stream: Stream | None, /) -> Any:
        """Return an object that speaks DLPack for the same memory, ordered for `stream`. THE safety gate.

        If the memory can be reused before `stream` is done with it, the object has a `lease` that must outlive every
        use: an attribute with an `interop.adapter.streams.Lease`, or memory that owns one. Host memory has no
        stream: None.
        """
        raise NotImplementedError

    def owned(self, x: Any, owner: Any, /) -> Any:
        """Return a native array over the same device memory that keeps `owner` alive, in what it exports, too.

        Only a framework whose `export` has a lease as an attribute is asked: for consumers that know of none.
        """
        raise NotImplementedError

    def adopt(self, source: Any, stream: Stream | None, /) -> Any:
        """Return a native array over the memory of an object that speaks DLPack. Never a copy."""
        raise NotImplementedError

    def export_host(self, x: Any, /) -> NDArray[Any]:
        """Return an ndarray over the same host memory, any dtype that `why_no_dtype` knows included."""
        import numpy as np  # noqa: PLC0415 - the contract itself loads nothing

        return np.from_dlpack(self.export(x, None))

    def adopt_host(self, array: NDArray[Any], /) -> Any:
        """Return a native array over the memory of an ndarray, a read-only one included. Never a copy."""
        needed = self.alignment(array.dtype.name)
        if (
            needed > 1 and array.size and array.ctypes.data % needed
        ):  # a remembered plan does not know the address
            msg = f"{self.name} needs {needed} bytes of alignment"
            raise BufferError(msg)
        return self.adopt(array, None)

    # -- streams: for frameworks that hold device memory ----------------------------------------------------------

    def current_stream(self, device: Device, /) -> Stream:
        """Return the stream on which the framework works on `device` now."""
        raise NotImplementedError

    def using(self, stream: Stream, /) -> AbstractContextManager[Any]:  # noqa: ARG002
        """Return a context in which `stream` is the current one; one that does nothing, without device memory."""
        return nullcontext()

    def wait_stream(self, first: Stream, second: Stream, device: Device, /) -> None:
        """Let the second stream wait for what is pending on the first: one event and one wait, or nothing."""
        raise NotImplementedError

    def is_capturing(self, stream: Stream, device: Device, /) -> bool:
        """Whether a CUDA graph is being captured from the stream, which then must be left alone."""
        raise NotImplementedError

    def synchronize(self, device: Device, /) -> None:
        """Wait for all that is pending on a device: the last resort where `wait_stream` fails."""
        raise NotImplementedError

    # -- other memory --------------------------------------------------------------------------------------------

    def copy(self, x: Any, device: Device, dtype: str, /) -> Any:
        """Return an independent array there: lazy bits resolved, native byte order, no negative strides, aligned.

        Complete on return when it comes to the host. Where a framework holds no host memory, an ndarray stands for
        its host arrays: `copy` gives one for a device of the host, and takes one to upload it.
        """
        raise NotImplementedError

    def copy_within(self, x: Any, device: Device, dtype: str, /) -> Any:
        """Return an independent array in this framework, copied as the array's subclass does.

        As `copy`. A subclass keeps its class and state (attributes, metadata), or gives up both: never the class alone.
        """
        return self.copy(x, device, dtype)

    def stack(self, arrays: Sequence[Any], axis: int, /) -> Any:
        """Return native arrays of one shape, dtype and device stacked along a new axis, in new memory on their device.

        By default by their array-API namespace, which array-api-compat knows; NotImplemented if it does not.
        """
        from array_api_compat import array_namespace  # noqa: PLC0415 - the contract itself loads nothing

        try:
            namespace = array_namespace(arrays[0])
        except TypeError:
            return NotImplemented
        return namespace.stack(arrays, axis=axis)

    def with_numpy_dtype(self, x: Any, /) -> Any:
        """Return an array without elements as one of its class whose ``dtype`` is NumPy's, as Dask wants it."""
        return x

    # -- memory that is there: for `interop.copyto`. Without device memory, the defaults do ----------------------------

    def view(self, x: Any, index: Any, /) -> Any:
        """Return a view of a native array by basic slices, without its gradient, whatever its subclass redefines."""
        return self.adopt_host(self.export_host(x)[index])

    def assign(self, x: Any, source: Any, /) -> None:
        """Write the values of another native array of this shape into `x`, cast to its dtype in silence.

        On a device in the order of the framework's current stream there; from another device, too. Then `source` may
        also be a C-contiguous ndarray, which must not change before a `record_event` that is made later has passed.
        """
        import numpy as np  # noqa: PLC0415 - the contract itself loads nothing

        np.copyto(self.export_host(x), self.export_host(source), casting="unsafe")

    def mark_modified(self, x: Any, /) -> None:
        """Take note that the host memory of a native array is about to be written to behind the framework's back."""

    def download_into(self, x: Any, out: NDArray[Any], /) -> None:
        """Write the values of an array on a device into a C-contiguous ndarray of its shape and dtype.

        Pinned memory may be written in the order of the current stream: it is complete when a later `record_event` has passed.
        """
        host = self.copy(x, CPU, self.describe(x).dtype)
        out[...] = self.export_host(host)

    def pinned(self, nbytes: int, /) -> NDArray[Any]:
        """Return new uint8 memory of the host that devices read and write in the background; without such, plain."""
        import numpy as np  # noqa: PLC0415 - the contract itself loads nothing

        return np.empty(nbytes, np.uint8)

    def record_event(self, device: Device, /) -> Callable[[], object]:  # noqa: ARG002
        """Mark the end of what is pending on a device's current stream; return a function that waits for it."""
        return _nothing_to_wait_for

    def page_out(self, x: Any, /) -> None:
        """Let go of the pages of a file that an array is mapped from, read or written: they need not be resident."""

    # -- optional: quick ways for plain arrays of exactly one of the `plain_types` -------------------------------------

    @property
    def plain_types(self) -> tuple[type[Any], ...]:
        """`array_type`, and subclasses of it that redefine nothing of what an adapter asks or calls."""
        return (self.array_type,)

    def fingerprint(self, x: Any, /) -> Hashable | None:  # noqa: ARG002 - optional
        """Return all that `describe` depends on in one value, quicker; None if it depends on more than the array.

        Of two arrays of one class with equal fingerprints a plan is made once. Host memory only.
        """
        return None

    def fast_export_host(self) -> FastPath | None:
        """Return a question and two native calls ``array -> ndarray``, which share memory as `export_host`, or raise.

        The question must exclude what the calls would get wrong in silence. All are best written in C. The second
        call is for arrays that may lose their gradient (``detach=True``).
        """
        return None

    def fast_adopt_host(self) -> FastPath | None:
        """Return a question about an ndarray and two native calls ``ndarray -> array`` that share it, or raise."""
        return None

    def compiled_export_host(self) -> Compiled | None:
        """Return three calls ``array -> ndarray`` without a question: plain, with ``detach=True``, with ``copy=True``.

        Where an array is not plain, or where something would have to be said, they answer NotImplemented.
        """
        return None

    def compiled_adopt_host(self) -> Compiled | None:
        """Return three calls ``ndarray -> array``, likewise."""
        return None
