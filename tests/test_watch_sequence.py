"""A watch is a sequence of its records."""

from collections.abc import Sequence

import numpy as np
import pytest

import interop
from interop._watch.records import Record
from interop._watch.watch import Watch

pytestmark = pytest.mark.requires("torch")


def watched(*sizes: int, keep: int | None = None) -> Watch:
    with interop.watch(keep=keep) as log:
        for size in sizes:
            interop.to_torch(np.ones(size))
    return log


def shapes(records: Sequence[Record]) -> list[tuple[int, ...]]:
    return [record.plan.shape for record in records]


def test_watch_iterates_over_records_in_order() -> None:
    log = watched(1, 2, 3)
    assert [record.plan.shape for record in log] == [(1,), (2,), (3,)]
    assert list(log) == list(log.records)
    assert shapes(list(reversed(log))) == [(3,), (2,), (1,)]


def test_watch_length_is_the_number_of_records() -> None:
    assert len(watched()) == 0
    assert len(watched(1, 2)) == 2
    assert len(watched(1, 2, 3, keep=2)) == 2


def test_watch_index_gives_a_record_and_a_slice_gives_several() -> None:
    log = watched(1, 2, 3)
    assert log[0] is log.records[0]
    assert log[-1].plan.shape == (3,)
    assert shapes(log[1:]) == [(2,), (3,)]
    assert shapes(log[::-2]) == [(3,), (1,)]
    assert log[0] in log
    with pytest.raises(IndexError):
        _ = log[3]


def test_watch_can_be_iterated_while_conversions_go_on() -> None:
    with interop.watch() as log:
        interop.to_torch(np.ones(1))
        for record in log:
            interop.to_torch(np.ones(record.plan.shape[0] + 1))
        assert len(log) == 2


def test_watch_without_records_is_true() -> None:
    """`if log:` keeps its meaning from before watches had a length."""
    assert watched()
