"""The public function `watch`, which records conversions.

While a watch is open, the fast path and the plan cache are empty, so every conversion has a plan,
and the pipeline reports each plan to an observer (`interop._engine.events`). Without a watch,
nothing is slower.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import TYPE_CHECKING, overload

from interop import _lock
from interop._engine import events, fastpath
from interop._engine.parse import invalid, is_integer
from interop._model import caller
from interop._watch.records import Record, Summary
from interop.adapter.scope import scoped

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator
    from contextlib import AbstractContextManager
    from types import FrameType

    from interop._model.plan import Plan


class Watch(Sequence[Record]):
    """The records of one `watch`: a sequence with one record for each conversion.

    A loop, an index and a slice use the records that exist at that moment.

    Attributes
    ----------
    records : deque of Record
        One record for each conversion, in the order of the conversions.
    """

    def __init__(self, keep: int | None) -> None:
        self.records: deque[Record] = deque(maxlen=keep)
        self._thread = _lock.get_ident()

    def __len__(self) -> int:
        return len(self.records)

    def __iter__(self) -> Iterator[Record]:
        return iter(self._now())

    @overload
    def __getitem__(self, index: int) -> Record: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Record, ...]: ...
    def __getitem__(self, index: int | slice) -> Record | tuple[Record, ...]:
        """Return one record, or a tuple of records for a slice."""
        return self._now()[index]

    def __bool__(self) -> bool:
        """Return True, also without records, so that ``if seen:`` tests for a watch."""
        return True

    def summary(self) -> Summary:
        """Add up the records by route, reason and line of code."""
        return Summary.of(self._now())

    def __str__(self) -> str:
        """Format each record as one line."""
        return "\n".join(map(str, self._now()))

    def _repr_html_(self) -> str:
        return self.summary()._repr_html_()

    def _now(self) -> tuple[Record, ...]:
        # A deque refuses a loop during which another thread adds a record. Without the GIL,
        # `tuple` is such a loop, and `copy` is one step.
        return tuple(self.records.copy())


def watch(*, keep: int | None = None) -> AbstractContextManager[Watch]:
    """Record every conversion inside the ``with`` block, in all threads of the process.

    In the child of a fork, only the watches of the thread that forked stay open.

    An array that is returned unchanged counts as a conversion. A conversion that raises an error is
    not recorded. Code that `torch.compile` has compiled is not recorded, because it does not call
    interop any more. Inside the block, a conversion takes about 20 µs, because the fast path and
    the plan cache are not used. Outside, a watch costs nothing.

    Each record is also logged by the logger ``interop``, with the line of the caller. The level is
    INFO if bytes were copied, else DEBUG.

    Parameters
    ----------
    keep : int, optional
        Maximum number of records, for a watch that stays open for long. The latest records are
        kept. By default all records are kept.

    Raises
    ------
    InvalidOptionError
        `keep` is not an integer from 0 up. The call raises this, before the block.

    Returns
    -------
    context manager of Watch
        A sequence of records. The method `summary` adds up the records, for a terminal or a
        notebook.

    Examples
    --------
    >>> import numpy as np, interop
    >>> with interop.watch() as seen:
    ...     t = interop.to_torch(np.ones(3))
    ...     a = interop.to_numpy(t, dtype="float32")
    >>> [(record.route, record.bytes_copied) for record in seen]
    [('numpy on cpu -> torch on cpu', 0), ('torch on cpu -> numpy on cpu', 12)]
    """
    # Checked here, because `_recording` would raise the error only when the block is entered.
    if keep is not None and not is_integer(keep, 0):
        raise invalid("keep", keep, "an integer from 0 up, or None to keep all records")
    return _recording(Watch(keep))


@scoped
def _recording(seen: Watch) -> Generator[Watch, None, None]:
    # Native calls of the fast path notify nobody, so it is empty for the whole block.
    with fastpath.emptied_for(seen):
        yield seen


def _record(plan: Plan, seconds: float) -> None:
    """Add a record to all open watches, and to the log."""
    frame = caller.caller()
    record = Record(plan, seconds, caller.format_frame(frame))
    for seen in tuple(events.watches):  # a copy, because another thread may change the list
        seen.records.append(record)
    _log(record, frame)


def _log(record: Record, frame: FrameType) -> None:
    """Log a record with the file, the line and the function of the caller."""
    import logging  # noqa: PLC0415 - importing interop loads next to nothing

    logger = logging.getLogger("interop")
    level = logging.INFO
    if record.zero_copy:
        level = logging.DEBUG
    if not logger.isEnabledFor(level):
        return
    code = frame.f_code
    # Made by hand, because a logger looks for the caller by a number of frames, and that number
    # varies.
    entry = logger.makeRecord(
        name=logger.name,
        level=level,
        fn=code.co_filename,
        lno=frame.f_lineno,
        msg="%s",
        args=(record,),
        exc_info=None,
        func=code.co_name,
    )
    logger.handle(entry)


def _close_in_child() -> None:
    """Close the watches of other threads, which do not exist in the child of a fork."""
    me = _lock.get_ident()
    events.watches[:] = [seen for seen in events.watches if seen._thread == me]  # noqa: SLF001


_lock.in_child.append(_close_in_child)
# One observer for all watches, so that each conversion finds its caller only once.
events.observers.append(_record)
