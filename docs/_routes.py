"""Draw the picture of the README, `_static/routes.svg`, on the simulated CUDA runtime: ``python docs/_routes.py``.

It is kept with the sources, since a README is read where nothing is built; a test compares it with what is measured.
"""

import os
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent


def main() -> int:
    """Write it; two devices are simulated, which must be there before torch and CuPy are imported."""
    os.environ["INTEROP_PLUGINS"] = "0"  # that of the tests is not shown
    sys.path.insert(0, str(HERE.parent / "tests"))
    import simcuda  # noqa: PLC0415

    simcuda.load()
    from interop.__main__ import main as doctor  # noqa: PLC0415

    return doctor(["--check", "--svg", str(HERE / "_static" / "routes.svg")])


if __name__ == "__main__":
    sys.exit(main())
