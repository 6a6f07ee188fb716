"""GPUs in the expectations of tests: CUDA's, or ROCm's if the tests run with the stand-in."""

import os

from interop import Device

KIND = 10 if os.environ.get("INTEROP_SIMCUDA") == "rocm" else 2
GPU0, GPU1 = Device(KIND, 0), Device(KIND, 1)
