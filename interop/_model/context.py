"""The defaults of the current context: the request that a call without keywords makes."""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Final

from interop._model.request import Request

if TYPE_CHECKING:
    from collections.abc import Iterator

_NO_KEYWORDS: Final = Request()
# This is a context variable, so that threads and asyncio tasks have options of their own.
_defaults: Final[ContextVar[Request]] = ContextVar("interop_defaults", default=_NO_KEYWORDS)

# Every conversion calls this, so the method is bound once.
defaults: Final = _defaults.get
"""Return the request that holds in the current thread or task."""


@contextmanager
def scope(request: Request) -> Iterator[None]:
    """Make a request the default of every conversion inside the ``with`` block."""
    token = _defaults.set(request)
    try:
        yield
    finally:
        _defaults.reset(token)
