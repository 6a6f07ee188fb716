"""Collect these modules only if torch and CuPy are installed, because they import both."""

import importlib.util
from collections.abc import Iterator

import pytest

collect_ignore_glob = [] if all(map(importlib.util.find_spec, ("torch", "cupy"))) else ["test_*.py"]


@pytest.fixture(autouse=True)
def clean() -> Iterator[None]:
    """Start each test with empty pools, and leave no pending work."""
    from . import runs

    runs.clean()
    yield
    runs.clean()
