"""The public function `stream`, which sets the current CUDA stream of all frameworks."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

from interop._engine.parse import parse_stream
from interop._identify import registry

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

    from interop.adapter.streams import Stream


def stream(s: Any, /) -> AbstractContextManager[None]:
    """Set the current CUDA stream of all imported frameworks inside the ``with`` block.

    Conversions on a device inside the block stay on one stream, so they need no event and no wait.

    Parameters
    ----------
    s : int or object with `__cuda_stream__`
        Handle of a stream, or a stream of torch, CuPy or another library. The stream must exist
        until the block ends.

    Raises
    ------
    InvalidOptionError
        `s` is not a stream. The call raises this, before the block.
    """
    # Parsed here, because `_scope` would raise the error only when the block is entered.
    return _scope(parse_stream(s))


@contextmanager
def _scope(current: Stream) -> Iterator[None]:
    with ExitStack() as stack:
        # A framework that is not imported has no work that the stream could order.
        for adapter in registry.loaded_adapters():
            stack.enter_context(adapter.using(current))
        yield
