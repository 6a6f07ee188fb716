"""Fork and spawn while threads convert, and switch between asyncio tasks with options."""

import asyncio
import faulthandler
import multiprocessing
import os
import random
import signal
import sys
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event, Thread
from typing import Any, Final

import numpy as np
import torch

import interop

from .threads import READONLY, SOURCE, convert, convert_trees, plan, register, watch
from .trial import Trial

PATIENCE: Final = 60
"""Seconds after which a child hangs."""
WORK: Final = (convert, plan, register, watch, convert_trees)


def everything(chance: random.Random) -> None:
    for work in chance.sample(WORK, len(WORK)):
        work(chance)


@contextmanager
def working(threads: int, chance: random.Random) -> Iterator[None]:
    """Convert in other threads inside the block."""
    ended = Event()
    failures: list[BaseException] = []

    def work(own: random.Random) -> None:
        try:
            while not ended.is_set():
                own.choice(WORK)(own)
        except BaseException as error:  # noqa: BLE001 - raised in the main thread
            failures.append(error)

    seeds = [chance.getrandbits(32) for _ in range(threads)]
    pool = [Thread(target=work, args=(random.Random(seed),)) for seed in seeds]  # noqa: S311
    for thread in pool:
        thread.start()
    try:
        yield
    finally:
        ended.set()
        for thread in pool:
            thread.join()
    if failures:
        raise failures[0]


# -- forks -----------------------------------------------------------------------------------------


def fork(work: Callable[[], None]) -> None:
    """Run a function in a child, and raise an error if the child fails or hangs."""
    child = os.fork()
    if child:
        _, status = os.waitpid(child, 0)
        assert status == 0, f"a child has ended with the status {os.waitstatus_to_exitcode(status)}"
        return
    code = 1
    try:
        # A child that hangs writes its stack. `dump_traceback_later` would wait for the timer of
        # the parent.
        faulthandler.register(signal.SIGALRM, chain=True)
        signal.alarm(PATIENCE)
        work()
        code = 0
    except BaseException:  # noqa: BLE001 - a child must not return to the loop of its parent
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


def fork_children(trial: Trial) -> None:
    with working(3, trial.random):
        for _ in range(5):
            seed = trial.random.getrandbits(32)
            fork(lambda: everything(random.Random(seed)))  # noqa: B023, S311 - called at once
            trial.counts["forks"] += 1
        if trial.random.random() < 0.2:
            fork(lambda: fork(lambda: everything(random.Random(1))))  # noqa: S311
            trial.counts["forks of forks"] += 1


class Rows:
    """A data set whose items are converted in the workers of a DataLoader."""

    def __len__(self) -> int:
        return 4

    def __getitem__(self, i: int) -> Any:
        everything(random.Random(i))  # noqa: S311 - not for cryptography
        return interop.to_torch(np.full(4, i))


def load_data(trial: Trial) -> None:
    from torch.utils.data import DataLoader

    with working(2, trial.random):
        loader: Any = DataLoader(
            Rows(),  # type: ignore[arg-type]
            num_workers=2,
            multiprocessing_context="fork",
            timeout=PATIENCE,
        )
        assert [int(rows[0, 0]) for rows in loader] == [0, 1, 2, 3]
    trial.counts["DataLoader workers"] += 2


# -- spawn -----------------------------------------------------------------------------------------


def double(x: Any) -> Any:
    """Run in another process: the arrays arrive as pickles."""
    return interop.to_numpy(interop.to_torch(x) * 2)


def spawn(trial: Trial) -> None:
    with working(1, trial.random), multiprocessing.get_context("spawn").Pool(1) as pool:
        assert pool.apply_async(double, (SOURCE,)).get(4 * PATIENCE).tolist() == [0, 2, 4, 6]
    trial.counts["spawned processes"] += 1


# -- asyncio ---------------------------------------------------------------------------------------


async def keep_options(readonly: Any, chance: random.Random) -> None:
    """Set options, let other tasks run, and check that the options are still those of this task."""
    for _ in range(10):
        with interop.options(readonly=readonly):
            await asyncio.sleep(chance.choice((0, 0, 1e-4)))
            try:
                x = interop.to_torch(READONLY)
                found = "share" if x.data_ptr() == READONLY.ctypes.data else "copy"
            except interop.InteropError:
                found = "error"
            assert found == readonly, f"options(readonly={readonly!r}) did {found!r}"
        assert interop.to_torch(READONLY).data_ptr() != READONLY.ctypes.data
        await asyncio.sleep(0)


async def _gather(chance: random.Random) -> None:
    kinds = chance.choices(("share", "copy", "error"), k=30)
    await asyncio.gather(*(keep_options(kind, chance) for kind in kinds))


def switch_tasks(trial: Trial) -> None:
    asyncio.run(_gather(trial.random))
    trial.counts["asyncio tasks"] += 30


def run(trial: Trial) -> None:
    """Fork and spawn while threads convert, and switch between asyncio tasks with options."""
    warnings.filterwarnings("ignore", message=".*fork", category=DeprecationWarning)
    everything(trial.random)  # torch's own first operations hold locks, which no fork waits for
    torch.set_num_threads(1)  # a child cannot use the threads of its parent's OpenMP
    sys.setswitchinterval(1e-4)
    kinds = (fork_children, switch_tasks, fork_children, load_data)
    turn = 0
    while trial.running():
        kinds[turn % len(kinds)](trial)
        turn += 1
        if turn % 20 == 0 and trial.running():
            spawn(trial)
