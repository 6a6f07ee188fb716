"""Hints for objects that are not arrays: code to get arrays from a container, file or model."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from io import IOBase
from itertools import islice
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from interop._model import text
from interop.errors import Reason

if TYPE_CHECKING:
    from collections.abc import Callable

_SAMPLE: Final = 100
"""Number of items of a container that are inspected."""


class ClassHint(NamedTuple):
    """A description of a class of objects, and the code that gets arrays from an object `x`."""

    what: str
    """The description, as a predicate: "is sparse"."""
    code: str
    """The code, in which `{to}` stands for the target."""


CLASSES: Final = {
    "scipy.spmatrix": ClassHint("is sparse", "x.toarray()"),
    "scipy.sparray": ClassHint("is sparse", "x.toarray()"),
    "cupyx.spmatrix": ClassHint("is sparse", "x.toarray()"),
    "sparse.SparseArray": ClassHint("is sparse", "x.todense()"),
    "SimpleITK.Image": ClassHint("is an image", "SimpleITK.GetArrayFromImage(x)"),
    "concurrent.Future": ClassHint("is a future", "interop.convert(x.result(), {to})"),
    "distributed.Future": ClassHint("is a future", "interop.convert(x.result(), {to})"),
    "multiprocessing.SynchronizedBase": ClassHint("protects its memory with a lock", "x.get_obj()"),
    "datasets.Column": ClassHint(
        "is a column of a data set, which is read by slices", "numpy.asarray(x[:])"
    ),
    "datasets.Dataset": ClassHint("is a data set", 'x.with_format({to})["name"][:]'),
    "torch.Module": ClassHint(
        "is a model, and its arrays are in its state", "interop.convert_tree(x.state_dict(), {to})"
    ),
    "torch.Optimizer": ClassHint(
        "is an optimizer, and its arrays are in its state",
        "interop.convert_tree(x.state_dict(), {to})",
    ),
    "torch.DataLoader": ClassHint(
        "yields its arrays one by one", "[interop.convert_tree(batch, {to}) for batch in x]"
    ),
    "torch.IterableDataset": ClassHint(
        "yields its arrays one by one", "[interop.convert_tree(item, {to}) for item in x]"
    ),
    "torch.Dataset": ClassHint(
        "is a data set, which is read by index", "interop.convert_tree(x[0], {to})"
    ),
    "torch.TypedStorage": ClassHint("is memory without a shape", "torch.tensor(x)"),
    "torch.UntypedStorage": ClassHint(
        "is memory without a shape", "torch.tensor(x, dtype=torch.uint8)"
    ),
    "numpy.NpzFile": ClassHint(
        "holds several arrays by name", "interop.convert_tree(dict(x), {to})"
    ),
    "h5py.Group": ClassHint("holds several data sets by name", 'x["name"]'),
    "zarr.Group": ClassHint("holds several arrays by name", 'x["name"]'),
    "polars.LazyFrame": ClassHint("is not computed yet", "x.collect()"),
    "pyarrow.Scalar": ClassHint("is one value", "numpy.asarray(x.as_py())"),
}
"""Hints by the package and the name of a class or of a base class.

The modules in between are left out, because they change from version to version.
"""


def of_object(x: Any, to: str, is_array: Callable[[Any], bool]) -> Reason:
    """Return why an object is not an array, with a hint at how to get an array.

    Parameters
    ----------
    x : object
        Object that is not an array.
    to : str
        Target framework that was asked for.
    is_array : callable
        Whether an item of a container is an array.
    """
    class_name = text.full_name(type(x))
    if isinstance(x, type):
        return Reason(f"{text.full_name(x)} is a class and not an array", "Pass an instance of it.")
    # The name is compared, because `types.CapsuleType` exists only since Python 3.13.
    if class_name == "PyCapsule":
        hint = "Pass the array that made it instead."
        return Reason("a raw capsule can be used only once", hint)
    hint_of_class = _of_class(type(x))
    if hint_of_class:
        code = _with_target(hint_of_class.code, to)
        reason = f"{class_name} is not an array: it {hint_of_class.what}"
        return Reason(reason, f"Use {code}.")
    advice = _of_builtin(x, is_array)
    if advice:
        subject = "None" if x is None else text.with_article(class_name)
        return Reason(f"{subject} is not an array", _with_target(advice, to))
    return of_unknown(class_name)


def of_unknown(class_name: str) -> Reason:
    """Return why an object of an unknown class is not an array."""
    return Reason(f"{class_name} is not an array: it has {_NOTHING}", _UNKNOWN_HINT)


def _of_class(cls: type) -> ClassHint | None:
    for base in text.bases(cls):
        package, _, name = text.full_name(base).partition(".")
        hint = CLASSES.get(f"{package}.{name.rpartition('.')[2]}")
        if hint:
            return hint
    return None


def _of_builtin(x: Any, is_array: Callable[[Any], bool]) -> str | None:
    """Return how to create an array from a built-in Python object, or None for any other object."""
    for classes, advice in _BUILTINS:
        if isinstance(x, classes):
            return advice if isinstance(advice, str) else advice(x, is_array)
    return None


def _with_target(advice: str, to: str) -> str:
    """Write the target that was asked for into a hint."""
    return advice.replace("{to}", f'"{to}"')


_NOTHING: Final = (
    "no known framework and no array protocol (__dlpack__, __cuda_array_interface__, "
    "__array_interface__, the buffer protocol or __array__)"
)
_UNKNOWN_HINT: Final = (
    "If it holds an array, pass that array. If it is a container, pass each of its arrays."
)


# -- built-in objects of Python ------------------------------------------------------------------

_NUMBERS: Final = "Create one first, for example with numpy.asarray(x) or torch.tensor(x)."
_FILE: Final = (
    "Read the file first: numpy.load(x) if NumPy has written it, else "
    "numpy.frombuffer(x.read(), numpy.uint8)."
)
_NONE: Final = (
    "Check the call that should have returned one: a function without a return statement returns "
    "None."
)
_PATH: Final = (
    "Read the file first: numpy.load(x), or numpy.asarray(PIL.Image.open(x)) for an image."
)
_TEXT: Final = (
    "If it is the path of a file, read the file: numpy.load(x), or "
    "numpy.asarray(PIL.Image.open(x)) for an image. If it is a list of numbers, parse it: "
    "numpy.asarray(x.split(), float)."
)
_ITEMS: Final = (
    "Collect its items first: interop.stack(x, {to}) of arrays, or numpy.asarray(list(x)) of "
    "numbers."
)


def _of_mapping(x: Any, is_array: Callable[[Any], bool]) -> str:
    if any(_has_array(value, is_array) for value in islice(x.values(), _SAMPLE)):
        return (
            "Convert each array in it: interop.convert_tree(x, {to}), or stack them if they have "
            "one shape: interop.stack(x.values(), {to})."
        )
    return "Create one from its values first, for example with numpy.asarray(list(x.values()))."


def _of_sequence(x: Any, is_array: Callable[[Any], bool]) -> str:
    items = list(islice(x, _SAMPLE))
    if any(_has_array(item, is_array) for item in items):
        return (
            "Convert each array in it: interop.convert_tree(x, {to}), or stack them if they have "
            "one shape: interop.stack(x, {to})."
        )
    if any(isinstance(item, str) for item in items):
        return "If its texts are numbers, parse them: numpy.asarray(x, float)."
    if _is_ragged(items):
        return (
            "Its rows have different lengths. Create an array from each: "
            "[numpy.asarray(row) for row in x]."
        )
    return _NUMBERS


def _has_array(item: Any, is_array: Callable[[Any], bool]) -> bool:
    if isinstance(item, (list, tuple)):
        return any(_has_array(child, is_array) for child in item[:_SAMPLE])
    return is_array(item)


def _is_ragged(items: list[Any]) -> bool:
    """Whether the rows of a nested list differ in length. A number counts as a row of length -1."""
    lengths = {len(row) if isinstance(row, (list, tuple)) else -1 for row in items}
    return len(lengths) > 1


# The first class that fits counts. For example, a file comes first because it is an iterator, too.
_BUILTINS: Final[tuple[tuple[Any, str | Callable[[Any, Callable[[Any], bool]], str]], ...]] = (
    (type(None), _NONE),
    (str, _TEXT),
    (os.PathLike, _PATH),
    (IOBase, _FILE),
    (Mapping, _of_mapping),
    ((list, tuple), _of_sequence),
    ((int, float, complex, range), _NUMBERS),
    ((AbstractSet, Iterator), _ITEMS),
    ((FunctionType, BuiltinFunctionType, MethodType), "Call it and pass the result."),
    (ModuleType, "Pass an array of it instead."),
)
