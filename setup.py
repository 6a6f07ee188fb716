"""The compiled path: two small extensions. Without a compiler they are left out, and everything works, slower."""

import numpy as np
from setuptools import Extension, setup

setup(
    ext_modules=[
        Extension("interop._front", ["interop/_front.c"], optional=True),
        Extension(
            "interop.adapters._torch",
            ["adapters/_torch.c"],
            depends=["adapters/_dlpack.h"],
            include_dirs=[np.get_include()],
            optional=True,
        ),
    ]
)
