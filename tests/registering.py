"""Adapters for some tests only: there is no way back that a user would need."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from interop import _quick, _registry
from interop.adapter import Adapter


@contextmanager
def registered(*adapters: Adapter) -> Iterator[None]:
    """Register adapters, and afterwards forget them, and what was registered meanwhile."""
    with pytest.MonkeyPatch.context() as patch:
        for table in ("_loaded", "_names"):
            patch.setattr(_registry, table, dict(getattr(_registry, table)))
        for adapter in adapters:
            _registry.register(adapter)
        yield
    _registry._classes.clear()
    _quick.forget()
