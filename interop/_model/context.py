"""The defaults of the current context: the request that a call without keywords makes."""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING, Final

from interop._model.request import Request
from interop.adapter.scope import scoped

if TYPE_CHECKING:
    from collections.abc import Generator
    from contextvars import Token

_NO_KEYWORDS: Final = Request()
# This is a context variable, so that threads and asyncio tasks have options of their own.
_defaults: Final[ContextVar[Request]] = ContextVar("interop_defaults", default=_NO_KEYWORDS)

# Every conversion calls this, so the method is bound once.
defaults: Final = _defaults.get
"""Return the request that holds in the current thread or task."""


@scoped
def using_defaults(request: Request) -> Generator[None, None, None]:
    """Make a request the default of every conversion inside the ``with`` block."""
    tokens: list[Token[Request]] = []
    try:
        # One call sets the variable and keeps the token: an interrupt in between would lose it.
        tokens.extend(map(_defaults.set, (request,)))
        yield
    finally:
        for token in tokens:
            try:  # noqa: SIM105 - `suppress` is Python code, which an interrupt can enter
                _defaults.reset(token)
            # The block is in a generator that is closed in another context, for example by the
            # garbage collector in another thread. That context never had the request.
            except ValueError:
                pass
