"""Find the packages from PyPI from which the simulated runtime is built: CUDA's headers and CuPy."""

import importlib.metadata
import os
import re
import sys
from pathlib import Path
from typing import Final, NamedTuple


class SimcudaError(RuntimeError):
    """The simulated runtime cannot be built or loaded. The message gives reason and remedy."""


class Toolkit(NamedTuple):
    """One major version of CUDA: the packages that hold its headers, and CuPy's wheel for it."""

    major: int
    packages: tuple[str, ...]
    requirements: str
    cupy: str

    @property
    def cudart(self) -> str:
        """Return the name of the runtime library."""
        return f"libcudart.so.{self.major}"


_13: Final = Toolkit(
    13,
    ("nvidia-cuda-runtime", "nvidia-cuda-crt", "nvidia-cuda-profiler-api"),
    'nvidia-cuda-runtime "nvidia-cuda-crt==13.0.*" "nvidia-cuda-profiler-api==13.0.*"',
    "cupy-cuda13x",
)
_12: Final = Toolkit(
    12,
    ("nvidia-cuda-runtime-cu12", "nvidia-cuda-nvcc-cu12", "nvidia-cuda-profiler-api-cu12"),
    "nvidia-cuda-runtime-cu12 nvidia-cuda-nvcc-cu12 nvidia-cuda-profiler-api-cu12",
    "cupy-cuda12x",
)
_HEADERS: Final = (
    "cuda_runtime_api.h",
    "cuda.h",
    "crt/host_defines.h",
    "cuda_profiler_api.h",
)


def find_toolkit() -> Toolkit:
    """Return the CUDA version whose headers are installed, as torch's or CuPy's wheels have it."""
    for toolkit in (_13, _12):
        if version_of(toolkit.packages[0]):
            return toolkit
    raise SimcudaError(f"CUDA's headers are missing. Run: pip install {_13.requirements}")


def find_headers(toolkit: Toolkit) -> list[Path]:
    """Return the folders of the CUDA headers. The packages of CUDA 13 share one folder."""
    files = [
        file for package in toolkit.packages if version_of(package)
        for file in importlib.metadata.files(package) or ()
    ]  # fmt: skip
    folders = []
    for name in _HEADERS:
        found = (file for file in files if f"/{file.as_posix()}".endswith(f"/include/{name}"))
        header = next(found, None)
        if header is None:
            remedy = f"Run: pip install {toolkit.requirements}"
            raise SimcudaError(f"the header {name} is missing. {remedy}")
        folders.append(Path(str(header.locate())).parents[name.count("/")])
    return list(dict.fromkeys(folders))


def find_header(include: list[Path], name: str) -> Path:
    """Return the path of a header."""
    return next(folder / name for folder in include if (folder / name).exists())


def cuda_version(include: list[Path]) -> int:
    """Return the version that the headers state, for example 13000 for CUDA 13.0."""
    text = find_header(include, "cuda_runtime_api.h").read_text()
    stated = re.search(r"#define\s+CUDART_VERSION\s+(\d+)", text)
    assert stated
    return int(stated[1])


def version_of(distribution: str) -> str | None:
    """Return the installed version of a package."""
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return None


def find_cupy_sdist(toolkit: Toolkit) -> Path:
    """Return CuPy's sdist, which the setup of the environment stores in `.venv/src`."""
    version = version_of(toolkit.cupy)
    folder = Path(os.environ.get("SIMCUDA_CUPY_SOURCE", Path(sys.prefix) / "src"))
    sdist = folder / f"cupy-{version}.tar.gz"
    if not sdist.exists():
        raise SimcudaError(
            f"{sdist} is missing. Run: CUPY_INSTALL_USE_STUB=1 pip download --no-deps --no-binary cupy"
            f" --no-build-isolation cupy=={version} --dest {folder} (SIMCUDA_CUPY_SOURCE names another folder)"
        )
    return sdist
