"""Watch conversions. While somebody does, nothing is remembered, and the flow is another function: else it is free."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence
from contextlib import contextmanager
from time import perf_counter
from typing import TYPE_CHECKING, Any, Final, overload

from interop._engine import fastpath, pipeline
from interop._engine.parse import invalid, is_integer
from interop._identify import registry
from interop._model import caller
from interop._watch.records import Record, Summary

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from contextlib import AbstractContextManager
    from types import FrameType

    from interop._model.plan import Plan
    from interop.adapter import Adapter


class Watch(Sequence[Record]):
    """The records of one `watch`: a sequence that grows with each conversion, and can be added up.

    Iterating, and an index or a slice, see the records that there are at that moment.

    Attributes
    ----------
    records : deque of Record
        One for each conversion, in the order in which they were done.
    """

    def __init__(self, keep: int | None) -> None:
        self.records: deque[Record] = deque(maxlen=keep)

    def __len__(self) -> int:
        return len(self.records)

    def __iter__(self) -> Iterator[Record]:
        return iter(tuple(self.records))

    @overload
    def __getitem__(self, index: int) -> Record: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Record, ...]: ...
    def __getitem__(self, index: int | slice) -> Record | tuple[Record, ...]:
        """Return one record, or a tuple of those in a slice."""
        return tuple(self.records)[index]

    def __bool__(self) -> bool:
        """Return True, whether anything was recorded or not."""
        return True

    def summary(self) -> Summary:
        """Add the records up by route, reason and line."""
        return Summary.of(tuple(self.records))

    def __str__(self) -> str:
        """Say a line for each record."""
        return "\n".join(map(str, tuple(self.records)))

    def _repr_html_(self) -> str:
        return self.summary()._repr_html_()


_open: Final[list[Watch]] = []
_tracers: Final[list[Adapter]] = []
_lock: Final = threading.Lock()


def watch(*, keep: int | None = None) -> AbstractContextManager[Watch]:
    """Record every conversion of this process inside the ``with`` block, whichever thread makes it.

    An array that was where it should be, and is returned as it is, counts as a conversion too. What is refused does
    not, nor does what `torch.compile` has compiled, since it calls interop no more. While nobody watches, nothing is
    paid; while somebody does, a conversion takes some 20 µs, because nothing is remembered.

    Each record is logged, too, under the logger ``interop`` and with the line that called it: at the level INFO if it
    copied anything, else DEBUG.

    Parameters
    ----------
    keep : int, optional
        How many records to keep, the latest ones: for a watch that stays open for long. By default all.

    Raises
    ------
    InvalidOptionError
        `keep` is no number of records. Raised here, before the block.

    Returns
    -------
    context manager
        It gives a `Watch`: a sequence of records, and their sums by its method `summary`, as text or in a notebook.

    Examples
    --------
    >>> import numpy as np, interop
    >>> with interop.watch() as seen:
    ...     t = interop.to_torch(np.ones(3))
    ...     a = interop.to_numpy(t, dtype="float32")
    >>> [(record.route, record.bytes_copied) for record in seen]
    [('numpy on cpu -> torch on cpu', 0), ('torch on cpu -> numpy on cpu', 12)]
    """
    if keep is not None and not is_integer(keep, 0):
        raise invalid("keep", keep, "an integer from 0 up, or None to keep all records")
    return _scope(Watch(keep))


@contextmanager
def _scope(seen: Watch) -> Iterator[Watch]:
    try:
        with fastpath.paused():
            _enter(seen)
            try:
                yield seen
            finally:
                _leave(seen)
    finally:
        fastpath.register_all(registry.loaded_adapters())


def _enter(seen: Watch) -> None:
    with _lock:
        _open.append(seen)
        _tracers[:] = registry.loaded_adapters()
        pipeline.flow = _watched


def _leave(seen: Watch) -> None:
    with _lock:
        _open[:] = [other for other in _open if other is not seen]
        if not _open:
            pipeline.flow = pipeline.convert_by_plan


def is_open() -> bool:
    """Whether anybody watches."""
    return bool(_open)


def _watched(x: Any, to: Any, keywords: Mapping[str, Any], key: Any) -> tuple[Any, Any]:
    for adapter in _tracers:
        if (
            adapter.is_tracing()
        ):  # there is no conversion yet, and what is compiled will call interop no more
            return fastpath.TRACEABLE[to][type(x)][1](x), None
    start = perf_counter()
    result, plan = pipeline.convert_by_plan(x, to, keywords, key)
    note(plan, perf_counter() - start)
    return result, plan


def note(plan: Plan, seconds: float) -> None:
    """Give a record of what was done to all who watch, and to the log."""
    frame = caller.caller()
    record = Record(plan, seconds, caller.format_frame(frame))
    for seen in tuple(_open):
        seen.records.append(record)
    _log(record, frame)


def _log(record: Record, frame: FrameType) -> None:
    """Log it as if the caller had done so: the formatter's file, line and function are the user's."""
    import logging  # noqa: PLC0415 - importing interop loads next to nothing

    logger, level = (
        logging.getLogger("interop"),
        logging.DEBUG if record.zero_copy else logging.INFO,
    )
    if logger.isEnabledFor(level):
        code = frame.f_code
        entry = logger.makeRecord(
            logger.name,
            level,
            code.co_filename,
            frame.f_lineno,
            "%s",
            (record,),
            None,
            code.co_name,
        )
        logger.handle(entry)
