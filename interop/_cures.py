"""What is no array, and what is no framework of arrays: words for it, and what to write instead."""

from __future__ import annotations

from typing import Any, Final, NamedTuple


class Other(NamedTuple):
    """A package of something else than arrays, and how such a thing is made of an array."""

    what: str
    cure: str


PACKAGES: Final = {
    "PIL": Other("images", "PIL.Image.fromarray(interop.to_numpy(x))"),
    "h5py": Other("files", 'file["name"] = interop.to_numpy(x)'),
    "pandas": Other("data frames", "pandas.DataFrame(interop.to_numpy(x))"),
    "polars": Other("data frames", "polars.from_numpy(interop.to_numpy(x))"),
    "pyarrow": Other("columns", "pyarrow.array(interop.to_numpy(x))"),
    "xarray": Other("labelled arrays", "xarray.DataArray(interop.to_numpy(x))"),
    "zarr": Other("files", "zarr.array(interop.to_numpy(x))"),
}
"""Packages that users name as targets, though what they hold is no plain array. Only words: none is imported."""


def of_package(name: str) -> str | None:
    """Say why a package, or a module or class in it, is no target; None for all that are in no table."""
    package = name.partition(".")[0]
    if package not in PACKAGES:
        return None
    what, cure = PACKAGES[package]
    return f"{package} is out of scope as a target: it has {what}, and interop makes arrays. Write {cure} instead."


def of_object(x: Any, label: str) -> str:
    """Say why an object is no array. `label` is the full name of its class."""
    if isinstance(x, type):
        return f"{x.__module__}.{x.__qualname__} is no array but a class. Pass an array of it instead."
    if isinstance(x, (list, tuple, int, float, complex)):
        return f"{_article(label)} is no array. Make one of it first: numpy.asarray(x), torch.tensor(x)."
    if isinstance(x, str):
        return "a str is no array. Read numbers from it first, or pass its bytes: x.encode()."
    if label == "PyCapsule":
        return "a raw capsule can be used only once. Pass the array that made it instead."
    protocols = "__dlpack__, __cuda_array_interface__, __array_interface__, the buffer protocol or __array__"
    fix = "If it holds an array, pass that; of a container, pass each one."
    return f"{label} is no array: it is of no known framework, and it speaks none of {protocols}. {fix}"


def _article(noun: str) -> str:
    return f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"
