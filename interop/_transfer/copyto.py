"""Copy values into existing memory of any framework, chunk by chunk: `interop.copyto`."""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING, Any, Final

from interop._engine import events
from interop._engine.parse import invalid, is_integer, parse_request
from interop._model import dtypes, layout
from interop._transfer.progress import check_progress, reporting

if TYPE_CHECKING:
    from collections.abc import Iterator

    from interop._model.request import Casting
    from interop._transfer.destination import Destination
    from interop._transfer.progress import Progress
    from interop._transfer.sources import Part
    from interop._transfer.staging import StagedCopier
    from interop.adapter import Facts

_DEFAULT_BATCH_BYTES: Final = 64 * 1024 * 1024


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
    """Write the values of an array into the memory of another array, of any framework, in chunks.

    The chunks are runs of rows in row-major order. On the host, the values are copied directly from
    memory to memory. Only a chunk that must be resolved first, such as a pending conjugation,
    allocates memory. Between the host and a device, the chunks pass through two pinned buffers in
    turn, in the smaller of both dtypes. Pages of memory-mapped files (`numpy.memmap`) are released
    as soon as they are read or written. If a source is refused, nothing of that source is written.

    Parameters
    ----------
    dst : array
        An array of a framework, a `numpy.memmap`, or writable host memory such as a `bytearray`. A
        tensor that requires grad gets the values only.
    src : array, or iterable of arrays
        An array with the shape of `dst`, because `copyto` does not broadcast. A dataset of h5py or
        zarr is read in chunks. A lazy array is computed by rows of whole blocks, at least one row
        of blocks at a time. Each array of an iterable (a generator, a data loader) must have the
        shape ``(n, *dst.shape[1:])``. The arrays of an iterable are written one after the other
        along axis 0, and their frameworks may differ.
    batch_bytes : int, optional
        Largest size of a chunk in bytes, and of both pinned buffers together. The default is
        64 MiB. An element is never split.
    progress : bool or function, default False
        True shows a progress bar (`tqdm`). A function is called after each chunk with the number of
        bytes of `dst` written so far.
    casting : {"same_kind", "unsafe"}, default "same_kind"
        "same_kind" refuses casts that change numbers: complex to real, float to integer, any dtype
        to bool, and integers to a dtype that cannot store all of them (int64 to int8, int8 to
        uint8). Casts to floats round the numbers. Numbers that are too large become inf, or NaN in
        a dtype without inf. "unsafe" allows every cast.
    detach : bool, optional
        Whether a source that requires grad may be written without the gradient. The default is set
        by `options`.

    Raises
    ------
    ShapeError
        The shapes differ, or the shape of a lazy array is not known yet, or an iterable has too few
        or too many rows.
    UnsupportedArrayError
        `dst` is not writable, an array is not numeric, `casting` refuses the dtypes, or both arrays
        share memory in different layouts.
    GradientError, HostCopyError, InvalidOptionError, FrameworkNotInstalledError, NotAnArrayError
        As `convert` raises them. `progress=True` needs tqdm.

    Notes
    -----
    The call returns when all values are written. Copies between devices are only submitted by then,
    and are ordered by the current stream of the framework of `dst`.

    If an exception ends the call early (also KeyboardInterrupt), a note of the exception states how
    many elements are complete, in row-major order. If the exception came while a chunk was written,
    the note also states the size of that chunk, whose elements may be old or new. All other
    elements are unchanged.

    Examples
    --------
    >>> import numpy as np, interop
    >>> whole = np.zeros((4, 2))
    >>> interop.copyto(whole, (np.full((2, 2), i) for i in range(2)))
    >>> whole[:, 0]
    array([0., 0., 1., 1.])
    """
    # Loaded by the first call, because the import of interop is part of every program.
    from interop._transfer import destination as destinations  # noqa: PLC0415
    from interop._transfer import sources, staging  # noqa: PLC0415

    keywords: dict[str, Any] = {"casting": casting}
    if detach is not None:
        keywords["detach"] = detach
    request = parse_request(keywords)
    copier = staging.StagedCopier(_parse_batch_bytes(batch_bytes))
    check_progress(progress)
    start = perf_counter()
    destination = destinations.Destination.open(dst, request)
    # A refused source raises here, before a progress bar appears.
    parts = sources.iter_parts(destination, src, copier)
    try:
        failure = _write(destination, parts, copier, progress)
        # One record for the call, although an iterable may have thousands of arrays.
        if not failure and destination.plan and events.watches:
            events.notify(destination.plan, perf_counter() - start)
    # After an exception of `_write`, an interruption of its handler comes here.
    except BaseException as interruption:  # noqa: BLE001 - raised below
        failure = _with_note(interruption, destination.facts, copier)
    if failure:
        try:
            raise failure
        finally:
            # The traceback refers to this frame, so the frame must not refer to the exception.
            del failure


def _write(
    destination: Destination, parts: Iterator[Part], copier: StagedCopier, progress: Progress
) -> BaseException | None:
    """Write all parts, and wait for pending transfers. Return the exception to raise, or None.

    The exception is returned, because each handler on its way might be interrupted.
    """
    facts = destination.facts
    size = dtypes.itemsize(facts.dtype)
    try:
        with reporting(progress, facts.nbytes, "B") as report:
            for target, source in parts:
                for count in copier.copy(target, source):
                    report(count * size)
                # Free the array before the next one is made, which may be as large.
                del target, source
            copier.drain()
    # BaseException, because the note matters most when Ctrl-C ends a long copy.
    except BaseException as error:  # noqa: BLE001 - the caller raises it
        return _with_note(error, facts, copier)
    return None


def _with_note(error: BaseException, facts: Facts, copier: StagedCopier) -> BaseException:
    """Wait for pending transfers, and add a note about the progress to an exception.

    An interruption of the wait takes the place of the exception.
    """
    try:
        # A device may still read from or write to host memory.
        copier.drain()
    except BaseException as failure:  # noqa: BLE001 - the caller raises one of both
        if not isinstance(failure, Exception):
            error = failure
    complete = copier.complete
    error.add_note(_progress_note(facts, complete, copier.begun - complete))
    return error


def _progress_note(facts: Facts, complete: int, uncertain: int) -> str:
    """Return a note for an exception that ends a copy.

    Parameters
    ----------
    facts : Facts
        The facts of `dst`.
    complete : int
        Number of elements that are written.
    uncertain : int
        Number of elements after them that may be old or new.
    """
    total = layout.count(facts)
    size = dtypes.itemsize(facts.dtype)
    note = (
        f"interop.copyto had written {complete * size} of {total * size} bytes of dst: "
        f"its first {complete} of {total} elements in row-major order"
    )
    if uncertain:
        note += f". The next {uncertain} may be old or new"
    return note


def _parse_batch_bytes(value: Any) -> int:
    if value is None:
        return _DEFAULT_BATCH_BYTES
    if is_integer(value, 1):
        return int(value)
    raise invalid("batch_bytes", value, "a positive integer, or None for 64 MiB")
