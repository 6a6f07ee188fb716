"""NumPy: host memory, and the form in which all host memory crosses."""

from __future__ import annotations

import mmap
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any, ClassVar, Final, cast

import numpy as np

from interop import errors
from interop.adapter import CPU, EXTENDED_DTYPES, PLAIN_DTYPES, Adapter, Device, Facts, capsule

from .._meanings import lost_by_subclass, lost_mask
from . import hints

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from interop.adapter.streams import Stream

# A dict by dtype answers in 30 ns, `dtype.name` in 1500.
_DTYPES: Final[dict[str, np.dtype[Any]]] = {name: np.dtype(name) for name in PLAIN_DTYPES}
_NAME: Final[dict[Any, str]] = {dtype: name for name, dtype in _DTYPES.items()}
_SHARED: Final = ("r", "r+", "w+")  # modes of a `numpy.memmap`
_ADDED: Final = 2  # what `dtype.isbuiltin` says of a dtype that a package has added
_UNVERSIONED: Final = (
    b"numpy_dltensor"  # NumPy's name of a capsule that it has adopted, from before DLPack 1.0
)
_OWN: Final = frozenset(map(id, _DTYPES.values()))


class NumPyAdapter(Adapter):
    """`numpy.ndarray`, its subclasses, and NumPy scalars (which must be read into a 0-d array)."""

    name: ClassVar[str] = "numpy"
    array_type = np.ndarray
    scalar_types = (np.generic,)
    honours_readonly: ClassVar[bool] = True
    ndarray_native: ClassVar[bool] = True

    def describe(self, x: Any, /) -> Facts:
        """Tell the facts of an ndarray or a NumPy scalar."""
        if isinstance(x, np.generic):
            array = np.asarray(x)
            reason = "a NumPy scalar has no memory to share"
            return _facts(array)._replace(needs_read=reason)
        return _facts(x)

    def address(self, x: Any, /) -> int:
        """Return the address that the array interface names."""
        return int(x.__array_interface__["data"][0])

    def resolve_device(self, device: Device, /) -> Device | str:
        """Accept the host only, and say who holds the rest."""
        if device.is_host:
            return CPU
        return "NumPy holds host memory only. For a GPU, use interop.to_cupy or interop.to_torch."

    def why_no_dtype(self, dtype: str, /) -> str | None:
        """Miss nothing but what ml_dtypes would add."""
        if _dtype(dtype) is not None:
            return None
        return f'NumPy has no {dtype} without ml_dtypes. Run pip install ml-dtypes, or pass dtype="float32".'

    def why_misread(self, x: Any, /) -> str | None:
        """Return why a function without mask support would misread an array, or None.

        Such a function reads the values under the mask.
        """
        return None if type(x) is np.ndarray else lost_mask(x)

    def alignment(self, dtype: str, /) -> int:  # noqa: ARG002 - the same for all
        """Read from any address."""
        return 1

    def parse_dtype(self, spec: Any, /) -> str:
        """Read whatever `numpy.dtype` reads."""
        dtype = np.dtype(spec)
        return _NAME.get(dtype) or dtype.name

    def export(self, x: Any, stream: Stream | None, /) -> Any:  # noqa: ARG002 - host memory knows no streams
        """Return the array as a plain ndarray for export.

        A subclass may redefine DLPack.
        """
        return self.export_host(x)

    def adopt(self, source: Any, stream: Stream | None, /) -> NDArray[Any]:  # noqa: ARG002
        """Return an ndarray over a DLPack source; read-only where its producer says so or says nothing."""
        return np.from_dlpack(source)

    def export_host(self, x: Any, /) -> NDArray[Any]:
        """Return the array itself, without its subclass, and with the dtype that others know by this name."""
        array = x if type(x) is np.ndarray else x.view(np.ndarray)
        if id(array.dtype) in _OWN:
            return array
        dtype = _DTYPES.get(_NAME.get(array.dtype, ""))
        return array if dtype is None else array.view(dtype)  # numpy.longlong, or one with metadata

    def adopt_host(self, array: NDArray[Any], /) -> NDArray[Any]:
        """Return the array itself."""
        return array

    def copy(self, x: Any, device: Device, dtype: str, /) -> NDArray[Any]:  # noqa: ARG002 - there is one device
        """Return a copy in order "K": the axes as they lie in memory, without reversed ones.

        A cast is silent: the planner has asked whether it may lose something, and the caller has said so.
        """
        return _copied(x if type(x) is np.ndarray else _plain(x), dtype)

    def copy_within(self, x: Any, device: Device, dtype: str, /) -> NDArray[Any]:
        """Copy an array by the subclass, or as a plain ndarray if the subclass cannot copy.

        A subclass that copies itself keeps its state.

        Raises
        ------
        UnsupportedArrayError
            The plain ndarray would have lost a mask or a unit (decision 0026).
        """
        if type(x) is np.ndarray or isinstance(x, np.generic):
            return self.copy(x, device, dtype)
        try:
            copied = _copied(x, dtype)
            fits = _is_copy(copied, x, _dtype(dtype) or x.dtype)
        except Exception:  # noqa: BLE001 - a subclass may answer anything
            fits = False
        result = _with_state(copied, x) if fits else self.copy(x, device, dtype)
        if type(result) is np.ndarray and (lost := lost_by_subclass(x)):
            raise errors.UnsupportedArrayError(f"cannot copy {self.describe(x)}: {lost}")
        return result

    def view(self, x: Any, index: Any, /) -> NDArray[Any]:
        """Return a view, of no subclass."""
        return self.export_host(x)[index]

    def assign(self, x: NDArray[Any], source: NDArray[Any], /) -> None:
        """Write values, whatever the layouts and byte orders; the cast is that of `copy`."""
        with np.errstate(all="ignore"):
            np.copyto(x, _castable(source, x.dtype), casting="unsafe")

    def page_out(self, x: NDArray[Any], /) -> None:
        """Let go of the pages of a `numpy.memmap` that writes to its file, or to nothing: they are the file's cache."""
        mapped = _shared_mapping(x)
        if mapped is None or not x.size:
            return
        start = np.frombuffer(mapped, np.uint8).__array_interface__["data"][0]
        low, high = np.lib.array_utils.byte_bounds(x)
        first = (low - start) // mmap.PAGESIZE * mmap.PAGESIZE
        with suppress(OSError):  # a file system whose pages are others
            mapped.madvise(mmap.MADV_DONTNEED, first, high - start - first)

    def fingerprint(self, x: Any, /) -> Any:
        """Return what `_facts` reads; the flags tell alignment too."""
        return x.dtype, x.shape, x.strides, x.flags.num


def _plain(x: Any) -> NDArray[Any]:
    """Return a plain ndarray, regardless of overrides in a subclass."""
    return np.asarray(x) if isinstance(x, np.generic) else np.ndarray.view(x, np.ndarray)


def _copied(x: Any, dtype: str) -> Any:
    wanted = _dtype(dtype)
    if wanted is None or x.dtype == wanted:  # one that can't leave NumPy stays what it is
        return x.copy("K")
    return _cast(x, wanted)


def _is_copy(copied: Any, x: Any, dtype: np.dtype[Any]) -> bool:
    """Return whether a subclass has made the copy that the plan promised."""
    likely = isinstance(copied, np.ndarray) and copied.shape == _plain(x).shape
    return likely and copied.dtype == dtype and not np.may_share_memory(copied, x)


def _with_state(copied: NDArray[Any], x: Any) -> NDArray[Any]:
    """Return a copy as a plain ndarray if attributes of the source instance are missing."""
    state, kept = getattr(x, "__dict__", {}), getattr(copied, "__dict__", {})
    lost = type(copied) is type(x) and not state.keys() <= kept.keys()
    return _plain(copied) if lost else copied


def _cast(x: Any, wanted: np.dtype[Any]) -> NDArray[Any]:
    with np.errstate(all="ignore"):
        return np.array(_castable(x, wanted), dtype=wanted, order="K", copy=True, subok=True)


def _castable(x: Any, wanted: np.dtype[Any]) -> Any:
    """Return an array with the same values that NumPy casts without a warning."""
    if x.dtype.kind == "c" and wanted.kind not in "bc":
        x = x.real  # what the cast does, without NumPy's warning
    if x.dtype != wanted and _is_extended(x.dtype) and _is_extended(wanted):
        x = x.astype(np.float32)  # ml_dtypes casts few of its dtypes to each other
    return x


def _shared_mapping(x: Any) -> mmap.mmap | None:
    """Return what an array is mapped by, unless it is private: then there are changes that the file has not."""
    while isinstance(x, np.ndarray) and not isinstance(x, np.memmap):
        x = x.base
    if not isinstance(x, np.memmap) or x.mode not in _SHARED or not hasattr(mmap, "MADV_DONTNEED"):
        return None
    return cast("Any", x)._mmap


def _facts(x: NDArray[Any]) -> Facts:
    dtype = x.dtype
    native = dtype if dtype.isnative else dtype.newbyteorder("=")
    name = _NAME.get(native) or _rare_name(native)
    writeable = x.flags.writeable
    problem = None
    if not name:
        problem = f"NumPy's {dtype} is no dtype of plain numbers. {hints.hint(x)}"
    elif type(x) is not np.ndarray:
        problem = lost_by_subclass(x)
    return Facts(
        "numpy", x.shape, name or str(dtype), CPU, x.strides, x.nbytes,
        readonly=not writeable, not_shareable=_why_not_shareable(x), unsupported=problem,
        readonly_reason=None if writeable else _unsaid(x),
    )  # fmt: skip


def _unsaid(x: NDArray[Any]) -> str | None:
    """Return the reason to treat memory without a read-only flag as read-only, or None.

    A producer of DLPack before 1.0 has no such flag.
    """
    owner: Any = x
    while isinstance(owner, np.ndarray):
        owner = owner.base
    if owner is None or not capsule.is_named(owner, _UNVERSIONED):
        return None
    return "its producer does not say whether the memory may be written to"


def _why_not_shareable(x: NDArray[Any]) -> str | None:
    if not x.dtype.isnative:
        return f"its bytes are not in this machine's order ({sys.byteorder}-endian)"
    if not x.flags.aligned:
        return "it is not aligned in memory"
    size = x.dtype.itemsize
    if size and any(stride % size for stride, n in zip(x.strides, x.shape, strict=True) if n > 1):
        return f"its strides are not whole elements of {size} bytes"
    return None


# -- ml_dtypes: bfloat16 and the 8-bit floats, when it is installed -------------------------------------------------


def _dtype(name: str) -> np.dtype[Any] | None:
    return _DTYPES.get(name) or _extension(name)


def _extension(name: str) -> np.dtype[Any] | None:
    if name not in EXTENDED_DTYPES:
        return None
    try:
        import ml_dtypes  # noqa: PLC0415 - optional
    except ImportError:
        return None
    scalar = getattr(ml_dtypes, name, None)
    return None if scalar is None else np.dtype(scalar)


def _is_extended(dtype: np.dtype[Any]) -> bool:
    """Whether a package has added it; `dtype.name` takes long, and is asked only then."""
    return dtype.isbuiltin == _ADDED and dtype.name in EXTENDED_DTYPES


def _rare_name(dtype: np.dtype[Any]) -> str | None:
    """Name what is in no table."""
    return dtype.name if _is_extended(dtype) else None


adapter = NumPyAdapter()
