"""These modules import torch and CuPy at their top: where one of them is missing, they are not collected."""

import importlib.util
from collections.abc import Iterator

import pytest

collect_ignore_glob = [] if all(map(importlib.util.find_spec, ("torch", "cupy"))) else ["test_*.py"]


@pytest.fixture(autouse=True)
def clean() -> Iterator[None]:
    """Begin with nothing allocated, and leave nothing pending."""
    from . import runs

    runs.clean()
    yield
    runs.clean()
