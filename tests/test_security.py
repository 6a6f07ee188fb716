"""What interop does with data from elsewhere: pickles of other processes, plugins, the environment.

A pickle is code: only the pickles of processes that are trusted may be loaded, as with Dask itself.
The functions that a pickle of interop names add nothing to that. They refuse what is malformed.
"""

import ast
import importlib
import re
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
import pytest

import interop
from child import run_child
from interop._decorator import wire as decorator_wire
from interop._engine import wire

pytestmark = pytest.mark.requires("torch", "dask", "distributed")

ROOT: Final = Path(__file__).parents[1]
SOURCES: Final = sorted([*ROOT.glob("interop/**/*.py"), *ROOT.glob("adapters/**/*.py")])
BITS: Final = np.arange(4, dtype="uint64")
F8: Final = np.dtype("float64")
SETTINGS: Final[dict[str, Any]] = {
    "framework": "numpy", "returns": "caller", "only": None, "foreign": None,
    "per_block": False, "keywords": {},
}  # fmt: skip


def shipped(name: str) -> Any:
    return importlib.import_module(f"interop.adapters.{name}.wire")


def same(x: Any) -> Any:
    return x


def convert_block(**request: Any) -> Any:
    return wire.convert_block(BITS, lazy="dask", to="torch", request=request)


def empty_block(shape: Any = (0,), dtype: Any = "float32", device: Any = "cpu") -> Any:
    return shipped("torch").empty_block(shape, dtype, device)


def decorate(**settings: Any) -> Any:
    return decorator_wire.decorate({**SETTINGS, **settings}, same)


def call_block(function: Any, keys: Any, **request: Any) -> Any:
    options = {"lazy": "dask", "request": request}
    return decorator_wire.make_block_call(function, (None,), {}, keys, options)


def load_frames(header: dict[str, Any], frames: list[bytes]) -> Any:
    return shipped("dask")._loads({"interop": True, **header}, frames, loads=None)


def truncate_frames() -> Any:
    """Cut the frames of a payload that Distributed would send."""
    import torch

    dask_wire = shipped("dask")
    setup = partial(wire.register_blocks, "dask", "torch")
    setup()
    header, frames = dask_wire._dump_payload(
        torch.ones(1000, dtype=torch.bfloat16), wire.pack, setup
    )
    return dask_wire._loads(header, [bytes(frame)[:-7] for frame in frames], loads=None)


MALFORMED: Final[dict[str, Callable[[], Any]]] = {
    "memory that is no array": lambda: wire.unpack(b"abc", F8, "torch", "cpu"),
    "no memory": lambda: wire.unpack(None, F8, "torch", "cpu"),
    "memory of another size": lambda: wire.unpack(np.zeros(7, "u1"), F8, "torch", "cpu"),
    "addresses of objects": lambda: wire.unpack(BITS, np.dtype(object), "numpy", "cpu"),
    "addresses of objects in records": lambda: wire.unpack(
        BITS, np.dtype([("a", object)]), "numpy", "cpu"
    ),
    "objects": lambda: wire.unpack(np.array([{}]), np.dtype(object), "torch", "cpu"),
    "times": lambda: wire.unpack(BITS, np.dtype("M8[s]"), "torch", "cpu"),
    "unknown dtype": lambda: wire.unpack(BITS, "evil", "torch", "cpu"),
    "class in the place of a dtype": lambda: wire.unpack(BITS, np.matrix, "torch", "cpu"),
    "unknown framework": lambda: wire.unpack(BITS, F8, "evil", "cpu"),
    "module that is no framework": lambda: wire.unpack(BITS, F8, "os", "cpu"),
    "dotted module": lambda: wire.unpack(BITS, F8, "os.path", "cpu"),
    "no framework": lambda: wire.unpack(BITS, F8, None, "cpu"),  # type: ignore[arg-type]
    "unknown device": lambda: wire.unpack(BITS, F8, "torch", "evil"),
    "no device": lambda: wire.unpack(BITS, F8, "torch", None),  # type: ignore[arg-type]
    "device of another library": lambda: wire.unpack(BITS, F8, "torch", "vulkan:0"),
    "device that is not here": lambda: wire.unpack(BITS, F8, "torch", "cuda:99"),
    "unknown field of a request": lambda: convert_block(evil=1),
    "dtype of a request": lambda: convert_block(dtype="__class__"),
    "device of a request": lambda: convert_block(device="evil"),
    "copy of a request": lambda: convert_block(copy="evil"),
    "casting of a request": lambda: convert_block(casting="evil"),
    "readonly of a request": lambda: convert_block(readonly="evil"),
    "policy of a request": lambda: convert_block(host_copy="evil"),
    "limit of a request": lambda: convert_block(max_host_bytes="evil"),
    "stream of a request": lambda: convert_block(stream=-(1 << 70)),
    "blocks of no lazy framework": lambda: wire.register_blocks("numpy", "torch"),
    "index of a block": lambda: wire.view_block("evil", x=BITS, framework="numpy"),
    "array of another framework": lambda: wire.view_block((), x="evil", framework="torch"),
    "negative shape": lambda: empty_block((-1, 0)),
    "shape with elements": lambda: empty_block((100,)),
    "shape that fills the memory": lambda: empty_block((1 << 40,)),
    "shape that overflows": lambda: empty_block((1 << 62, 1 << 62, 0)),
    "shape of fractions": lambda: empty_block((0.5, 0)),
    "shape that is text": lambda: empty_block("evil"),
    "dtype of a block": lambda: empty_block(dtype="evil"),
    "device of a block": lambda: empty_block(device="evil"),
    "no function to call": lambda: shipped("dask").load_payload(None, lambda: None, "evil", ()),
    "no setup to call": lambda: shipped("dask").load_payload(None, None, same, (1,)),
    "result that is no array": lambda: shipped("dask").load_payload_or_lend(
        None, lambda: None, same, (1,)
    ),
    "header without a part": lambda: load_frames({}, []),
    "header without a serializer": lambda: load_frames({"sub-header": {}}, []),
    "header with an unknown serializer": lambda: load_frames(
        {"sub-header": {"serializer": "evil"}}, [b""]
    ),
    "truncated frames": truncate_frames,
    "unknown setting": lambda: decorate(evil=1),
    "missing settings": lambda: decorator_wire.decorate({}, same),
    "unknown framework of a function": lambda: decorate(framework="evil"),
    "number in the place of a framework": lambda: decorate(framework=5),
    "missing namespace": lambda: decorate(framework="no_such_module_anywhere.xp"),
    "unknown keyword": lambda: decorate(keywords={"evil": 1}),
    "no keywords": lambda: decorate(keywords=None),
    "no function": lambda: decorator_wire.decorate(SETTINGS, "evil"),
    "no parameters": lambda: decorator_wire.make_parameters("f", None, None),  # type: ignore[arg-type]
    "parameters of another kind": lambda: decorator_wire.make_parameters("f", {"x": "evil"}, None),  # type: ignore[dict-item]
    "boundary without parameters": lambda: decorator_wire.make_boundary(SETTINGS, None),  # type: ignore[arg-type]
    "blocks of no function": lambda: decorator_wire.make_block_mapper("evil", None),  # type: ignore[arg-type]
    "call of no function": lambda: call_block("evil", (0,)),
    "call with a block that has no place": lambda: call_block(same, (9,)),
    "call without places": lambda: call_block(same, None),
    "call with an unknown field": lambda: call_block(same, (0,), evil=1),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_wire_malformed_payload_is_refused(name: str) -> None:
    from interop._identify import registration

    known = registration.known_names()
    with pytest.raises(interop.InteropError):
        MALFORMED[name]()
    assert registration.known_names() == known
    assert interop.to_torch(np.ones(2)).tolist() == [1, 1]


WIRES: Final = {
    "interop._engine.wire": {
        "Sliced", "convert_block", "pack", "register_blocks", "request_from_dict",
        "request_to_dict", "unpack", "view_block",
    },
    "interop._decorator.wire": {
        "decorate", "make_block_call", "make_block_mapper", "make_boundary", "make_parameters",
    },
    "interop.adapters.dask.wire": {
        "HeldBlock", "Payload", "Source", "load_held_block", "load_payload",
        "load_payload_or_lend", "register",
    },
    "interop.adapters.torch.wire": {"NumPyTyped", "empty_block"},
}  # fmt: skip
"""The public names of the modules that pickles name. Each one that is new needs payloads above."""


@pytest.mark.parametrize("name", WIRES)
def test_wire_has_no_other_names_than_those_with_tests(name: str) -> None:
    module = importlib.import_module(name)
    own = {
        key
        for key, value in vars(module).items()
        if not key.startswith("_") and getattr(value, "__module__", None) == name
    }
    assert own == WIRES[name]


# -- plugins ---------------------------------------------------------------------------------------


def install(folder: Path, framework: str, source: str) -> None:
    """Install a plugin as far as an importer can see."""
    info = folder / f"{framework}_interop-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {framework}-interop\nVersion: 1\n"
    )
    (info / "entry_points.txt").write_text(
        f"[interop.adapters]\n{framework} = {framework}_plugin:adapter\n"
    )
    (folder / f"{framework}_plugin.py").write_text(source)


BROKEN: Final = {
    "syntax": "adapter = (",
    "missing package": "import no_such_package_anywhere",
    "missing adapter": "other = 1",
    "error": "raise RuntimeError('a broken driver')",
    "library": "raise OSError('libcudart.so: cannot open shared object file')",
}


@pytest.mark.parametrize("kind", BROKEN)
def test_convert_to_a_broken_plugin_is_refused_and_others_work(tmp_path: Path, kind: str) -> None:
    install(tmp_path, "broken", BROKEN[kind])
    code = """
        import numpy, interop
        print(interop.to_numpy(numpy.ones(2)).tolist())
        try:
            interop.convert(numpy.ones(2), "broken")
        except interop.FrameworkNotInstalledError as error:
            print(type(error).__name__, error.target, "broken_plugin:adapter" in str(error))
            print(isinstance(error.__cause__, Exception))
        print(interop.to_numpy(numpy.ones(2)).tolist())
        """
    expected = "[1.0, 1.0]\nFrameworkNotInstalledError broken True\nTrue\n[1.0, 1.0]\n"
    assert run_child(code, path=tmp_path) == expected


def test_plugin_of_another_package_is_never_imported(tmp_path: Path) -> None:
    install(tmp_path, "bystander", "import sys; print('imported'); adapter = 1")
    code = """
        import numpy, interop
        class Stranger: pass
        interop.to_numpy(numpy.ones(2))
        interop.convert_tree([Stranger(), 1], "numpy")
        for target in ("nothing", Stranger, "numpy.linalg"):
            try:
                interop.convert(numpy.ones(2), target)
            except interop.UnknownFrameworkError:
                print("refused")
        """
    assert run_child(code, path=tmp_path) == "refused\n" * 3


def test_convert_to_the_name_of_a_module_does_not_import_it(tmp_path: Path) -> None:
    """A misspelled name must not run the code of a package that has that name."""
    (tmp_path / "trap.py").write_text("print('ran')\n")
    (tmp_path / "trapped").mkdir()
    (tmp_path / "trapped" / "__init__.py").write_text("print('ran')\n")
    code = """
        import numpy, interop
        for target in ("trap", "trapped", "trapped.inner", "this", "antigravity"):
            try:
                interop.convert(numpy.ones(2), target)
            except interop.UnknownFrameworkError:
                print("refused")
        """
    assert run_child(code, path=tmp_path) == "refused\n" * 5


# -- the environment -------------------------------------------------------------------------------

VARIABLES: Final = {
    "INTEROP_COMPILED": "0 disables the compiled modules, any other value does nothing",
    "INTEROP_PLUGINS": "0 disables plugins, any other value does nothing",
}
"""All environment variables that the package reads."""


def test_source_reads_only_the_documented_environment_variables() -> None:
    read = set()
    for path in SOURCES:
        text = path.read_text()
        names = re.findall(r"environ(?:\.get\(|\[)\s*\"(\w+)\"", text)
        assert len(names) == len(re.findall(r"os\.environ|getenv", text)), path
        read.update(names)
    assert read == set(VARIABLES)
    for path in [*ROOT.glob("interop/**/*.c"), *ROOT.glob("adapters/**/*.c")]:
        assert "getenv" not in path.read_text(), path


@pytest.mark.parametrize("value", ["", "1", "yes", "os.system", "evil.so", "0 ; rm"])
def test_environment_variable_with_another_value_does_nothing(
    value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = """
        import interop
        from interop._engine import fastpath
        from interop._identify import plugins
        print(fastpath.compiled_module is not None, "abacus" in plugins.names())
        """
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    expected = run_child(code)
    for name in VARIABLES:
        monkeypatch.setenv(name, value)
    assert run_child(code) == expected


# -- the source ------------------------------------------------------------------------------------

FORBIDDEN_CALLS: Final = frozenset({"eval", "exec", "compile", "__import__", "open", "input"})
FORBIDDEN_MODULES: Final = frozenset({
    "asyncio", "code", "ctypes", "ftplib", "http", "marshal", "multiprocessing", "pathlib",
    "pickle", "runpy", "shelve", "shutil", "signal", "smtplib", "socket", "ssl", "subprocess",
    "tempfile", "urllib", "xmlrpc",
})  # fmt: skip
ALLOWED: Final = {
    ("interop/_doctor/cli.py", "pathlib"): "writes the report to the file that the user named",
    ("interop/_doctor/report.py", "pathlib"): "finds the folder of the package",
    ("interop/adapter/capsule.py", "ctypes"): "reads the header of a DLPack capsule",
    ("interop/testing/lazy_values.py", "pickle"): "a test loads the pickle that it has made",
    ("adapters/protocol/cuda_interface.py", "ctypes"): "asks the CUDA driver for a device",
    ("adapters/dask/wire.py", "pickle"): "PickleBuffer, which loads nothing",
}
"""The uses that are justified, by file and name, with the reason."""


def uses(path: Path) -> Iterator[str]:
    """Yield the forbidden functions that a file calls, and the forbidden modules it imports."""
    for node in ast.walk(ast.parse(path.read_text())):
        names: list[str] = []
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            names = [node.func.id] if node.func.id in FORBIDDEN_CALLS else []
        elif isinstance(node, ast.Import):
            names = [alias.name.partition(".")[0] for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names = [(node.module or "").partition(".")[0]]
        yield from (name for name in names if name in FORBIDDEN_CALLS | FORBIDDEN_MODULES)


def test_source_runs_no_code_and_opens_no_files_or_connections() -> None:
    found = {(path.relative_to(ROOT).as_posix(), name) for path in SOURCES for name in uses(path)}
    assert found <= set(ALLOWED), found - set(ALLOWED)


def test_source_justified_uses_are_still_there() -> None:
    found = {(path.relative_to(ROOT).as_posix(), name) for path in SOURCES for name in uses(path)}
    assert set(ALLOWED) <= found, set(ALLOWED) - found


FILES: Final = {
    "interop/_doctor/cli.py": "writes the report to the file that the user named",
    "interop/_doctor/report.py": "replaces the home folder in the report by a tilde",
}
"""Files that call functions of `os` or write text, with the reason."""


def file_functions(path: Path) -> Iterator[str]:
    """Yield the functions of `os` and the methods for text of files that a file of the source uses."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Attribute):
            name = ast.unparse(node)
            if name.endswith(("_text", "_bytes")) and node.attr.startswith(("read_", "write_")):
                yield node.attr
            if name.startswith("os.") and name not in ("os.PathLike", "os.environ", "os.path"):
                yield name.removesuffix(".get")


def test_source_touches_files_only_in_the_command_line() -> None:
    found = {
        path.relative_to(ROOT).as_posix()
        for path in SOURCES
        if set(file_functions(path)) - {"os.environ", "os.register_at_fork"}
    }
    assert found == set(FILES)


IMPORTS: Final = {
    "interop/__init__.py": "names of interop's own modules",
    "interop/_decorator/settings.py": "the namespace of a decorated function, named in its pickle",
    "interop/_engine/wire.py": "names of interop's own modules",
    "interop/_identify/foreign.py": "names of interop's own modules",
    "interop/_identify/namespaces.py": "a package whose source declares an array-API namespace",
    "interop/_identify/shipped.py": "names of interop's own modules",
    "interop/adapter/fastpath.py": "names of interop's own modules",
}
"""Files that import a module by name, with the names that are possible."""


def test_source_imports_by_name_only_where_that_is_justified() -> None:
    found = {
        path.relative_to(ROOT).as_posix()
        for path in SOURCES
        if re.search(r"import_module\(", path.read_text())
    }
    assert found == set(IMPORTS)


def test_c_source_runs_only_a_constant_expression() -> None:
    calls = re.compile(r"\b(PyRun_\w+|system|popen|dlopen|fopen|exec\w*|fork)\(")
    found = []
    for path in [*ROOT.glob("interop/**/*.c"), *ROOT.glob("adapters/**/*.c")]:
        found += [(path.name, call) for call in calls.findall(path.read_text())]
    # The `__call__` of a compiled function, for torch.compile: a constant in the file.
    assert found == [("_fastpath.c", "PyRun_String")]
