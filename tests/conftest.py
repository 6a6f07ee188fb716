"""Requirements of tests, and the hypothesis profiles.

A test names the packages and hardware that it requires, ``@pytest.mark.requires("torch", "gpu")``,
and is skipped if one is missing. CI lists in ``INTEROP_REQUIRE=numpy,torch`` the requirements that
must be present. A test that misses one of those fails, so CI skips no test in silence.
"""

import builtins
import functools
import importlib
import importlib.util
import inspect
import os
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from unittest import mock

import hypothesis
import pytest

import interop
import standins

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

    return available("torch") and fastpath.is_compiled(registry.adapter_named("torch"))


def has_cupy_bfloat16() -> bool:
    """Return whether CuPy's kernels accept the bfloat16 of ml_dtypes, as those of CuPy 14 do."""
    from interop._identify import registry

    return not registry.adapter_named("cupy").why_no_dtype("bfloat16")


def has_dask_expressions() -> bool:
    """Return whether Dask has arrays with query planning, a later addition to Dask than 2025.1."""
    return bool(importlib.util.find_spec("dask.array._array_expr"))


def has_jax_orders() -> bool:
    """Return whether JAX adopts memory in another order than row-major. JAX 0.7 does not."""
    features = importlib.import_module("interop.adapters.jax.features")
    return bool(features.adopts_other_orders())


def has_numpy_dlpack() -> bool:
    """Return whether NumPy exports and adopts DLPack capsules with flags, as since NumPy 2.2.5."""
    from interop.adapter import capsule

    return capsule.numpy_reads_flags()


def has_numpy_dtype_errors() -> bool:
    """Return whether NumPy passes on the error of a property `dtype`. NumPy 2.1.0 does not."""
    import numpy as np

    class Odd:
        @property
        def dtype(self) -> None:
            raise MemoryError

    try:
        np.dtype(Odd())  # type: ignore[arg-type]
    except MemoryError:
        return True
    except TypeError:
        return False
    raise AssertionError


def has_torch_dlpack() -> bool:
    """Return whether torch exports and adopts DLPack capsules with flags, since torch 2.9."""
    import torch

    return "max_version" in inspect.signature(torch.Tensor.__dlpack__).parameters


def has_torch_float8_cat() -> bool:
    """Return whether `torch.cat` takes 8-bit floats, as Dask needs. torch 2.5 does not."""
    import torch

    try:
        torch.cat([torch.ones(2, 1).to(torch.float8_e5m2)] * 2, dim=1)
    except RuntimeError:
        return False
    return True


def has_torch_compile_keys() -> bool:
    """Return whether `torch.compile` traces a dict with a module as a key. torch 2.10 does not."""
    import torch

    table = {torch: 2}
    double = torch.compile(lambda x: x * table[torch], fullgraph=True, backend="eager")
    try:
        double(torch.ones(1))
    except Exception:  # noqa: BLE001 - errors of the tracer
        return False
    return True


def has_compat_mocks() -> bool:
    """Return whether array-api-compat tells arrays of NumPy next to a module that is not JAX."""
    import array_api_compat
    import numpy as np

    with mock.patch.dict(sys.modules, jax=ModuleType("jax")):
        try:
            return bool(array_api_compat.is_numpy_array(np.ones(1)))
        except AttributeError:
            return False


def has_torch_jagged_padding() -> bool:
    """Return whether torch pads nested tensors of the layout ``jagged``. torch 2.5 does not."""
    import torch

    with warnings.catch_warnings(action="ignore"):  # nested tensors are in beta
        x = torch.nested.nested_tensor([torch.ones(1)], layout=torch.jagged)
        try:
            x.to_padded_tensor(0.0)
        except NotImplementedError:
            return False
    return True


def has_numba() -> bool:
    """Return whether numba is in its separate folder: see tests/sources/test_numba.py."""
    return (Path(__file__).parents[1] / ".venv" / "numba" / "numba").exists()


def has_kernels() -> bool:
    """Return whether kernels run: the simulated GPU refuses them."""
    return available("gpu") and not available("simcuda")


@functools.cache
def available(name: str) -> bool:
    if name in FEATURES:
        # The name of a feature begins with its package, as in "torch-dlpack".
        package = name.partition("-")[0]
        return (package not in MODULES or available(package)) and FEATURES[name]()
    return importlib.util.find_spec(name) is not None


def unknown(names: set[str], where: str) -> str:
    """Return an error message if a name is not in KNOWN, otherwise an empty string."""
    wrong = names - KNOWN
    if not wrong:
        return ""
    return f"{where} names {', '.join(sorted(wrong))}; there are: {', '.join(sorted(KNOWN))}"


def load_simcuda() -> bool:
    """Simulate CUDA for all tests, if the environment asks for it, before torch or CuPy load.

    With ``INTEROP_SIMCUDA=rocm``, torch and CuPy also act as their ROCm builds.
    """
    asked = os.environ.get("INTEROP_SIMCUDA")
    if not asked:
        return False
    import rocm
    import simcuda

    try:
        if asked == "rocm":
            rocm.load()
        else:
            simcuda.load()
    except simcuda.SimcudaError as error:
        raise pytest.UsageError(str(error)) from None
    return True


FEATURES = {
    "compat-mocks": has_compat_mocks,
    "compiled": is_compiled,
    "cupy-bfloat16": has_cupy_bfloat16,
    "dask-expressions": has_dask_expressions,
    "gpu": has_gpu,
    "jax-orders": has_jax_orders,
    "kernels": has_kernels,
    "numba": has_numba,
    "numpy-dlpack": has_numpy_dlpack,
    "numpy-dtype-errors": has_numpy_dtype_errors,
    "simcuda": load_simcuda,
    "torch-compile-keys": has_torch_compile_keys,
    "torch-dlpack": has_torch_dlpack,
    "torch-float8-cat": has_torch_float8_cat,
    "torch-jagged-padding": has_torch_jagged_padding,
}
KNOWN = MODULES | FEATURES.keys()


def pytest_report_header() -> str:
    return f"interop: {interop.__file__}, {'' if available('compiled') else 'not '}compiled"


def pytest_configure() -> None:
    if error := unknown(MUST, "INTEROP_REQUIRE"):
        raise pytest.UsageError(error)
    available("simcuda")
    # The import of a package that must be here fails, instead of giving a stand-in.
    absent = {name for name in MODULES - MUST if not available(name)}
    standins.install(absent, str(Path(__file__).parent))


@pytest.fixture
def real_imports(monkeypatch: pytest.MonkeyPatch) -> None:
    """Import without stand-ins, for `torch.compile`, which traces imports."""
    monkeypatch.setattr(builtins, "__import__", standins.real_import)


def pytest_pycollect_makemodule(module_path: Path, parent: pytest.Collector) -> pytest.Module:
    return standins.Module.from_parent(parent, path=module_path)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    standins.running.append(item.nodeid)
    try:
        return (yield)
    finally:
        standins.running.pop()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    try:
        return (yield)
    except interop.FrameworkNotInstalledError as error:
        standins.skip_if_asked_for(error, item.name)
        raise


def pytest_runtest_setup(item: pytest.Item) -> None:
    names = [name for mark in item.iter_markers("requires") for name in mark.args]
    # A test with the parameter "torch" requires torch.
    callspec = getattr(item, "callspec", None)
    if callspec is not None:
        names += sorted(standins.names_in(tuple(callspec.params.values())))
    # Checked here, because pytest-xdist loses the message of an error during collection.
    if error := unknown(set(names), item.nodeid):
        pytest.fail(error, pytrace=False)
    missing = [name for name in names if not available(name)]
    if must := [name for name in missing if name in MUST]:
        pytest.fail(f"INTEROP_REQUIRE asks for what is not here: {', '.join(must)}", pytrace=False)
    if missing:
        pytest.skip(f"requires {', '.join(missing)}")
