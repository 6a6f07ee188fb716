"""An array in pieces along an axis, each converted when its turn comes."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final, Generic, Literal, TypeVar, Unpack, overload

from interop import errors
from interop._engine import reading
from interop._engine.parse import invalid, is_integer, parse_axis, parse_request
from interop._identify import registry
from interop._identify.datasets import is_dataset
from interop._transfer.chunks import format_index, iter_slices
from interop._transfer.progress import check_progress, reporting
from interop._verbs.convert import convert_computed
from interop.adapter import LIBRARY

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import ModuleType

    import cupy
    import torch
    from numpy.typing import NDArray

    from interop._identify.operand import Operand
    from interop._model.request import Keywords
    from interop._transfer.progress import Progress
    from interop.adapter import Facts

T = TypeVar("T")
_KEYWORDS: Final = {
    "size": ("batch_size", "batch", "chunk_size"),
    "axis": ("dim",),
    "progress": ("verbose",),
}
"""The keywords of `batches`, each with the names that users try."""


@overload
def batches(
    x: object, to: Literal["numpy"], /, *, size: int, axis: int = 0, progress: Progress = False,
    **keywords: Unpack[Keywords],
) -> Batches[NDArray[Any]]: ...  # fmt: skip
@overload
def batches(
    x: object, to: Literal["torch"], /, *, size: int, axis: int = 0, progress: Progress = False,
    **keywords: Unpack[Keywords],
) -> Batches[torch.Tensor]: ...  # fmt: skip
@overload
def batches(
    x: object, to: Literal["cupy"], /, *, size: int, axis: int = 0, progress: Progress = False,
    **keywords: Unpack[Keywords],
) -> Batches[cupy.ndarray]: ...  # fmt: skip
@overload
def batches(
    x: object, to: str | ModuleType, /, *, size: int, axis: int = 0, progress: Progress = False,
    **keywords: Unpack[Keywords],
) -> Batches[Any]: ...  # fmt: skip
@overload
def batches(
    x: object, to: type[T], /, *, size: int, axis: int = 0, progress: Progress = False,
    **keywords: Unpack[Keywords],
) -> Batches[T]: ...  # fmt: skip
def batches(
    x: Any,
    to: Any,
    /,
    *,
    size: int | None = None,
    axis: int = 0,
    progress: Progress = False,
    **keywords: Any,
) -> Batches[Any]:
    """Cut an array into pieces along an axis, and convert each of them when its turn comes.

    Pieces are slices, so where `convert` shares memory, nothing is copied.

    Parameters
    ----------
    x : array
        Of at least one dimension. What is read as it is sliced (a dataset of h5py or zarr) is read by pieces.
        A lazy array is computed by pieces; a block that two of them share is computed for each.
    to : str, module or class
        ``"torch"``, ``torch`` or ``torch.Tensor``.
    size : int
        How many rows a piece has along `axis`; the last one has what is left.
    axis : int, default 0
        Counted from the end if it is negative.
    progress : bool or function, default False
        True shows a bar (`tqdm`). A function is called with the number of rows done, when the next piece is asked for.
    **keywords
        Those of `convert`, for each piece.

    Returns
    -------
    Batches
        An iterable of arrays of the target framework. It has a length, and each iteration starts anew.

    Raises
    ------
    ShapeError
        `x` has no dimension, or the length along `axis` is not known yet (a lazy array with unknown chunks).
    InvalidOptionError
        There is no such axis, or no such size. Raised at once, as are all errors of the arguments.
    TypeError
        `size` is missing, or there is no such keyword.
    InteropError
        What `convert` raises for a piece, with a note that says for which.

    Examples
    --------
    >>> import numpy as np, interop
    >>> [t.tolist() for t in interop.batches(np.arange(5), "torch", size=2)]
    [[0, 1], [2, 3], [4]]
    """
    registry.find(to)
    parse_request(keywords, _KEYWORDS)
    check_progress(progress)
    shape, cut = _open(x, to, keywords)
    axis = _parse_axis(axis, shape)
    starts = range(0, shape[axis], _parse_size(size))
    return Batches(lambda index: convert_computed(cut(index), to, keywords), starts, axis, progress)


class Batches(Generic[T]):
    """What `batches` returns: `len` tells the number of pieces, and each iteration starts anew."""

    def __init__(
        self, convert_slice: Callable[[Any], T], starts: range, axis: int, progress: Progress
    ) -> None:
        self._convert_slice = convert_slice
        self._starts = starts
        self._axis = axis
        self._progress = progress

    def __len__(self) -> int:
        return len(self._starts)

    def __iter__(self) -> Iterator[T]:
        with reporting(self._progress, self._starts.stop, " rows") as report:
            for rows in iter_slices(self._starts.stop, self._starts.step):
                yield self._convert((*(slice(None),) * self._axis, rows) if self._axis else rows)
                report(rows.stop)

    def _convert(self, index: Any) -> T:
        try:
            return self._convert_slice(index)
        except Exception as error:
            error.add_note(f"at x{format_index(index)}")
            raise


def _open(
    x: Any, to: Any, keywords: dict[str, Any]
) -> tuple[tuple[int, ...], Callable[[Any], Any]]:
    """Return the shape of an array, and what cuts it: its own slices, which are views wherever there are such."""
    x = registry.unwrap(x)
    if registry.adapter_of(type(x)) is None and is_dataset(x):
        return x.shape, x.__getitem__
    operand = registry.identify(x)
    facts = operand.describe()
    if reading.is_read_first(operand.adapter, facts) and not operand.adapter.lazy:
        array = convert_computed(operand, "numpy", {})
        return array.shape, array.__getitem__
    if operand.foreign_class and facts.unsupported and not hasattr(x, "__getitem__"):
        raise errors.UnsupportedArrayError(
            facts.unsupported, attempt="cannot cut {source} into batches", source=facts
        )
    return facts.shape, _slicer(x, operand, facts) or _convert_first(x, to, keywords).__getitem__


def _slicer(x: Any, operand: Operand, facts: Facts) -> Callable[[Any], Any] | None:
    """Return a function that takes slices of an array in memory; None if nobody here can."""
    if hasattr(operand.array, "__getitem__") and registry.adapter_of(type(operand.array)):
        return operand.array.__getitem__
    if (
        operand.foreign_class and facts.device.kind == LIBRARY
    ):  # the standard takes no fewer indices than axes
        return lambda index: x[(*index, ...) if isinstance(index, tuple) else (index, ...)]
    if operand.foreign_class and hasattr(
        x, "__getitem__"
    ):  # its slices speak the same protocol as it does
        return x.__getitem__
    if facts.device.kind in operand.adapter.device_kinds:
        return lambda index: operand.adapter.view(operand.array, index)
    return None


def _convert_first(x: Any, to: Any, keywords: dict[str, Any]) -> Any:
    """Convert an array that no framework here can slice, sharing the memory.

    The slices of the target are the pieces. What changes an array (dtype, device, a copy) is done to each piece when
    its turn comes.
    """
    kept: dict[str, Any] = {
        name: keywords[name] for name in ("readonly", "stream", "detach") if name in keywords
    }
    if keywords.get("copy") is False:
        kept["copy"] = False
    return convert_computed(x, to, kept)


def _parse_axis(axis: Any, shape: tuple[int, ...]) -> int:
    if not shape:
        reason = "an array without dimensions can't be cut into pieces"
        raise errors.ShapeError(reason, hint="Use interop.convert for all of it.")
    axes = range(-len(shape), len(shape))
    axis = parse_axis(axis, axes, f"an array of shape {shape}") % len(shape)
    if math.isnan(shape[axis]):
        reason = (
            f"an array of shape {shape} can't be cut along axis {axis}, whose length is not known "
            "before it is computed"
        )
        raise errors.ShapeError(reason, hint="Call x.compute_chunk_sizes() first.")
    return axis


def _parse_size(size: Any) -> int:
    if size is None:
        msg = "batches needs size=, the number of rows in a batch, for example size=1000"
        raise TypeError(msg)
    if is_integer(size, 1):
        return int(size)
    raise invalid("size", size, "a positive integer")
