"""One stream, current in every framework at once."""

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
    """Make a CUDA stream the current one of every framework that this process has imported, for a ``with`` block.

    Handoffs inside the block then stay on one stream: they need no event, and no wait.

    Parameters
    ----------
    s : int or object with `__cuda_stream__`
        A handle, or a stream of torch, CuPy or another library. It must outlive the block.

    Raises
    ------
    InvalidOptionError
        It is no stream. Raised here, before the block.
    """
    return _scope(parse_stream(s))


@contextmanager
def _scope(current: Stream) -> Iterator[None]:
    with ExitStack() as stack:
        for adapter in registry.loaded_adapters():
            stack.enter_context(adapter.using(current))
        yield
