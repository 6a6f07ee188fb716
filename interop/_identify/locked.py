"""The lock of all tables, held for a ``with`` block.

``with LOCK`` is not enough. Since CPython 3.14, Ctrl-C may raise an exception between the return of
`LOCK.__enter__` and the block, and then nobody releases the lock (decision 0041).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from interop._lock import LOCK
from interop.adapter.scope import scoped

if TYPE_CHECKING:
    from collections.abc import Generator

__all__ = ["locked"]


@scoped
def locked() -> Generator[None, None, None]:
    """Hold the lock inside the ``with`` block. See `interop._lock` for the rules."""
    held: list[bool] = []
    try:
        held.extend(map(LOCK.acquire, (True,)))
        yield
    finally:
        for _ in held:
            LOCK.release()
