"""Build the extensions of the compiled path, as far as Python and a C compiler allow."""

import os
import sys
import sysconfig

import numpy as np
from setuptools import Distribution, Extension, setup

# An installation from the sdist works without the extensions. A wheel for others must contain them,
# so cibuildwheel sets this variable: see pyproject.toml.
OPTIONAL = os.environ.get("INTEROP_EXTENSIONS") != "required"
FASTPATH = Extension(
    "interop._engine._fastpath", ["interop/_engine/_fastpath.c"], optional=OPTIONAL
)
NATIVE = Extension(
    "interop.adapters.torch._native",
    ["adapters/torch/_native.c"],
    depends=["adapters/torch/_dlpack.h"],
    include_dirs=[np.get_include()],
    optional=OPTIONAL,
)


def supported() -> list[Extension]:
    """Return the extensions for this Python. Without them, interop does the same, but slower."""
    # Free-threaded Python would switch the GIL on again for the whole process (decision 0043).
    if sysconfig.get_config_var("Py_GIL_DISABLED") or sys.implementation.name != "cpython":
        return []
    # The sizes of DLPack have 64 bits, and `_native.c` takes them as those of NumPy.
    if sys.maxsize < 2**32:
        return [FASTPATH]
    return [FASTPATH, NATIVE]


class PlatformDistribution(Distribution):
    """A distribution whose wheel is for one Python and platform, also without extensions.

    A wheel for any Python would be kept by pip, and installed where the extensions are supported.
    """

    def has_ext_modules(self) -> bool:
        """Return True."""
        return True


setup(ext_modules=supported(), distclass=PlatformDistribution)
