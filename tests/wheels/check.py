"""Check the installed wheel: the compiled path is in use with NumPy and other frameworks.

python tests/wheels/check.py          # NumPy alone
python tests/wheels/check.py torch    # NumPy and torch

This file needs no test tools, and it imports nothing of the checkout.
"""

import sys
import sysconfig
from importlib import import_module
from pathlib import Path

import numpy as np

import interop


def check_place() -> None:
    """Fail if interop is the checkout, where extensions may lie that the wheel does not have."""
    installed = Path(sysconfig.get_path("platlib")).resolve()
    assert installed in Path(interop.__file__).resolve().parents, interop.__file__


def check_framework(name: str) -> None:
    """Convert to a framework and back, and fail if that is not compiled, or copies."""
    array = np.arange(6.0)
    there = interop.convert(array, name)
    back = interop.to_numpy(there)
    assert back.tolist() == array.tolist()
    assert np.shares_memory(array, back)
    (info,) = (info for info in interop.frameworks() if info.name == name)
    assert info.compiled, info.not_compiled
    assert info.not_compiled is None
    print(f"{name} {import_module(name).__version__}: compiled")


def main(names: list[str]) -> None:
    """Check NumPy and the given frameworks."""
    check_place()
    compiler = type(interop.to_numpy)
    assert compiler.__module__ == "interop._engine._fastpath", compiler
    for name in ("numpy", *names):
        check_framework(name)


if __name__ == "__main__":
    main(sys.argv[1:])
