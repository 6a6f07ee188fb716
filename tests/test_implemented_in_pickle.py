"""Functions that a call has decorated, in other processes: pickle finds them by the function that was decorated."""

import copy
import functools
import inspect
import pickle
from collections.abc import AsyncGenerator, Generator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch

import interop
from child import run_child
from interop import implemented_in

pytestmark = pytest.mark.requires("torch")
TENSOR = torch.arange(4.0)


def again(x: Any) -> Any:
    return pickle.loads(pickle.dumps(x))  # noqa: S301 - our own


class Scale:
    def __init__(self, factor: int) -> None:
        self.factor = factor

    def times(self, x: Any) -> Any:
        assert type(x) is np.ndarray
        return x * self.factor

    def __call__(self, x: Any) -> Any:
        return self.times(x)


def add(x: Any, y: Any = 1) -> Any:
    assert type(x) is np.ndarray
    return x + y


def steps(x: Any) -> Generator[Any]:
    yield x * 2


async def later(x: Any) -> Any:
    return x * 2


async def steps_later(x: Any) -> AsyncGenerator[Any]:
    yield x * 2


CALLABLES = {
    "function": add,
    "ufunc": np.negative,
    "function in C": np.dot,
    "function of another library": np.linalg.norm,
    "partial": functools.partial(add, y=2),
    "bound method": Scale(3).times,
    "object": Scale(4),
    "class's function": Scale.times,
}


@pytest.mark.parametrize("function", CALLABLES.values(), ids=CALLABLES)
def test_pickle_function_decorated_by_a_call_returns_an_equal_one(function: Any) -> None:
    decorated: Any = implemented_in("numpy")(function)
    arguments: list[Any] = [TENSOR, TENSOR] if function is np.dot else [TENSOR]
    if function is Scale.times:
        arguments = [Scale(5), TENSOR]
    for loaded in (again(decorated), again(again(decorated))):
        result = loaded(*arguments)
        assert type(result) is torch.Tensor
        assert result.tolist() == decorated(*arguments).tolist()
        assert loaded.__wrapped__ is not loaded


def test_pickle_function_decorated_by_a_call_keeps_the_settings() -> None:
    decorated: Any = implemented_in(
        np, returns=torch, only=iter(["x"]), dtype=torch.float16, casting="unsafe", copy=True, detach=True
    )(add)
    result = again(decorated)(np.ones(3), y=np.ones(3))
    assert (type(result), result.dtype) == (torch.Tensor, torch.float64)
    learned = torch.ones(3, requires_grad=True)
    assert again(decorated)(learned).dtype == torch.float16


def test_pickle_function_that_returns_to_a_namespace_keeps_it() -> None:
    strict = pytest.importorskip("array_api_strict")
    decorated: Any = implemented_in("numpy", returns=strict)(add)
    assert type(again(decorated)(TENSOR)) is type(strict.ones(1))


def test_pickle_function_below_a_namespace_keeps_it() -> None:
    decorated: Any = implemented_in("array_api")(norm)
    assert again(decorated)(TENSOR).tolist() == 6


def norm(x: Any, *, xp: Any = None) -> Any:
    return xp.sum(x)


def double(x: Any) -> Any:
    return x * 2


original = double
double = implemented_in("numpy")(double)


def test_pickle_function_whose_name_was_given_to_its_double_is_the_double() -> None:
    assert again(double) is double
    assert double(TENSOR).tolist() == [0, 2, 4, 6]


@implemented_in("numpy")
def below(x: Any) -> Any:
    return x


@implemented_in("numpy")
@functools.lru_cache
def cached(x: Any) -> Any:
    return x


def test_pickle_function_decorated_above_its_definition_is_itself() -> None:
    assert again(below) is below
    assert again(cached) is cached
    assert inspect.isfunction(below)


def test_pickle_one_double_twice_is_one() -> None:
    decorated: Any = implemented_in("numpy")(add)
    a, b = again([decorated, decorated])
    assert a is b


def test_pickle_local_function_is_refused_as_the_function_itself_is() -> None:
    def local(x: Any) -> Any:
        return x

    with pytest.raises((AttributeError, pickle.PicklingError), match="local"):
        pickle.dumps(implemented_in("numpy")(local))


# What it is to others


def test_copy_of_a_function_decorated_by_a_call_is_itself() -> None:
    decorated: Any = implemented_in("numpy")(add)
    assert copy.copy(decorated) is copy.deepcopy([decorated])[0] is decorated


def test_inspect_function_decorated_by_a_call_finds_the_function() -> None:
    decorated: Any = implemented_in("numpy")(add)
    assert str(inspect.signature(decorated)) == "(x: Any, y: Any = 1) -> Any"
    assert inspect.unwrap(decorated) is decorated.__wrapped__ is add
    assert inspect.isroutine(decorated)
    assert (decorated.__name__, decorated.__module__, decorated.__doc__) == ("add", __name__, add.__doc__)
    assert repr(decorated) == f"<decorated function {__name__}.add>"


def test_inspect_kind_of_a_function_decorated_by_a_call_is_kept() -> None:
    kinds: dict[Any, Any] = {
        steps: inspect.isgeneratorfunction,
        later: inspect.iscoroutinefunction,
        steps_later: inspect.isasyncgenfunction,
    }
    for function, is_kind in kinds.items():
        for decorated in (implemented_in("numpy")(function), again(implemented_in("numpy")(function))):
            assert is_kind(decorated)
            assert not any(other(decorated) for other in kinds.values() if other is not is_kind)
    assert type(next(again(implemented_in("numpy")(steps))(TENSOR))) is torch.Tensor


def test_method_that_is_a_function_decorated_by_a_call_is_bound() -> None:
    class Doubled:
        factor = 3
        times: Any = implemented_in("numpy")(Scale.times)
        static = staticmethod(implemented_in("numpy")(add))

    assert Doubled().times(TENSOR).tolist() == [0, 3, 6, 9]
    assert Doubled.times.__wrapped__ is Scale.times
    assert Doubled().static(TENSOR).tolist() == [1, 2, 3, 4]


def test_pickle_object_with_a_function_decorated_by_a_call() -> None:
    loaded = again({"transform": implemented_in("numpy")(add), "n": 1})
    assert loaded["transform"](TENSOR).tolist() == [1, 2, 3, 4]


def test_decorate_a_function_decorated_by_a_call_nests() -> None:
    outer: Any = implemented_in("torch")(implemented_in("numpy")(add))
    assert type(again(outer)(np.ones(2))) is np.ndarray


# In other processes

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
    from textwrap import dedent

    (tmp_path / "of_a_library.py").write_text(dedent(LIBRARY))
    return tmp_path


@pytest.mark.requires("scipy")
def test_spawned_process_is_sent_a_scipy_function(library: Path) -> None:
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
def test_spawned_worker_of_a_data_loader_collates_with_a_scipy_function(library: Path) -> None:
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
        import torch
        from data import Images
        from of_a_library import flip, label
        if __name__ == "__main__":
            loader = torch.utils.data.DataLoader(
                Images(label), batch_size=None, num_workers=1, multiprocessing_context="spawn", collate_fn=flip
            )
            for x in loader:
                print(type(x).__name__, x.diagonal().tolist(), x.flip(0).diagonal().tolist())
        """,
        path=library,
    )
    assert said.splitlines() == ["Tensor [0, 2, 0] [1, 2, 3]"] * 2


@pytest.mark.requires("scipy", "cloudpickle")
def test_cloudpickle_of_functions_of_a_main_module_arrives_in_another_process(tmp_path: Path) -> None:
    """As joblib's workers and notebooks do: what is defined in ``__main__`` is pickled by value."""
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
def test_dask_processes_run_a_function_decorated_by_a_call_per_block(library: Path) -> None:
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
    assert said.splitlines() == ["[0.0, 1.0, 2.0, 3.0]", "[1.0, 0.0, 9.0, 4.0]", "[0.0, 1.0, 2.0, 3.0]"]


@pytest.mark.requires("array_api_strict")
def test_pickle_function_that_returns_to_a_dotted_namespace_imports_it(tmp_path: Path) -> None:
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
def test_sphinx_documents_functions_decorated_by_a_call_and_above_a_definition(library: Path) -> None:
    """By their names, also as members of a module, with the signature and the text of the function."""
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


def test_decorated_function_of_a_module_that_is_gone_is_called_still() -> None:
    module = ModuleType("gone")
    exec("def f(x): return x", vars(module))  # noqa: S102 - our own
    assert implemented_in("numpy")(module.f)(TENSOR) is not None
    assert interop.framework_of(implemented_in("numpy")(module.f)(TENSOR)) == "torch"
