"""Hide an installed package from interop."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from interop._engine import fastpath


def hide_ml_dtypes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hide ml_dtypes, and clear the fast path, which may have cached ml_dtypes."""
    monkeypatch.setitem(sys.modules, "ml_dtypes", None)
    fastpath.clear()


@contextmanager
def hidden_ml_dtypes() -> Iterator[None]:
    """Hide ml_dtypes inside the ``with`` block."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        hide_ml_dtypes(monkeypatch)
        yield
    fastpath.clear()
