"""The public function `stream`, which sets the current CUDA stream of all frameworks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from interop._engine.parse import invalid, parse_stream
from interop._identify import registry
from interop.adapter.scope import scoped
from interop.adapter.streams import UNORDERED

if TYPE_CHECKING:
    from collections.abc import Generator
    from contextlib import AbstractContextManager

    from interop.adapter import Adapter, Stream


def stream(s: Any, /) -> AbstractContextManager[None]:
    """Set the current CUDA stream of all imported frameworks inside the ``with`` block.

    A framework that finds no GPU stays as it is.
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
    # Parsed here, because `_using` would raise the error only when the block is entered.
    current = parse_stream(s)
    if current.handle == UNORDERED:
        raise invalid("stream", s, "an int handle or an object with __cuda_stream__")
    return _using(current)


@scoped
def _using(current: Stream) -> Generator[None, None, None]:
    # A framework that is not imported has no work that the stream could order.
    yield from _using_each(current, registry.loaded_adapters())


def _using_each(current: Stream, adapters: list[Adapter]) -> Generator[None, None, None]:
    # One block in the other: `contextlib.ExitStack` is Python code, which an interrupt can enter.
    if not adapters:
        yield
        return
    first, *others = adapters
    with first.using(current):
        yield from _using_each(current, others)
