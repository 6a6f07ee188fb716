"""Importing interop loads no framework, no adapter and no plugin."""

import re
import subprocess
import sys

import pytest

from child import run_child

FRAMEWORKS = {
    "array_api_compat",
    "array_api_strict",
    "cupy",
    "dask",
    "distributed",
    "jax",
    "ml_dtypes",
    "numpy",
    "pandas",
    "torch",
}


def test_import_interop_loads_no_framework() -> None:
    said = run_child("""
        import sys
        before = set(sys.modules)
        import interop, interop.adapter, interop.errors
        print(*{name.partition(".")[0] for name in set(sys.modules) - before})
    """)
    loaded = set(said.split())
    assert "interop" in loaded
    assert not loaded & FRAMEWORKS


def test_import_interop_loads_no_other_module() -> None:
    """Neither interop's other modules nor typing are loaded before a name is used."""
    said = run_child("""
        import sys
        before = set(sys.modules)
        import interop
        print(*set(sys.modules) - before)
        interop.Device
        print("interop._verbs.convert" in sys.modules, hasattr(interop, "no_such_name"), "__getattr__" in vars(interop))
    """)
    assert said.splitlines() == ["interop", "True False False"]


def test_import_any_module_first_succeeds() -> None:
    """A pickle may import any of the modules first in a new process."""
    said = run_child("""
        import importlib, os, pkgutil, interop
        modules = pkgutil.walk_packages(interop.__path__, "interop.")
        skipped = ("interop.__main__", "interop.adapters")
        names = [one.name for one in modules if not one.name.startswith(skipped)]
        for name in names:
            if (child := os.fork()) == 0:
                importlib.import_module(name)
                os._exit(0)
            if os.waitpid(child, 0)[1]:
                print(name)
        print(len(names) > 40)
    """)
    assert said == "True\n"


def test_dir_and_star_import_know_names_before_loading() -> None:
    said = run_child("""
        import interop
        print("to_numpy" in dir(interop), "__version__" in dir(interop))
        from interop import *
        print(to_numpy.__name__, errors.__name__ if "errors" in globals() else "no errors")
    """)
    assert said.splitlines() == ["True True", "to_numpy no errors"]


@pytest.mark.requires("torch")
def test_convert_known_arrays_does_not_search_for_plugins() -> None:
    said = run_child("""
        import array, importlib.metadata
        def entry_points(*, group):  # torch has some, too
            if group == "interop.adapters":
                print("searched")
            return ()
        importlib.metadata.entry_points = entry_points
        import interop, numpy as np, torch
        interop.to_torch(np.ones(3), dtype=torch.float16, device=torch.device("cpu")), interop.to_numpy(torch.ones(3))
        interop.to_torch(np.ones(3, ">f4")), interop.convert(torch.ones(3), np, dtype=np.float64)
        interop.convert_tree([np.ones(3), None, "text"], torch), interop.stack([np.ones(3)] * 2, "torch")
        print("unknown:")
        interop.to_numpy(array.array("i", [1])), interop.to_numpy(array.array("i", [1]))
    """)
    assert said.splitlines() == ["unknown:", "searched"]


def test_importtime_lists_no_framework() -> None:
    command = [sys.executable, "-X", "importtime", "-c", "import interop"]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stderr
    imported = {name.partition(".")[0] for name in re.findall(r"\| +([\w.]+)$", said, re.MULTILINE)}
    assert "interop" in imported
    assert not imported & FRAMEWORKS


def test_to_numpy_imports_numpy_but_no_other_framework() -> None:
    said = run_child("""
        import sys
        import interop
        interop.options(readonly="share"), interop.frameworks(), interop.Device.parse("cuda:1")
        print("numpy" in sys.modules)
        interop.to_numpy(memoryview(b"abc"))
        print("numpy" in sys.modules, "torch" in sys.modules, "cupy" in sys.modules)
        try:
            interop.convert([1], "numpy")
        except interop.NotAnArrayError:
            print("torch" in sys.modules, "cupy" in sys.modules)
    """)
    assert said.split() == ["False", "True", "False", "False", "False", "False"]


@pytest.mark.requires("torch")
def test_convert_on_the_host_creates_no_cuda_context() -> None:
    said = run_child(
        """
        import interop, numpy, torch
        interop.to_torch(numpy.ones(3)), interop.to_numpy(torch.ones(3))
        interop.explain(torch.ones(3), "numpy", copy=True), interop.frameworks()
        print(torch.cuda.is_initialized())
        """,
        sees_gpu=True,
    )
    assert said.strip() == "False"


@pytest.mark.parametrize("name", ["adapters", "interop.testing"])
def test_import_interop_does_not_load_adapters_or_testing(name: str) -> None:
    assert run_child(f"import sys, interop; print('{name}' in sys.modules)").strip() == "False"


def test_import_interop_provides_every_public_name() -> None:
    said = run_child(
        "import interop; print(len([getattr(interop, name) for name in interop.__all__]))"
    )
    assert int(said) >= 20
