"""Draw the picture of the README, `_static/routes.svg`, on the simulated CUDA runtime: ``python docs/_routes.py``.

The picture is committed, because the README is shown on sites that build nothing. A test compares the picture with the
measured routes.
"""

import os
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent


def main() -> int:
    """Write the picture for a machine with two simulated GPUs."""
    os.environ["INTEROP_PLUGINS"] = "0"  # hides the plugin that the tests install
    sys.path.insert(0, str(HERE.parent / "tests"))
    import simcuda  # noqa: PLC0415

    simcuda.load()  # before torch and CuPy are imported
    from interop.__main__ import main as doctor  # noqa: PLC0415

    return doctor(["--check", "--svg", str(HERE / "_static" / "routes.svg")])


if __name__ == "__main__":
    sys.exit(main())
