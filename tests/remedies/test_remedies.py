"""The code in every message runs, and gives what can be converted."""

from collections.abc import Iterator

import pytest
import torch

from . import calls, dtypes, lazily, objects
from .rows import Row, check_spelling, params, run

ROWS = [*objects.ROWS, *dtypes.ROWS, *calls.ROWS, *lazily.ROWS]


@pytest.fixture(scope="module", autouse=True)
def _without_processes() -> Iterator[None]:
    """End the process group that a distributed tensor needs."""
    yield
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


@params(ROWS)
@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::FutureWarning", "ignore::DeprecationWarning")
def test_message_code_runs_and_gives_an_array(case: Row) -> None:
    check_spelling(case, case.make())
    for code in case.cures.values():
        run(case, case.make(), code)
