"""The one lock of interop, and what happens to it when the process forks.

All tables that interop shares between threads are changed under `LOCK`. A fork copies the memory,
but only the thread that forks lives on in the child. A lock that another thread holds at that
moment stays locked in the child for ever, and a table that is half changed stays half changed. So
a fork waits for `LOCK`, and the child starts with a free lock and complete tables.

Two rules keep this free of deadlocks:

- There is no second lock, so two locks are never taken in different orders.
- No code of other packages runs under `LOCK`: no import and no method of an adapter. Such code may
  wait for another thread that waits for `LOCK`. Results are computed first and stored afterwards.

`interop/__init__.py` registers the hooks, so that they are there before any other module is loaded.
"""

from __future__ import annotations

import importlib._bootstrap as importing
from threading import RLock, get_ident
from time import monotonic, sleep
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["LOCK", "get_ident", "in_child"]

# Reentrant, because a finaliser may run under the lock, and may convert an array.
LOCK: Final = RLock()
# The hooks of other packages hold locks, too, for example that of `logging`. A thread that imports
# an adapter may wait for such a lock. This ends the deadlock.
_PATIENCE: Final = 10.0
"""Seconds that a fork waits at most."""
in_child: Final[list[Callable[[], object]]] = []
"""Functions that are called in the child of a fork, where the forking thread is the only one."""


def before_fork() -> None:
    """Wait until no other thread imports a module of interop, and take the lock."""
    deadline = monotonic() + _PATIENCE
    # A child inherits the import lock of a module, too, and could never import that module. The
    # first conversions import adapters, so there are many such moments. To wait for `LOCK` lets
    # other threads run, so the question is asked under the lock, right before the fork.
    while LOCK.acquire(timeout=max(0.0, deadline - monotonic())):
        if not _is_importing() or monotonic() > deadline:
            return
        LOCK.release()
        sleep(0.001)


def _is_importing() -> bool:
    """Whether another thread imports a module of interop, such as an adapter."""
    package = __name__.partition(".")[0] + "."
    me = get_ident()
    # Private to importlib. The locks of the imports in progress, as weak references by module.
    in_progress: dict[str, Any] = getattr(importing, "_module_locks", {})
    # A copy, because other threads import modules meanwhile.
    locks = [find() for name, find in in_progress.copy().items() if name.startswith(package)]
    return any(lock is not None and getattr(lock, "owner", me) != me for lock in locks)


def after_fork_in_parent() -> None:
    """Release the lock."""
    if LOCK._is_owned():  # type: ignore[attr-defined]  # noqa: SLF001
        LOCK.release()


def after_fork_in_child() -> None:
    """Release the lock, or make it free if the fork did not get it, and forget other threads."""
    if LOCK._is_owned():  # type: ignore[attr-defined]  # noqa: SLF001
        LOCK.release()
    else:
        LOCK._at_fork_reinit()  # type: ignore[attr-defined]  # noqa: SLF001
    for forget in in_child:
        forget()
