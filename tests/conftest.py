"""Requirements of tests, and the hypothesis profiles.

A test names the packages and hardware that it requires, ``@pytest.mark.requires("torch", "gpu")``,
and is skipped if one is missing. CI lists in ``INTEROP_REQUIRE=numpy,torch`` the requirements that
must be present. A test that misses one of those fails, so CI skips no test in silence.
"""

import functools
import importlib.util
import os
import warnings
from pathlib import Path

import hypothesis
import pytest

SOURCES = {"PIL", "array_api_strict", "h5py", "pandas", "polars", "pyarrow", "xarray", "zarr"}
MODULES = {
    "cloudpickle",
    "cupy",
    "dask",
    "distributed",
    "jax",
    "ml_dtypes",
    "mypy",
    "numpy",
    "pyright",
    "scipy",
    "sphinx",
    "torch",
} | SOURCES
KNOWN = MODULES | {"compiled", "gpu", "kernels", "numba", "simcuda"}
MUST = set(filter(None, os.environ.get("INTEROP_REQUIRE", "").split(",")))

hypothesis.settings.register_profile("default", deadline=None)
hypothesis.settings.register_profile("ci", deadline=None, derandomize=True, print_blob=True)
hypothesis.settings.load_profile("ci" if os.environ.get("CI") else "default")


def has_gpu() -> bool:
    """Return whether an installed framework finds a CUDA device."""
    with warnings.catch_warnings(action="ignore"):  # warnings of missing or old drivers
        if available("torch"):
            import torch

            if torch.cuda.is_available():
                return True
        if available("cupy"):
            import cupy

            return bool(cupy.cuda.is_available())
    return False


def is_compiled() -> bool:
    """Return whether interop's compiled modules are in use with torch."""
    from interop._engine import fastpath
    from interop._identify import registry

    return fastpath.is_compiled(registry.adapter_named("torch"))


@functools.cache
def available(name: str) -> bool:
    if name == "gpu":
        return has_gpu()
    if name == "simcuda":
        return load_simcuda()
    if name == "compiled":
        return is_compiled()
    if name == "numba":  # in a separate folder: see tests/sources/test_numba.py
        return (Path(__file__).parents[1] / ".venv" / "numba" / "numba").exists()
    if name == "kernels":  # tests with kernels, which the simulated GPU cannot run
        return available("gpu") and not available("simcuda")
    return importlib.util.find_spec(name) is not None


def unknown(names: set[str], where: str) -> str:
    """Return an error message if a name is not in KNOWN, otherwise an empty string."""
    wrong = names - KNOWN
    if not wrong:
        return ""
    return f"{where} names {', '.join(sorted(wrong))}; there are: {', '.join(sorted(KNOWN))}"


def load_simcuda() -> bool:
    """Simulate CUDA for all tests, if the environment asks for it, before torch or CuPy load."""
    if not os.environ.get("INTEROP_SIMCUDA"):
        return False
    import simcuda

    try:
        simcuda.load()
    except simcuda.SimcudaError as error:
        raise pytest.UsageError(str(error)) from None
    return True


def pytest_report_header() -> str:
    import interop

    return f"interop: {interop.__file__}, {'' if available('torch') and is_compiled() else 'not '}compiled"


def pytest_configure() -> None:
    if error := unknown(MUST, "INTEROP_REQUIRE"):
        raise pytest.UsageError(error)
    available("simcuda")


def pytest_runtest_setup(item: pytest.Item) -> None:
    names = [name for mark in item.iter_markers("requires") for name in mark.args]
    # Checked here, because pytest-xdist loses the message of an error during collection.
    if error := unknown(set(names), item.nodeid):
        pytest.fail(error, pytrace=False)
    missing = [name for name in names if not available(name)]
    if must := [name for name in missing if name in MUST]:
        pytest.fail(f"INTEROP_REQUIRE asks for what is not here: {', '.join(must)}", pytrace=False)
    if missing:
        pytest.skip(f"requires {', '.join(missing)}")
