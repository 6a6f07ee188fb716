"""A framework that is installed but cannot be used: only its own arrays are refused.

Each case runs in a child process, in which something else has the name of the framework.
"""

from pathlib import Path
from textwrap import dedent
from typing import Final

import pytest

from child import run_child

FRAMEWORKS: Final = ("torch", "cupy", "jax", "dask")
INSTALL: Final = "Install it with: pip install 'array-interop[cupy]'"

# `work` uses every public function without an array of the broken framework. `refuse` uses the
# broken framework, and returns the message.
PREAMBLE: Final = """
    import sys, types
    from unittest.mock import MagicMock
    import numpy as np

    def work(*broken):
        import interop
        x = np.arange(6, dtype="float32").reshape(2, 3)
        assert interop.to_numpy(x) is x and interop.to_numpy(x[::-1], dtype="float16", casting="unsafe").shape == (2, 3)
        assert interop.explain(x, "numpy").zero_copy and interop.convert_like(x, x) is x
        with interop.watch() as seen:
            interop.to_numpy(x)
        assert len(seen) == 1
        with interop.stream(1):
            assert interop.to_numpy(x) is x
        assert interop.convert_tree({"a": [x, 1]}, "numpy")["a"][0] is x
        assert interop.unify(x, x.astype("float64"))[0] is x
        assert interop.stack([x, x], "numpy").shape == (2, 2, 3)
        interop.copyto(np.zeros_like(x), x)
        assert np.from_dlpack(interop.export(x)).shape == (2, 3)
        assert len(list(interop.batches(x, "numpy", size=1))) == 2
        assert str(interop.device_of(x)) == "cpu" and interop.framework_of(x) == "numpy"
        assert interop.shares_memory(x, x[1:]) and interop.namespace(x) is not None
        assert interop.implemented_in("numpy")(lambda a: a + 1)(x)[0, 0] == 1
        assert interop.implemented_in("array_api")(lambda a, *, xp: xp.sum(a))(x) == 15
        assert interop.to_numpy(memoryview(b"abc")).tolist() == [97, 98, 99]
        with interop.options(host_copy="error"):
            assert interop.to_numpy(x) is x
        for name in {"torch", "jax", "dask"} - set(broken):
            module = sys.modules.get(name)
            if module:
                y = interop.convert(x, name)
                assert interop.framework_of(y) == name and interop.to_numpy(y, compute=True).tolist() == x.tolist()

    def refuse(broken):
        import interop
        try:
            interop.convert(np.ones(3), broken)
        except interop.FrameworkNotInstalledError as error:
            assert (error.target, error.name) == (broken, broken)
            return error
        raise AssertionError("not refused")

    def problem(broken):
        import interop
        infos = {info.name: info for info in interop.frameworks()}
        assert [name for name, info in infos.items() if info.problem] == [broken], infos
        return infos[broken].problem
"""


def run(code: str, path: Path | None = None) -> list[str]:
    return run_child(dedent(PREAMBLE) + dedent(code), path=path).splitlines()


def install(folder: Path, name: str, source: str, **files: str) -> None:
    """Write a package that shadows the framework of that name."""
    (folder / name).mkdir()
    for file, text in {"__init__": source, **files}.items():
        (folder / name / f"{file}.py").write_text(dedent(text))


# -- a framework that cannot be imported -----------------------------------------------------------

RAISES: Final = {
    "ImportError": "raise ImportError('libcudart.so.13: no such file')",
    "OSError": "raise OSError(13, 'libtorch.so')",
    "RuntimeError": "raise RuntimeError('module compiled against another ABI')",
    "no text": "raise AssertionError",
    "error whose text raises": """
        class Odd(Exception):
            def __str__(self): raise ValueError
        raise Odd
    """,
    "missing dependency": "import no_such_package",
    "syntax": "import a b",
    "warning": "import warnings; warnings.warn('old', DeprecationWarning)",
    "recursion": "def f(): f()\nf()",
}


@pytest.mark.parametrize(
    ("name", "kind"),
    [*(("cupy", kind) for kind in RAISES), *((name, "OSError") for name in FRAMEWORKS)],
)
def test_convert_to_a_framework_that_raises_at_import_is_refused_and_others_work(
    tmp_path: Path, name: str, kind: str
) -> None:
    install(tmp_path, name, RAISES[kind])
    said = run(
        f"""
        work("{name}")
        error = refuse("{name}")
        assert error.__cause__ is not None and refuse("{name}").__cause__ is not None
        assert "{name} cannot be imported (" in str(error) and "pip install" in error.hint
        work("{name}")
        assert problem("{name}") == str(error)
        print(type(error.__cause__).__name__ in str(error))
        """,
        tmp_path,
    )
    assert said == ["True"]


# -- another module of that name -------------------------------------------------------------------

MODULES: Final = {
    "empty module": 'sys.modules["{name}"] = types.ModuleType("{name}")',
    "empty object without a spec": 'sys.modules["{name}"] = types.SimpleNamespace()',
    "empty folder": 'module = types.ModuleType("{name}"); module.__path__ = ["/somewhere"]; sys.modules["{name}"] = module',
    "module whose attributes raise": """
        class Raising(types.ModuleType):
            def __getattribute__(self, name): raise OSError(name)
        sys.modules["{name}"] = Raising("{name}")
    """,
    "MagicMock": 'sys.modules["{name}"] = MagicMock()',
    "MagicMock with a version and a class": """
        sys.modules["{name}"] = MagicMock(__version__="99.0", __spec__=MagicMock())
        sys.modules["{name}"].ndarray = type("ndarray", (), {{}})
        sys.modules["{name}"].Tensor = sys.modules["{name}"].Array = type("Tensor", (), {{}})
    """,
    "MagicMock with submodules": """
        for module in ("{name}", "{name}.array", "{name}.array.core", "{name}.core", "{name}.numpy",
                       "{name}.nn", "{name}.nn.parameter", "{name}.utils", "{name}.utils.dlpack"):
            sys.modules[module] = MagicMock(__path__=[])
    """,
}


@pytest.mark.requires("compat-mocks")
@pytest.mark.parametrize("kind", MODULES)
def test_convert_with_other_modules_of_all_names_works_for_numpy(kind: str) -> None:
    """The modules are there before interop is used, and in another process they arrive later."""
    insert = "\n".join(dedent(MODULES[kind].format(name=name)) for name in FRAMEWORKS)
    check = f"""
{insert}
work(*{FRAMEWORKS})
for name in {FRAMEWORKS}:
    error = refuse(name)
    assert str(error).startswith(name + " "), error
    assert error.__cause__ is not None and "pip install" in error.hint, error
infos = [info for info in interop.frameworks() if info.name in {FRAMEWORKS}]
assert all(info.problem and info.installed and not info.devices for info in infos), infos
work(*{FRAMEWORKS})
"""
    run("import interop" + check)
    run("import interop\nwork()" + check)


@pytest.mark.requires("torch", "dask", "jax")
@pytest.mark.parametrize("name", FRAMEWORKS)
def test_convert_with_a_mock_of_one_name_works_for_other_frameworks(name: str) -> None:
    run(
        f"""
        import dask.array, jax, torch, interop
        for module in list(sys.modules):
            if module.partition(".")[0] == "{name}":
                del sys.modules[module]
        sys.modules["{name}"] = MagicMock()
        work("{name}")
        refuse("{name}")
        work("{name}")
        """
    )


def test_doctor_shows_why_a_framework_cannot_be_used() -> None:
    said = run(
        """
        sys.modules["cupy"] = MagicMock()
        sys.modules["torch"] = types.ModuleType("torch")
        sys.modules["rich"] = None
        import json, interop
        from interop.__main__ import main
        import io, contextlib
        output = io.StringIO()
        with contextlib.redirect_stdout(output):
            main(["--json"])
            code = main(["--check"])
        document, _ = json.JSONDecoder().raw_decode(output.getvalue())
        problems = {info["name"]: info["problem"] for info in document["frameworks"]}
        print(problems["cupy"], problems["torch"], sep="\\n")
        print(problems["cupy"] in output.getvalue(), code)
        infos = interop.frameworks()
        lines = [line for line in str(infos).splitlines() if "cannot be used" in line]
        print(*lines, "not usable" in str(infos), infos._repr_html_().count("cannot be used"))
        """
    )
    assert said[0].startswith(
        "cupy of an unknown version cannot be used here (ModuleNotFoundError: "
    )
    assert "interop supports cupy" in said[0]
    assert said[1].startswith("torch ")
    assert "pip install 'array-interop[torch]'" in said[1]
    assert said[2] == "True 1"
    assert said[3] == f"cupy: {said[0]} torch: {said[1]} True 2"


# -- a framework that is too old -------------------------------------------------------------------


def test_to_cupy_of_a_version_without_the_needed_parts_is_refused_with_the_versions(
    tmp_path: Path,
) -> None:
    install(tmp_path, "cupy", "__version__ = '1.0'\nclass ndarray: pass")
    said = run(
        """
        import cupy, interop
        work("cupy")
        print(refuse("cupy"))
        for call in (interop.to_numpy, interop.framework_of, interop.device_of, interop.export,
                     lambda x: interop.copyto(np.ones(1), x), lambda x: interop.unify(x, np.ones(1)),
                     lambda x: interop.convert_tree([x], "numpy"), interop.implemented_in("numpy")(len)):
            try:
                call(cupy.ndarray())
            except interop.FrameworkNotInstalledError as error:
                assert "cupy 1.0" in str(error) and error.__cause__ is not None
            else:
                raise AssertionError(call)
        work("cupy")
        """,
        tmp_path,
    )
    reason = "cupy 1.0 cannot be used here (ModuleNotFoundError: No module named 'cupy.cuda')"
    assert said == [f"{reason}. interop supports cupy 13.6 or later. {INSTALL}"]


def test_import_interop_with_a_numpy_that_cannot_be_used_succeeds(tmp_path: Path) -> None:
    install(tmp_path, "numpy", "__version__ = '1.0'\nclass ndarray: pass\nclass generic: pass")
    said = run_child(
        """
        import numpy, interop
        from interop.__main__ import main
        with interop.watch(), interop.stream(1):
            pass
        (info,) = [info for info in interop.frameworks() if info.name == "numpy"]
        print(info.problem)
        try:
            interop.to_numpy(numpy.ndarray())
        except interop.FrameworkNotInstalledError as error:
            print(error)
        """,
        path=tmp_path,
    ).splitlines()
    assert said[0] == said[1]
    assert said[0].startswith("numpy 1.0 cannot be used here (")
    assert said[0].endswith("pip install 'numpy'")


# -- a folder of that name -------------------------------------------------------------------------


@pytest.mark.parametrize("imported", [False, True])
def test_convert_with_a_folder_of_that_name_says_not_installed(
    tmp_path: Path, imported: bool
) -> None:
    """Such a folder shadows nothing, but `import cupy` finds it if CuPy is not installed."""
    (tmp_path / "cupy").mkdir()
    said = run(
        f"""
        from importlib.machinery import PathFinder

        class Finder:  # CuPy may be installed in this environment
            def find_spec(name, path=None, target=None):
                return PathFinder.find_spec(name, [{str(tmp_path)!r}]) if name == "cupy" else None

        sys.meta_path.insert(0, Finder)
        {"import cupy" if imported else ""}
        import interop
        print([info.installed for info in interop.frameworks() if info.name == "cupy"])
        work("cupy")
        print(refuse("cupy"))
        """
    )
    assert said[0] == f"[{imported}]"
    folder = tmp_path / "cupy"
    assert said[1] == (
        f"cupy is not installed: the folder {folder} has its name and no __init__.py. {INSTALL}"
    )
