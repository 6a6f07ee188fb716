"""Real numba's device arrays, which have the CUDA Array Interface only, on the simulated runtime.

The tests run in child processes and import numba from a separate folder. If numba were installed
normally, Dask's distributed would send CuPy arrays through it.
"""

from pathlib import Path

import pytest

from child import run_child

ROOT = Path(__file__).resolve().parents[2]
SETUP = """
    import sys, warnings
    sys.path.insert(0, {tests!r})
    import simcuda
    simcuda.load()
    import cupy, torch, interop, numpy as np
    with warnings.catch_warnings(action="ignore"):  # that numba.cuda will be a package of its own
        from numba import cuda
    values = np.arange(6, dtype="float32").reshape(2, 3)
"""

pytestmark = [pytest.mark.slow, pytest.mark.requires("numba", "torch", "cupy", "simcuda")]


def run(code: str) -> str:
    """Run code in a process with numba, and return the output."""
    return run_child(
        SETUP.format(tests=str(ROOT / "tests")) + code, path=ROOT / ".venv" / "numba", sees_gpu=True
    )


@pytest.mark.parametrize("to", ["torch", "cupy"])
def test_convert_numba_device_array_shares_memory(to: str) -> None:
    said = run(f"""
    x = cuda.to_device(values)
    plan = interop.explain(x, {to!r})
    result = interop.convert(x, {to!r}, copy=False)
    print(plan.source, plan.zero_copy, interop.device_of(x), interop.device_of(result))
    print(interop.shares_memory(result, x), interop.to_numpy(result).tolist())
    """)
    source = "numba.cuda.cudadrv.devicearray.DeviceNDArray"
    assert said == f"{source} True cuda:0 cuda:0\nTrue [[0.0, 1.0, 2.0], [3.0, 4.0, 5.0]]\n"


@pytest.mark.parametrize("to", ["torch", "cupy"])
def test_convert_numba_device_array_waits_for_the_numba_stream(to: str) -> None:
    said = run(f"""
    stream = cuda.stream()
    for schedule in ("eager", "lazy", "greedy", "adversary"):
        simcuda.schedule(schedule)
        result = interop.convert(cuda.to_device(values, stream=stream), {to!r})
        print(np.array_equal(interop.to_numpy(result), values), simcuda.races())
    """)
    assert said == "True []\n" * 4


def test_convert_numba_device_array_keeps_memory_alive_with_the_result() -> None:
    said = run("""
    results = [interop.convert(cuda.to_device(values), to) for to in ("torch", "cupy")]
    others = [cuda.to_device(values + 1) for _ in range(4)]
    print([np.array_equal(interop.to_numpy(result), values) for result in results], simcuda.errors())
    """)
    assert said == "[True, True] []\n"


def test_to_numpy_from_numba_device_array_is_refused_with_a_hint() -> None:
    said = run("""
    try:
        interop.to_numpy(cuda.to_device(values))
    except interop.UnsupportedArrayError as error:
        print(str(error).partition(" on cuda:0 to ")[2])
    """)
    assert (
        said
        == "numpy: numpy reads no memory on cuda:0. Convert it to a framework of that device first.\n"
    )
