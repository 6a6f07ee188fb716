"""Functions decorated by a call, in real workers, clusters and a documentation build."""

from pathlib import Path
from textwrap import dedent

import pytest

from child import run_child

pytestmark = pytest.mark.requires("torch")

LIBRARY = """
    import interop, numpy as np
    from scipy import ndimage
    label = interop.implemented_in("numpy")(ndimage.label)
    root = interop.implemented_in("numpy", per_block=True)(np.sqrt)
    @interop.implemented_in("numpy")
    def flip(x):
        return x[::-1]
"""


@pytest.fixture
def library(tmp_path: Path) -> Path:
    (tmp_path / "of_a_library.py").write_text(dedent(LIBRARY))
    return tmp_path


@pytest.mark.requires("scipy")
def test_pickle_decorated_scipy_function_runs_in_a_spawned_process(library: Path) -> None:
    said = run_child(
        """
        import multiprocessing, numpy as np, torch, interop
        from scipy import ndimage
        import of_a_library
        if __name__ == "__main__":
            with multiprocessing.get_context("spawn").Pool(1) as pool:
                for function in (of_a_library.label, interop.implemented_in("numpy")(ndimage.label)):
                    regions, count = pool.apply(function, [np.eye(3)])
                    print(type(regions).__name__, count)
                print(pool.apply(of_a_library.flip, [np.arange(2)]).tolist())
                pool.close()
                pool.join()
        """,
        path=library,
    )
    assert said.splitlines() == ["ndarray 3", "ndarray 3", "[1, 0]"]


@pytest.mark.requires("scipy")
def test_pickle_decorated_functions_run_in_a_spawned_data_loader_worker(library: Path) -> None:
    (library / "data.py").write_text(
        "import torch\n"
        "from of_a_library import label\n"
        "class Images(torch.utils.data.Dataset):\n"
        "    transform = staticmethod(label)\n"
        "    def __init__(self, function): self.function = function\n"
        "    def __len__(self): return 2\n"
        "    def __getitem__(self, i): return self.function(torch.eye(3))[0]\n"
    )
    said = run_child(
        """
        import threading, torch
        from data import Images
        from of_a_library import flip, label
        if __name__ == "__main__":
            loader = torch.utils.data.DataLoader(
                Images(label), batch_size=None, num_workers=1, multiprocessing_context="spawn", collate_fn=flip
            )
            for x in loader:
                print(type(x).__name__, x.diagonal().tolist(), x.flip(0).diagonal().tolist())
            # A thread of the loader's queue may be removing a semaphore. If the process ended
            # meanwhile, multiprocessing would remove the semaphore again, and print an error.
            for thread in set(threading.enumerate()) - {threading.main_thread()}:
                thread.join()
        """,
        path=library,
    )
    assert said.splitlines() == ["Tensor [0, 2, 0] [1, 2, 3]"] * 2


@pytest.mark.requires("scipy", "cloudpickle")
def test_cloudpickle_decorated_functions_of_main_run_in_another_process(tmp_path: Path) -> None:
    """Functions in ``__main__`` are pickled by value, as by joblib's workers and notebooks."""
    run_child(
        f"""
        import cloudpickle, interop, torch
        from scipy import ndimage
        @interop.implemented_in("numpy")
        def above(x):
            return x[::-1]
        def shift(x, by=1):
            return x + by
        def called(tree):
            return above(shift_(tree["x"]))
        shift_ = interop.implemented_in("numpy")(shift)
        label = interop.implemented_in("numpy")(ndimage.label)
        above(torch.ones(1)), shift_(torch.ones(1))
        with open({str(tmp_path / "sent")!r}, "wb") as file:
            cloudpickle.dump((above, shift_, called, label), file)
        """
    )
    said = run_child(
        f"""
        import pickle, torch
        with open({str(tmp_path / "sent")!r}, "rb") as file:
            above, shift, called, label = pickle.load(file)
        x = torch.arange(3)
        print(above(x).tolist(), shift(x).tolist(), called({{"x": x}}).tolist(), label(x)[1], type(above(x)).__name__)
        """
    )
    assert said == "[2, 1, 0] [1, 2, 3] [3, 2, 1] 1 Tensor\n"


@pytest.mark.requires("dask", "scipy")
def test_per_block_function_decorated_by_a_call_runs_in_dask_processes(library: Path) -> None:
    said = run_child(
        """
        import dask.array as da, numpy as np, of_a_library
        if __name__ == "__main__":
            x = da.from_array(np.arange(4.0) ** 2, chunks=2)
            print(of_a_library.root(x).compute(scheduler="processes", num_workers=1).tolist())
            print(x.map_blocks(of_a_library.flip, dtype=x.dtype).compute(scheduler="processes", num_workers=1).tolist())
            print(x.map_blocks(of_a_library.root).compute(scheduler="processes", num_workers=1).tolist())
        """,
        path=library,
    )
    assert said.splitlines() == [
        "[0.0, 1.0, 2.0, 3.0]",
        "[1.0, 0.0, 9.0, 4.0]",
        "[0.0, 1.0, 2.0, 3.0]",
    ]


@pytest.mark.requires("array_api_strict")
def test_pickle_dotted_namespace_given_as_returns_is_imported_on_load(tmp_path: Path) -> None:
    (tmp_path / "pkg").mkdir()
    (tmp_path / "pkg" / "__init__.py").touch()
    (tmp_path / "pkg" / "api.py").write_text("from array_api_strict import *\n")
    said = run_child(
        """
        import pickle, sys
        import numpy as np, interop, pkg.api
        sent = pickle.dumps(interop.implemented_in("numpy", returns=pkg.api)(np.negative))
        del sys.modules["pkg.api"], sys.modules["pkg"], pkg
        print(type(pickle.loads(sent)(np.ones(1))).__module__, "pkg.api" in sys.modules)
        """,
        path=tmp_path,
    )
    assert said == "array_api_strict._array_object True\n"


@pytest.mark.requires("scipy", "sphinx")
def test_sphinx_documents_the_signature_of_decorated_functions(library: Path) -> None:
    """Sphinx finds the functions by name and as module members, with signature and docstring."""
    (library / "conf.py").write_text("extensions = ['sphinx.ext.autodoc', 'sphinx.ext.napoleon']\n")
    (library / "index.rst").write_text(
        "Title\n=====\n.. autofunction:: of_a_library.label\n\n.. automodule:: of_a_library\n"
        "   :members: root, flip\n   :undoc-members:\n"
    )
    run_child(
        f"""
        import warnings
        warnings.simplefilter("ignore")
        from sphinx.cmd.build import main
        assert main(["-Q", "-b", "text", {str(library)!r}, {str(library / "out")!r}]) == 0
        """,
        path=library,
    )
    text = (library / "out" / "index.txt").read_text()
    assert "of_a_library.label(input, structure=None, output=None)" in text
    assert "Label features in an array." in text
    assert "of_a_library.flip(x)" in text
    assert "of_a_library.root(" in text
