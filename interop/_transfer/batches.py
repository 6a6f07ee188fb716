"""Convert an array in batches along an axis: `interop.batches`."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final, Generic, Literal, TypeVar, Unpack, overload

from interop import errors
from interop._engine.parse import invalid, is_integer, parse_axis, parse_request
from interop._identify import registry
from interop._transfer.chunks import format_index, iter_slices
from interop._transfer.progress import check_progress, reporting
from interop._transfer.slicing import open_for_slicing
from interop._verbs.convert import convert_computed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import ModuleType

    import cupy
    import torch
    from numpy.typing import NDArray

    from interop._model.request import Keywords
    from interop._transfer.progress import Progress

T = TypeVar("T")
_KEYWORDS: Final = {
    "size": ("batch_size", "batch", "chunk_size"),
    "axis": ("dim",),
    "progress": ("verbose",),
}
"""The keywords of `batches`, each with other names that users try."""


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
    """Split an array into batches along an axis, and convert each batch on demand.

    Batches are slices of the array. If `convert` shares the memory of the array, nothing is copied.

    Parameters
    ----------
    x : array
        An array with at least one dimension. A dataset of h5py or zarr is read batch by batch. A
        lazy array is computed batch by batch, and a block that belongs to two batches is computed
        twice.
    to : str, module or class
        The target framework: ``"torch"``, ``torch`` or ``torch.Tensor``.
    size : int
        Number of rows of a batch along `axis`. The last batch may have fewer.
    axis : int, default 0
        The axis to split. Negative numbers count from the end.
    progress : bool or function, default False
        True shows a progress bar (`tqdm`). A function is called with the number of rows done, when
        the next batch is requested.
    **keywords
        The keywords of `convert`, for each batch.

    Returns
    -------
    Batches
        An iterable of arrays of the target framework. It has a length, and each iteration starts
        from the beginning.

    Raises
    ------
    ShapeError
        `x` has no dimensions, or the length along `axis` is not known yet (a lazy array with
        unknown chunks).
    InvalidOptionError
        `axis`, `size` or another keyword is not valid. All errors of the arguments are raised
        before the iteration starts.
    TypeError
        `size` is missing, or a keyword is unknown.
    InteropError
        As `convert` raises it for a batch, with a note that states the slice of the batch.

    Examples
    --------
    >>> import numpy as np, interop
    >>> [t.tolist() for t in interop.batches(np.arange(5), "torch", size=2)]
    [[0, 1], [2, 3], [4]]
    """
    # All arguments are checked by this call, and not when the iteration starts.
    registry.find(to)
    parse_request(keywords, _KEYWORDS)
    check_progress(progress)
    shape, take_slice = open_for_slicing(x, to, keywords)
    axis = _parse_axis(axis, shape)
    starts = range(0, shape[axis], _parse_size(size))

    def convert_slice(index: Any) -> Any:
        # A lazy array is computed, because a batch is an array of the target framework.
        return convert_computed(take_slice(index), to, keywords)

    return Batches(convert_slice, starts, axis, progress)


class Batches(Generic[T]):
    """The iterable that `batches` returns.

    `len` gives the number of batches. Each iteration starts from the beginning.
    """

    def __init__(
        self, convert_slice: Callable[[Any], T], starts: range, axis: int, progress: Progress
    ) -> None:
        self._convert_slice = convert_slice
        # A range has a length (the batches), `stop` (the rows) and `step` (the rows of a batch).
        self._starts = starts
        self._axis = axis
        self._progress = progress

    def __len__(self) -> int:
        return len(self._starts)

    def __iter__(self) -> Iterator[T]:
        # Most arrays take a plain slice of axis 0, and a dataset may take nothing else.
        before = (slice(None),) * self._axis
        with reporting(self._progress, self._starts.stop, " rows") as report:
            for rows in iter_slices(self._starts.stop, self._starts.step):
                index: Any = rows
                if before:
                    index = (*before, rows)
                yield self._convert(index)
                # After the yield: the rows are done when the user asks for the next batch.
                report(rows.stop)

    def _convert(self, index: Any) -> T:
        try:
            return self._convert_slice(index)
        except Exception as error:
            # Without the note, nobody would know which rows of a long run have failed.
            error.add_note(f"at x{format_index(index)}")
            raise


def _parse_axis(axis: Any, shape: tuple[int, ...]) -> int:
    if not shape:
        reason = "an array without dimensions cannot be split into batches"
        raise errors.ShapeError(reason, hint="Use interop.convert for the whole array.")
    axes = range(-len(shape), len(shape))
    axis = parse_axis(axis, axes, f"an array of shape {shape}") % len(shape)
    # Dask gives NaN as a length that only the computation can tell.
    if math.isnan(shape[axis]):
        reason = (
            f"an array of shape {shape} cannot be split along axis {axis}, because the length of "
            "that axis is not known before the computation"
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
