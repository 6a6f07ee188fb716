"""The code in every message runs, and its result can be converted."""

from collections.abc import Iterator
from contextlib import closing, contextmanager, nullcontext
from io import IOBase
from typing import Any

import pytest
import torch
from numpy.lib.npyio import NpzFile

from . import calls, dtypes, lazily, meanings, objects
from .rows import Row, check_spelling, params, run

ROWS = [*objects.ROWS, *dtypes.ROWS, *calls.ROWS, *lazily.ROWS, *meanings.ROWS]


@pytest.fixture(scope="module", autouse=True)
def _without_processes() -> Iterator[None]:
    """End the process group that a distributed tensor needs."""
    yield
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


@contextmanager
def made(case: Row) -> Iterator[Any]:
    """Make the object of a row, and close a file."""
    x = case.make()
    with closing(x) if isinstance(x, (IOBase, NpzFile)) else nullcontext():
        yield x


@params(ROWS)
@pytest.mark.filterwarnings(
    "ignore::UserWarning", "ignore::FutureWarning", "ignore::DeprecationWarning"
)
def test_message_code_runs_and_gives_an_array(case: Row) -> None:
    with made(case) as x:
        check_spelling(case, x)
    for code in case.remedies.values():
        with made(case) as x:
            run(case, x, code)
