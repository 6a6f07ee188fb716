"""Shared by both NumPy suites: import NumPy's test module with a replaced `numpy` module."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any
from unittest import mock

import pytest

if TYPE_CHECKING:
    from collections.abc import Generator
    from types import ModuleType


def collect(stand_in: ModuleType, collector: pytest.Collector) -> Generator[None, Any, Any]:
    """Collect the tests while the name `numpy` means the replacement, as a hook wrapper's body."""
    if not isinstance(collector, pytest.Module):
        return (yield)
    with mock.patch.dict(sys.modules, {"numpy": stand_in}):
        return (yield)
