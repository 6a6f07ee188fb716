"""Build the two extensions of the compiled path, or none if there is no compiler."""

import os

import numpy as np
from setuptools import Extension, setup

# An installation from the sdist works without the extensions. A wheel for others must contain them,
# so cibuildwheel sets this variable: see pyproject.toml.
OPTIONAL = os.environ.get("INTEROP_EXTENSIONS") != "required"

setup(
    ext_modules=[
        Extension("interop._engine._fastpath", ["interop/_engine/_fastpath.c"], optional=OPTIONAL),
        Extension(
            "interop.adapters.torch._native",
            ["adapters/torch/_native.c"],
            depends=["adapters/torch/_dlpack.h"],
            include_dirs=[np.get_include()],
            optional=OPTIONAL,
        ),
    ]
)
