"""ROCm, with a stand-in: torch and CuPy on the simulated runtime act as their ROCm builds.

The stand-in is `rocm.py`. Nothing here ran on a ROCm device.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from child import run_child

HERE = Path(__file__).parent
START = """
import rocm
rocm.load()
import cupy, numpy as np, torch
import interop
from interop import Device
"""
GPU_TESTS = (
    "test_copyto_gpu.py",
    "test_dask_gpu.py",
    "test_export_gpu.py",
    "test_host_bytes_gpu.py",
    "test_implemented_in_gpu.py",
    "test_stack_gpu.py",
    "handoffs/test_edges.py",
)
"""Tests of facts, plans, moves, streams, leases, `export`, `copyto`, `watch` and host bytes."""
CUDA_ONLY = ("per-thread", "dropped", "managed", "costs_one_event", "foreign_device_array")
"""Words in the names of tests of what ROCm has not: a per-thread default stream in DLPack, the
numbers of CUDA's streams, managed memory in DLPack, and the CUDA Array Interface."""

pytestmark = pytest.mark.requires("simcuda", "torch", "cupy")


def run_on_rocm(code: str) -> str:
    """Run code in a process where torch and CuPy act as their ROCm builds."""
    return run_child(START + code, path=HERE, sees_gpu=True)


def test_convert_between_torch_and_cupy_on_rocm_shares_memory() -> None:
    run_on_rocm("""
x = torch.empty(4, device="cuda:1")
y = interop.to_cupy(x)
z = interop.to_torch(y)
assert interop.device_of(x) == interop.device_of(y) == Device(10, 1) == (10, 1)
assert x.data_ptr() == y.data.ptr == z.data_ptr()
assert interop.explain(x, "cupy").zero_copy
""")


def test_convert_to_cuda_on_rocm_uses_the_rocm_device() -> None:
    run_on_rocm("""
names = "cuda:1", "rocm:1", "hip:1", (2, 1), (10, 1)
for target, native in ("torch", torch.device("cuda", 1)), ("cupy", cupy.cuda.Device(1)):
    for device in (*names, native):
        x = interop.convert(np.arange(4.0), target, device=device)
        assert interop.device_of(x) == Device(10, 1)
        assert interop.to_numpy(x).tolist() == [0, 1, 2, 3]
        assert interop.explain(x, target, device=device).steps[0].verb == "keep"
    assert interop.device_of(interop.convert(np.arange(4.0), target, device="cuda")) == (10, 0)
""")


def test_convert_to_missing_cuda_device_on_rocm_raises_device_error() -> None:
    messages = run_on_rocm("""
for target in "torch", "cupy":
    try:
        interop.convert(np.arange(4.0), target, device="cuda:7")
    except interop.DeviceUnavailableError as error:
        print(error)
""")
    assert "finds 2 devices of type cuda here. Leave device out, or pass device=" in messages
    assert "CuPy finds 2 ROCm devices here, and rocm:7 is none of them." in messages


def test_export_on_rocm_uses_the_numbers_of_rocm() -> None:
    run_on_rocm("""
x = torch.empty(4, device="cuda")
exported = interop.export(x)
assert exported.__dlpack_device__() == (10, 0)
assert cupy.from_dlpack(exported).data.ptr == x.data_ptr()
exported.__dlpack__(stream=0)  # the default stream of ROCm
for stream in (1, 2):  # streams of CUDA only
    try:
        exported.__dlpack__(stream=stream)
    except interop.InvalidOptionError as error:
        assert "Pass None or 0 (the default stream), -1 or a handle." in str(error)
    else:
        raise AssertionError(stream)
""")


def test_convert_foreign_object_on_rocm_asks_for_the_default_stream_by_0() -> None:
    run_on_rocm("""
class Foreign:
    def __init__(self, array):
        self.array, self.asked = array, []
    def __dlpack_device__(self):
        return self.array.__dlpack_device__()
    def __dlpack__(self, *, stream=None, max_version=None):
        self.asked.append(stream)
        return self.array.__dlpack__(stream=stream, max_version=max_version)

x = Foreign(cupy.zeros(4))
assert interop.to_torch(x).data_ptr() == x.array.data.ptr
assert x.asked == [-1, 0]
""")


def test_convert_cuda_array_interface_on_rocm_is_refused_by_name() -> None:
    message = run_on_rocm("""
class Foreign:
    def __init__(self, array):
        self.__cuda_array_interface__ = {**array.__cuda_array_interface__}

try:
    interop.to_torch(Foreign(cupy.zeros(4)))
except interop.UnsupportedArrayError as error:
    print(error)
""")
    assert "torch reads no memory on cuda:0" in message


def test_gpu_tests_on_rocm_pass() -> None:
    """Run the tests that are written for CUDA."""
    select = f"not ({' or '.join(CUDA_ONLY)})"
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", select]
    command += GPU_TESTS
    environ = os.environ | {"INTEROP_SIMCUDA": "rocm"}
    done = subprocess.run(
        command, capture_output=True, text=True, env=environ, cwd=HERE, check=False
    )
    assert done.returncode == 0, done.stdout[-5000:]
