"""Into memory that is there, of any framework, by pieces: for arrays larger than the memory to spare."""

from __future__ import annotations

from math import prod
from time import perf_counter
from typing import TYPE_CHECKING, Any, Final, cast

from interop import errors
from interop._engine.parse import invalid, is_integer, parse_request
from interop._identify import registry
from interop._identify.datasets import is_dataset
from interop._model import dtypes, layout
from interop._transfer.chunks import format_index, iter_chunks, merge_slices
from interop._transfer.destination import Destination
from interop._transfer.progress import check_progress, reporting
from interop._transfer.staging import DescribedOperand, StagedCopier
from interop._watch import watch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from interop._model.request import Casting
    from interop._transfer.progress import Progress
    from interop.adapter import Facts
    from interop.adapter.lazy import LazyAdapter

    Part = tuple[DescribedOperand, DescribedOperand]  # of dst, and what is written there

_BATCH: Final = 64 * 1024 * 1024


def copyto(  # noqa: PLR0913 - keywords
    dst: Any,
    src: Any,
    /,
    *,
    batch_bytes: int | None = None,
    progress: Progress = False,
    casting: Casting = "same_kind",
    detach: bool | None = None,
) -> None:
    """Write the values of one array into the memory of another, of whatever frameworks, by pieces.

    The pieces are runs of rows in row-major order. Within the host's memory, nothing is allocated, except for a piece
    of what has to be resolved first (a pending conjugation, say); between the host
    and a device, the pieces pass through two pinned buffers in turn, in the smaller of both dtypes. Pages of
    memory-mapped files (`numpy.memmap`) are let go of as soon as they have been read or written. What is refused has
    written nothing.

    Parameters
    ----------
    dst : array
        Of a framework, `numpy.memmap` included, or writeable host memory such as a `bytearray`. A tensor that requires
        grad gets the values only.
    src : array, or iterable of arrays
        With the shape of `dst`: nothing is broadcast. What is read as it is sliced (a dataset of h5py or zarr) is read
        by pieces. A lazy array is computed by rows of whole blocks, at least one row of them at a time. Of an iterable
        (a generator, a data loader), each array must have the shape ``(n, *dst.shape[1:])``; they are laid one after
        the other along axis 0, whatever their frameworks.
    batch_bytes : int, optional
        How large a piece is at most, and both pinned buffers together. By default 64 MiB. An element is never split.
    progress : bool or function, default False
        True shows a bar (`tqdm`). A function is called with the number of bytes of `dst` written so far, after each
        piece.
    casting : {"same_kind", "unsafe"}, default "same_kind"
        "same_kind" refuses what would change numbers: complex to real, float to integer, anything to bool, and
        integers to a dtype that cannot hold all of theirs (int64 to int8, int8 to uint8). To floats of any width
        numbers are rounded, and those that are too large become inf, or NaN in a dtype without inf. "unsafe" casts
        whatever the dtypes.
    detach : bool, optional
        Whether a source that requires grad may be written without its gradient. By default as in `options`.

    Raises
    ------
    ShapeError
        The shapes differ, or that of a lazy array is not known yet; or an iterable has too few rows, or too many.
    UnsupportedArrayError
        `dst` can't be written to; or one has no plain numbers, `casting` refuses the dtypes, or both share memory in
        different layouts.
    GradientError, HostCopyError, InvalidOptionError, FrameworkNotInstalledError, NotAnArrayError
        As `convert` raises them. `progress=True` needs tqdm.

    Notes
    -----
    The call returns when the values are there; from device to device, when all is asked for in the order of the current
    stream of `dst`'s framework. If an exception ends the call early (KeyboardInterrupt included), its note tells
    how many elements are complete, in row-major order. If the exception came while a piece was written, the
    note tells the size of that piece too: its elements may be old or new. All others are as they were.

    Examples
    --------
    >>> import numpy as np, interop
    >>> whole = np.zeros((4, 2))
    >>> interop.copyto(whole, (np.full((2, 2), i) for i in range(2)))
    >>> whole[:, 0]
    array([0., 0., 1., 1.])
    """
    request = parse_request({"casting": casting} | ({} if detach is None else {"detach": detach}))
    copier = StagedCopier(_parse_batch(batch_bytes))
    check_progress(progress)
    start = perf_counter()
    destination = Destination.open(dst, request)
    parts = _parts(destination, src, copier)
    with reporting(progress, destination.facts.nbytes, "B") as report:
        _write(destination, parts, copier, report)
    if destination.plan and watch.is_open():
        watch.note(destination.plan, perf_counter() - start)


def _write(
    destination: Destination,
    parts: Iterator[Part],
    copier: StagedCopier,
    report: Callable[[int], object],
) -> None:
    """Write part after part; if something comes between, wait for what is under way, and say how far it came."""
    done = 0
    size = dtypes.itemsize(destination.facts.dtype)
    try:
        try:
            for target, source in parts:
                for count in copier.copy(target, source):
                    done += count
                    report(done * size)
                del target, source  # while the next one is made
        finally:
            copier.drain()
    except BaseException as error:
        complete = done - copier.unconfirmed
        error.add_note(_say_how_far(destination.facts, complete, copier.begun - complete))
        raise


def _say_how_far(facts: Facts, done: int, begun: int) -> str:
    """Return a note for an exception that says how far the copy has come.

    The note says how many elements are complete, and how many after them may have changed.
    """
    total = layout.count(facts)
    size = dtypes.itemsize(facts.dtype)
    note = f"interop.copyto had written {done * size} of {total * size} bytes of dst: "
    note += f"its first {done} of {total} elements in row-major order"
    return f"{note}. The next {begun} may be old or new" if begun else note


# -- sources: each gives parts of dst, in row-major order, with what is written there ------------------------------


def _parts(destination: Destination, src: Any, copier: StagedCopier) -> Iterator[Part]:
    """Find out what the source is. All but the arrays of an iterable is checked here, before anything is written."""
    src = registry.unwrap(src)
    if registry.adapter_of(type(src)) is None and is_dataset(src):
        return _read(destination, src, copier)
    if registry.is_lazy(type(src)):
        return _compute(destination, src, copier)
    try:
        operand = registry.identify(src)
    except errors.NotAnArrayError:
        try:
            arrays = iter(src)
        except TypeError:
            arrays = None
        if arrays is None:
            raise
        return _lay(destination, arrays, f"an iterable ({type(src).__name__})")
    whole = destination.full()
    return iter([(whole, destination.validate_source(operand, whole))])


def _read(destination: Destination, src: Any, copier: StagedCopier) -> Iterator[Part]:
    """Read what is read as it is sliced."""
    facts = destination.validate_dataset(src)

    def read() -> Iterator[Part]:
        for chunk in iter_chunks(facts.shape, copier.limit(facts, destination.facts)):
            part = registry.identify(src[chunk.index])
            if (shape := part.adapter.describe(part.array).shape) != chunk.shape:
                reason = f"its part {format_index(chunk.index)} has the shape {shape}, which is not {chunk.shape}"
                raise destination.refusal(errors.ShapeError, facts, reason)
            target = destination.view(chunk.index)
            yield target, destination.validate_source(part, target)

    return read()


def _compute(destination: Destination, src: Any, copier: StagedCopier) -> Iterator[Part]:
    """Compute runs of rows between the ends of blocks, so that none is computed twice."""
    operand = registry.identify(src)
    facts = destination.validate_lazy(operand)
    ends = cast("LazyAdapter", operand.adapter).rows(src) if facts.shape else [0]
    rows = copier.limit(facts, destination.facts) // max(prod(facts.shape[1:]), 1)
    cuts = [slice(*run) for run in merge_slices(ends, rows)] if facts.shape else [...]

    def compute() -> Iterator[Part]:
        for cut in cuts:
            target = destination.view(cut)
            yield target, destination.validate_source(registry.identify(src[cut]), target)

    return compute()


def _lay(destination: Destination, arrays: Iterable[Any], name: str) -> Iterator[Part]:
    """Lay arrays one after the other along axis 0."""
    destination.check(name)
    if not (shape := destination.facts.shape):
        raise destination.refusal(
            errors.ShapeError, name, "dst has no axis along which arrays could be laid"
        )
    return _lay_rows(destination, arrays, name, shape)


def _lay_rows(
    destination: Destination, arrays: Iterable[Any], name: str, shape: tuple[int, ...]
) -> Iterator[Part]:
    row, rows = 0, shape[0]
    for x in arrays:
        operand = registry.identify(x)
        facts = operand.adapter.describe(operand.array)
        destination.check_shape_is_known(facts)
        if facts.shape[1:] != shape[1:] or len(facts.shape) != len(shape):
            reason = f"each array of an iterable must have the shape {_any_number_of(shape)}"
            raise destination.refusal(errors.ShapeError, facts, reason)
        if (end := row + facts.shape[0]) > rows:
            room = f"after {row} of {rows} there is room for {rows - row}"
            reason = f"it brings {facts.shape[0]} row{'s' * (facts.shape[0] != 1)}, and {room}"
            raise destination.refusal(errors.ShapeError, name, reason, "Pass fewer.")
        target = destination.view(slice(row, end))
        yield target, destination.validate_source(operand, target)
        row = end
        del x, operand, target  # while the next one is made
    if row < rows:
        reason = f"it ended after {row} of {rows} rows"
        hint = f"Pass more, or write to a part of it: dst[:{row}]."
        raise destination.refusal(errors.ShapeError, name, reason, hint)


def _any_number_of(shape: tuple[int, ...]) -> str:
    return f"({', '.join(['n', *map(str, shape[1:])])}{',' * (len(shape) == 1)})"


def _parse_batch(spec: Any) -> int:
    if spec is None:
        return _BATCH
    if is_integer(spec, 1):
        return int(spec)
    raise invalid("batch_bytes", spec, "a positive integer, or None for 64 MiB")
