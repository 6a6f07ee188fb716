"""Register adapters for the duration of a test. Users have no such way to unregister."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from interop._engine import fastpath
from interop._identify import registration, registry
from interop.adapter import Adapter


@contextmanager
def registered(*adapters: Adapter) -> Iterator[None]:
    """Register adapters inside the block, and undo every registration after the block."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(registration, "tables", registration.tables)
        for adapter in adapters:
            registration.register(adapter)
        yield
    registry._classes.clear()
    fastpath.clear()
