"""Build the simulated runtime and the CuPy module that links to it, into a cache.

CuPy's wheel contains a CUDA runtime inside one Cython module, `cupy_backends.cuda.api.runtime`.
That module is compiled again from CuPy's sdist and linked to the simulated library. The installed
CuPy is not changed.
"""

import contextlib
import fcntl
import hashlib
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

from .toolkit import (
    SimcudaError,
    Toolkit,
    cuda_version,
    find_cupy_sdist,
    find_header,
    find_headers,
    find_toolkit,
    version_of,
)

SOURCES: Final = Path(__file__).parent / "src"
CUPY_RUNTIME: Final = "cupy_backends.cuda.api.runtime"
CUDA: Final = "libcuda.so.1"
_STRICT: Final = ("-Wall", "-Wextra", "-Werror")
_CC: Final = (
    "gcc",
    "-std=gnu11",
    "-O1",
    "-g",
    *_STRICT,
    "-fPIC",
    "-fvisibility=hidden",
    "-pthread",
)


class Paths(NamedTuple):
    """The files of a build. `cupy` is None if CuPy is not installed."""

    cudart: Path
    cuda: Path
    cupy: Path | None


def build(cache: Path) -> Paths:
    """Return the libraries from the cache, built first if needed. Concurrent calls are safe."""
    toolkit = find_toolkit()
    include = find_headers(toolkit)
    cache = cache.resolve()
    built = cache / _key(toolkit, include)
    cache.mkdir(parents=True, exist_ok=True)
    with _locked(cache / "lock"):
        if not built.exists():
            with tempfile.TemporaryDirectory(dir=cache) as folder:
                _build_libraries(Path(folder), toolkit, include)
                if version_of(toolkit.cupy):
                    _build_cupy(Path(folder), toolkit, include)
                Path(folder, "result").rename(built)
    cupy = built / "cupy_runtime.so"
    return Paths(built / toolkit.cudart, built / CUDA, cupy if cupy.exists() else None)


def _key(toolkit: Toolkit, include: list[Path]) -> str:
    digest = hashlib.sha256()
    for name in (*toolkit.packages, toolkit.cupy, "Cython"):
        digest.update(f"{name} {version_of(name)}\n".encode())
    digest.update(f"{sys.version} {include}".encode())
    for file in (*sorted(SOURCES.parent.glob("*.py")), *sorted(SOURCES.iterdir())):
        digest.update(file.name.encode() + file.read_bytes())
    return digest.hexdigest()[:20]


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _run(*command: str | Path, cwd: Path | None = None) -> str:
    try:
        done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise SimcudaError(f"the simulated CUDA runtime needs {command[0]} to be built") from None
    if done.returncode:
        raise SimcudaError(f"{' '.join(map(str, command))} failed:\n{done.stdout}{done.stderr}")
    return done.stdout


def _build_libraries(folder: Path, toolkit: Toolkit, include: list[Path]) -> None:
    result = folder / "result"
    result.mkdir()
    types = find_header(include, "driver_types.h").read_text()
    errors = re.findall(r"^\s*(cudaSuccess|cudaError\w+)\s*=\s*(\d+)", types, re.MULTILINE)
    (folder / "errors.inc").write_text(
        "".join(f"NAME({name}, {number})\n" for name, number in errors)
    )
    compiler = (*_CC, *_options(include), f"-I{folder}")
    runtime = sorted(file for file in SOURCES.glob("*.c") if file.name != "driver.c")
    _run(*compiler, "-c", *runtime, cwd=folder)
    objects = [folder / f"{file.stem}.o" for file in runtime]
    _run(*compiler, "-c", SOURCES / "driver.c", cwd=folder)

    stubs, driver_stubs = folder / "stubs.c", folder / "driver_stubs.c"
    stubs.write_text(_stubs(_declared(include, "cuda_runtime_api.h", "cuda") - _defined(*objects)))
    names = _declared(include, "cuda.h", "cu")
    defined = _defined(folder / "driver.o")
    driver_stubs.write_text(
        _stubs(names - defined) + _entries(names | (defined & names), names & defined)
    )
    (folder / "map").write_text(f"{toolkit.cudart} {{ global: *; }};")
    script = f"-Wl,--version-script={folder / 'map'}"
    _run(
        *_CC,
        "-shared",
        "-o",
        result / toolkit.cudart,
        *objects,
        stubs,
        f"-Wl,-soname,{toolkit.cudart}",
        script,
        "-ldl",
    )
    cuda = (folder / "driver.o", driver_stubs, result / toolkit.cudart)
    _run(*_CC, "-shared", "-o", result / CUDA, *cuda, f"-Wl,-soname,{CUDA}")


def _options(include: list[Path]) -> list[str]:
    return [f"-I{folder}" for folder in include]


def _declared(include: list[Path], header: str, prefix: str) -> set[str]:
    """Return the functions that a header declares: the newest variants and the older ones."""
    found: set[str] = set()
    for option in ("-DSIMCUDA", "-D__CUDA_API_VERSION_INTERNAL"):
        source = find_header(include, header)
        text = _run("gcc", "-E", "-P", *_options(include), option, source)
        found.update(re.findall(rf"\b({prefix}[A-Z]\w*)\s*\([^()]*\)\s*;", text))
    return found


def _defined(*objects: Path) -> set[str]:
    return {
        line.split()[-1]
        for line in _run("nm", "-g", "--defined-only", *objects).splitlines()
        if " T " in line
    }


def _stubs(names: set[str]) -> str:
    """Return stubs for the other documented functions: each fails with the function's name."""
    head = (
        "struct Function { const char *name; unsigned long long calls; struct Function *next; };\n"
        '#define EXPORT __attribute__((visibility("default")))\n'
        "extern int simcuda_unsupported(struct Function *);\n"
        "#define STUB(name) EXPORT int name(void); EXPORT int name(void) "
        "{ static struct Function it = {#name, 0, 0}; return simcuda_unsupported(&it); }\n"
    )
    return head + "".join(f"STUB({name})\n" for name in sorted(names))


def _entries(names: set[str], implemented: set[str]) -> str:
    """Return libcuda's functions by name.

    Of several variants (name, name_v2, ...), the implemented one is taken, or else the newest.
    """

    def order(name: str) -> tuple[str, bool, int]:
        base, _, variant = name.partition("_v")
        return base, name not in implemented, -int(variant) if variant.isdigit() else 0

    declarations = "".join(f"extern int {name}();\n" for name in sorted(implemented))
    rows = "".join(f'{{"{name}", (void *){name}}},\n' for name in sorted(names, key=order))
    table = "const struct Entry { const char *name; void *function; } simcuda_entries[] = {\n"
    return f"{declarations}{table}{rows}{{0, 0}}}};\n"


_CYTHONIZE: Final = """
import sys
import Cython.Build
from setuptools import Extension
Cython.Build.cythonize(
    [Extension(sys.argv[1], [sys.argv[1].replace(".", "/") + ".pyx"], language="c++")],
    language_level=3,
    quiet=True,
    compile_time_env={
        "CUPY_USE_CUDA_PYTHON": False, "CUPY_CUFFT_STATIC": False, "CUPY_CYTHON_VERSION": Cython.__version__,
        "CUPY_CUDA_VERSION": int(sys.argv[2]), "CUPY_HIP_VERSION": 0,
    },
    compiler_directives={
        "embedsignature": True, "c_api_binop_methods": True, "binding": False, "freethreading_compatible": True,
        "warn.deprecated.IF": False, "legacy_implicit_noexcept": int(sys.argv[3]) < 14,
    },
)
"""


def _build_cupy(folder: Path, toolkit: Toolkit, include: list[Path]) -> None:
    """Compile CuPy's runtime module as CuPy's setup does, with the Cython version of the wheel."""
    sdist = find_cupy_sdist(toolkit)
    if not version_of("Cython"):
        raise SimcudaError('Cython is missing. Run: pip install Cython==3.2.4 "setuptools>=77"')
    with tarfile.open(sdist) as archive:
        wanted = [member for member in archive.getmembers() if "/cupy_backends/" in member.name]
        archive.extractall(folder, wanted, filter="data")
    source = folder / sdist.name.removesuffix(".tar.gz")
    version = str(cuda_version(include))
    major = source.name.removeprefix("cupy-").split(".")[0]
    _run(sys.executable, "-c", _CYTHONIZE, CUPY_RUNTIME, version, major, cwd=source)
    flags = (
        "-O1",
        "-w",
        "-shared",
        "-fPIC",
        "-std=c++17",
        "-D_FORCE_INLINES=1",
        f"-DCUPY_CUDA_VERSION={version}",
        "-I.",
    )
    headers = (*_options(include), f"-I{sysconfig.get_paths()['include']}")
    module = (f"{CUPY_RUNTIME.replace('.', '/')}.cpp", "-o", folder / "result" / "cupy_runtime.so")
    _run("g++", *flags, *headers, *module, folder / "result" / toolkit.cudart, cwd=source)
    shutil.rmtree(source)
