"""What is installed, as if it were not."""

import sys

import pytest

from interop import _quick


def hide_ml_dtypes(monkeypatch: pytest.MonkeyPatch) -> None:
    """No package goes while a process runs, so interop must forget that it was there."""
    monkeypatch.setitem(sys.modules, "ml_dtypes", None)
    _quick.forget()
