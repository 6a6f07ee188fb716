"""Build the two extensions of the compiled path, or none if there is no compiler."""

import numpy as np
from setuptools import Extension, setup

setup(
    ext_modules=[
        Extension("interop._engine._fastpath", ["interop/_engine/_fastpath.c"], optional=True),
        Extension(
            "interop.adapters.torch._native",
            ["adapters/torch/_native.c"],
            depends=["adapters/torch/_dlpack.h"],
            include_dirs=[np.get_include()],
            optional=True,
        ),
    ]
)
