"""A stand-in for ROCm: torch and CuPy on the simulated runtime, acting as their ROCm builds.

The ROCm builds call their devices "cuda" and number them 10 in DLPack. The stand-in changes what
the two libraries say about that, and nothing else. No test ran on a real ROCm device.
"""

import ctypes
from typing import Any, Final

import simcuda

CUDA, ROCM = 2, 10
_CAPSULES: Final = {b"dltensor": 8, b"dltensor_versioned": 32 + 8}
"""By the name of a DLPack capsule, the offset of the device type in its structure (dlpack.h)."""
_is_valid: Final = ctypes.PYFUNCTYPE(ctypes.c_int, ctypes.py_object, ctypes.c_char_p)(
    ("PyCapsule_IsValid", ctypes.pythonapi)
)
_find: Final = ctypes.PYFUNCTYPE(ctypes.c_void_p, ctypes.py_object, ctypes.c_char_p)(
    ("PyCapsule_GetPointer", ctypes.pythonapi)
)


def load() -> None:
    """Load the simulated runtime, torch and CuPy, and let both act as their ROCm builds."""
    simcuda.load()
    _change_torch()
    _change_cupy()


def _change_torch() -> None:
    """Let `torch.version` state ROCm, and let torch write and read ROCm's number in capsules."""
    import torch

    torch.version.hip, torch.version.cuda = "7.0.0", None
    export, adopt = torch.Tensor.__dlpack__, torch._C._from_dlpack

    def export_as_rocm(self: Any, *args: Any, **keywords: Any) -> Any:
        return _renumbered(export(self, *args, **keywords), CUDA, ROCM)

    def adopt_from_rocm(capsule: Any, *args: Any) -> Any:
        return adopt(_renumbered(capsule, ROCM, CUDA), *args)

    torch.Tensor.__dlpack__ = export_as_rocm  # type: ignore[method-assign]
    torch._C._from_dlpack = adopt_from_rocm  # type: ignore[assignment]


def _change_cupy() -> None:
    """Set the two flags that CuPy's ROCm build sets: one for Python, and one for its C modules."""
    import cupy
    from cupy_backends.cuda.api import runtime  # type: ignore[import-untyped]

    runtime.is_hip = cupy.cuda.runtime.is_hip = True
    flag = runtime.__pyx_capi__["_is_hip_environment"]
    name = ctypes.PYFUNCTYPE(ctypes.c_char_p, ctypes.py_object)(
        ("PyCapsule_GetName", ctypes.pythonapi)
    )(flag)
    ctypes.c_int.from_address(_find(flag, name)).value = 1


def _renumbered(capsule: Any, old: int, new: int) -> Any:
    """Replace the device type in the header of a capsule."""
    for name, offset in _CAPSULES.items():
        if _is_valid(capsule, name):
            kind = ctypes.c_int32.from_address(_find(capsule, name) + offset)
            if kind.value == old:
                kind.value = new
    return capsule
