"""Hints for targets that are not array frameworks.

A target may be another package, an abbreviation, a misspelled name, a dtype, a device, or the array
itself. No package that is named here is imported.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from interop._model import text
from interop.adapter import EXTENDED_DTYPES, PLAIN_DTYPES, Device
from interop.errors import Reason

if TYPE_CHECKING:
    from collections.abc import Collection


class PackageHint(NamedTuple):
    """A package that is not a target, and the code that passes an array `x` to the package."""

    what: str
    """Why the package is not a target, as a clause."""
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
"""Packages that users name as targets, although interop cannot convert to them."""
_FRAMEWORK_ALIASES: Final = {
    "np": "numpy",
    "cp": "cupy",
    "jnp": "jax",
    "da": "dask",
    "pt": "torch",
    "pytorch": "torch",
}
_PACKAGE_ALIASES: Final = {
    "tf": "tensorflow",
    "pd": "pandas",
    "pl": "polars",
    "pa": "pyarrow",
    "xr": "xarray",
    "sitk": "SimpleITK",
}
_CONTAINERS: Final = (list, tuple, dict)
_ATTRIBUTES: Final = {
    "array": ("to_numpy", "convert"),
    "as_tensor": ("to_torch", "convert"),
    "asarray": ("to_numpy", "convert"),
    "from_numpy": ("to_torch", "convert"),
    "tensor": ("to_torch", "convert"),
    "to_tensor": ("to_torch", "convert"),
}
"""Functions of other libraries, and the functions of interop with the same purpose."""


def of_package(name: str) -> Reason | None:
    """Return why a package is not a target, or None for a package that is not in the table.

    A module or a class in a package gets the answer for the package.
    """
    package = name.partition(".")[0]
    package = _PACKAGE_ALIASES.get(package, package)
    if package not in PACKAGES:
        return None
    what, code = PACKAGES[package]
    return Reason(f"{package} is not a target, because {what}", f"Write {code} instead.")


def of_name(name: str, known: Collection[str]) -> Reason:
    """Return why a name is not a target, with the name or the keyword that was probably meant."""
    reason = of_package(name)
    if reason:
        return reason
    keyword = _keyword(name)
    if keyword:
        hint = f"Pass {keyword}={name!r} together with a framework."
        return Reason(f"{text.short_repr(name)} is a {keyword} and not a framework", hint)
    reason = Reason(f"no framework is called {text.short_repr(name)}")
    meant = _meant(name, known)
    if meant:
        reason = reason.with_hint(f"Did you mean {meant!r}?")
    return reason.with_hint(_list(known))


def of_module(name: str, why: str, known: Collection[str]) -> Reason:
    """Return why a module is not a target.

    `why` is the reason why it is not an array-API namespace: the result of a trial.
    """
    not_a_namespace = f"{name} is not an array-API namespace, because {why}"
    reason = of_package(name)
    if reason:
        return reason.with_hint(f"({not_a_namespace}.)")
    return Reason(f"the module {not_a_namespace}", _list(known))


def of_target(to: Any, known: Collection[str], framework: str | None) -> Reason:
    """Return why an object is not a target.

    `framework` is the name of the framework that a class or an array belongs to, if there is one.
    """
    if issubclass(type(to), type):
        return _of_class(to, known, framework)
    short = text.short_repr(to)
    if text.is_like_array(type(to)) or issubclass(type(to), _CONTAINERS):
        return Reason(
            f"the target is an array or a container of arrays: {short}",
            "Were the arguments swapped? Pass the array first and the framework second, as in "
            'interop.convert(x, "numpy").',
        )
    return _of_other(short, known)


def _of_class(to: type, known: Collection[str], framework: str | None) -> Reason:
    if framework:
        return Reason(
            f"interop does not create instances of {text.full_name(to)}",
            f'Write interop.convert(x, "{framework}") instead.',
        )
    return of_package(text.module_name(to)) or _of_other(text.short_repr(to), known)


def _of_other(short: str, known: Collection[str]) -> Reason:
    reason = (
        "a target is the name of a framework, the module or the class of arrays of a framework, "
        f"not {short}"
    )
    return Reason(reason, _list(known))


def of_attribute(name: str, public: Collection[str]) -> str:
    """Return a hint at the public name that was meant, as the end of a sentence.

    The hint is empty if no public name is similar.
    """
    # Python and notebooks look for private names to test what an object can do.
    if name.startswith("_"):
        return ""
    start, _, package = name.partition("_")
    if start in ("to", "as"):
        reason = of_package(package)
        if reason:
            return f": {reason}"
    names = " or ".join(f"interop.{other}" for other in _similar_names(name, public))
    return f". Did you mean {names}?" if names else ""


def _similar_names(name: str, public: Collection[str]) -> tuple[str, ...]:
    if name in _ATTRIBUTES:
        return _ATTRIBUTES[name]
    if name.startswith("from_"):
        return ("convert",)
    near = text.nearest(name, public)
    return (near,) if near else ()


def _list(known: Collection[str]) -> str:
    return f"Known frameworks: {', '.join(sorted(known))}."


def _keyword(name: str) -> str | None:
    """Return the keyword that accepts a name as a value (dtype or device), or None."""
    if name in PLAIN_DTYPES or name in EXTENDED_DTYPES:
        return "dtype"
    with suppress(ValueError):
        Device.parse(name)
        return "device"
    return None


def _meant(name: str, known: Collection[str]) -> str | None:
    """Return the framework that was probably meant by a name, or None."""
    first = name.partition(".")[0].lower()
    if first in known:
        return first
    return _FRAMEWORK_ALIASES.get(first) or text.nearest(name, known)
