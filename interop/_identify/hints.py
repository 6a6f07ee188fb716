"""Hints for targets that are not frameworks of arrays: other packages, abbreviations, dtypes, devices and mix-ups.

These are only words: no package that is named here is imported.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from interop._model import text
from interop.adapter import EXTENDED_DTYPES, PLAIN_DTYPES, Device

if TYPE_CHECKING:
    from collections.abc import Collection


class PackageHint(NamedTuple):
    """The reason why a package is not a target, and the code that takes an array `x` there."""

    what: str
    code: str


_ARRAYS: Final = "interop has no adapter for its arrays"
_FUNCTIONS: Final = "its functions take NumPy arrays"
PACKAGES: Final = {
    "PIL": PackageHint("it holds images", "PIL.Image.fromarray(interop.to_numpy(x))"),
    "SimpleITK": PackageHint("it holds images", "SimpleITK.GetImageFromArray(interop.to_numpy(x))"),
    "awkward": PackageHint("it holds ragged arrays", "awkward.from_numpy(interop.to_numpy(x))"),
    "cudf": PackageHint("it holds data frames", "cudf.DataFrame(interop.to_cupy(x))"),
    "cupyx": PackageHint(
        "it holds sparse matrices", "cupyx.scipy.sparse.csr_matrix(interop.to_cupy(x))"
    ),
    "cv2": PackageHint(_FUNCTIONS, "interop.to_numpy(x)"),
    "datasets": PackageHint(
        "it holds tables", 'datasets.Dataset.from_dict({"name": interop.to_numpy(x)})'
    ),
    "h5py": PackageHint("it holds files", 'file["name"] = interop.to_numpy(x)'),
    "keras": PackageHint(_ARRAYS, "keras.ops.convert_to_tensor(interop.to_numpy(x))"),
    "mlx": PackageHint(_ARRAYS, "mlx.core.array(interop.to_numpy(x))"),
    "mxnet": PackageHint(_ARRAYS, "mxnet.np.array(interop.to_numpy(x))"),
    "numba": PackageHint(_FUNCTIONS, "interop.to_numpy(x)"),
    "onnxruntime": PackageHint(
        "it holds values", "onnxruntime.OrtValue.ortvalue_from_numpy(interop.to_numpy(x))"
    ),
    "paddle": PackageHint(_ARRAYS, "paddle.to_tensor(interop.to_numpy(x))"),
    "pandas": PackageHint("it holds data frames", "pandas.DataFrame(interop.to_numpy(x))"),
    "polars": PackageHint("it holds data frames", "polars.from_numpy(interop.to_numpy(x))"),
    "pyarrow": PackageHint("it holds columns", "pyarrow.array(interop.to_numpy(x))"),
    "scipy": PackageHint(_FUNCTIONS, "interop.to_numpy(x)"),
    "skimage": PackageHint(_FUNCTIONS, "interop.to_numpy(x)"),
    "sklearn": PackageHint(_FUNCTIONS, "interop.to_numpy(x)"),
    "sparse": PackageHint("it holds sparse arrays", "sparse.COO.from_numpy(interop.to_numpy(x))"),
    "tensorflow": PackageHint(_ARRAYS, "tensorflow.convert_to_tensor(interop.to_numpy(x))"),
    "tinygrad": PackageHint(_ARRAYS, "tinygrad.Tensor(interop.to_numpy(x))"),
    "xarray": PackageHint("it holds labelled arrays", "xarray.DataArray(interop.to_numpy(x))"),
    "zarr": PackageHint("it holds files", "zarr.array(interop.to_numpy(x))"),
}
"""Packages that users name as targets, though interop makes no arrays of them."""
_FRAMEWORKS: Final = {
    "np": "numpy",
    "cp": "cupy",
    "jnp": "jax",
    "da": "dask",
    "pt": "torch",
    "pytorch": "torch",
}
_PACKAGES: Final = {
    "tf": "tensorflow",
    "pd": "pandas",
    "pl": "polars",
    "pa": "pyarrow",
    "xr": "xarray",
    "sitk": "SimpleITK",
}
_SWAPPED: Final = (list, tuple, dict)
_ATTRIBUTES: Final = {
    "array": ("to_numpy", "convert"),
    "as_tensor": ("to_torch", "convert"),
    "asarray": ("to_numpy", "convert"),
    "from_numpy": ("to_torch", "convert"),
    "tensor": ("to_torch", "convert"),
    "to_tensor": ("to_torch", "convert"),
}
"""Names of other libraries' functions, and what does the same here."""


def of_package(name: str) -> str | None:
    """Return why a package is not a target, or None for a package that is not in the table.

    A module or a class in a package gets the answer for the package.
    """
    package = name.partition(".")[0]
    package = _PACKAGES.get(package, package)
    if package not in PACKAGES:
        return None
    what, code = PACKAGES[package]
    return f"{package} is not a target, because {what}. Write {code} instead."


def of_name(name: str, known: Collection[str]) -> str:
    """Say why a name is not a target, and which name or keyword was meant."""
    if hint := of_package(name):
        return hint
    unknown = f"no framework is called {text.short_repr(name)}"
    if keyword := _keyword(name):
        return f"{unknown}, which is a {keyword}. Pass {keyword}={name!r} beside the framework."
    meant = _meant(name, known)
    question = f": did you mean {meant!r}?" if meant else "."
    return f"{unknown}{question} {_known(known)}"


def of_module(name: str, why: str, known: Collection[str]) -> str:
    """Return a message that explains why a module is not a target.

    `why` tells what its functions made of an array of one element.
    """
    not_taken = f"{name} is not taken as an array-API namespace, because {why}."
    hint = of_package(name)
    return f"{hint} ({not_taken})" if hint else f"the module {not_taken} {_known(known)}"


def of_target(to: Any, known: Collection[str], framework: str | None) -> str:
    """Say why an object is not a target. `framework` is the name of the framework that a class or an array is from."""
    if isinstance(to, type) and framework:
        return (
            f"interop makes arrays of no subclass, and {text.full_name(to)} is one. "
            f'Write interop.convert(x, "{framework}") instead.'
        )
    if not isinstance(to, type) and (text.is_like_array(type(to)) or isinstance(to, _SWAPPED)):
        return (
            f"the target is an array or a container of arrays, {text.short_repr(to)}: were the arguments swapped? "
            'Pass the array first and the framework second, as in interop.convert(x, "numpy").'
        )
    hint = of_package(to.__module__) if isinstance(to, type) else None
    named = f"a framework is named by a string, its module or its class of arrays, not by {text.short_repr(to)}"
    return hint or f"{named}. {_known(known)}"


def of_attribute(name: str, public: Collection[str]) -> str:
    """Return a hint at the public name that was meant, as the end of a sentence.

    The hint is empty if no public name is similar.
    """
    if name.startswith("_"):
        return ""
    start, _, package = name.partition("_")
    if start in ("to", "as") and (hint := of_package(package)):
        return f": {hint}"
    near = text.nearest(name, public)
    meant = _ATTRIBUTES.get(name) or (("convert",) if start == "from" else filter(None, (near,)))
    names = " or ".join(f"interop.{other}" for other in meant)
    return f". Did you mean {names}?" if names else ""


def _known(known: Collection[str]) -> str:
    return f"Known: {', '.join(sorted(known))}."


def _keyword(name: str) -> str | None:
    """Return the keyword that accepts a name as a value (dtype or device), or None."""
    if name in PLAIN_DTYPES or name in EXTENDED_DTYPES:
        return "dtype"
    with suppress(ValueError):
        Device.parse(name)
        return "device"
    return None


def _meant(name: str, known: Collection[str]) -> str | None:
    first = name.partition(".")[0].lower()
    if first in known:
        return first
    return _FRAMEWORKS.get(first) or text.nearest(name, known)
