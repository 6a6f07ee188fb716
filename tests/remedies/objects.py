"""Objects that are not arrays: containers, files, models and objects of other libraries."""

import concurrent.futures
import importlib
import io
import multiprocessing
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils import data

import interop

from .rows import Row, row

TREE: Final = 'interop.convert_tree(x, "torch")'
STACK: Final = 'interop.stack(x, "torch")'
LOAD: Final = "numpy.load(x)"
OPEN: Final = "numpy.asarray(PIL.Image.open(x))"
PARSE: Final = "numpy.asarray(x.split(), float)"
COLLECT: Final = "numpy.asarray(list(x))"
READ: Final = "numpy.frombuffer(x.read(), numpy.uint8)"
SCIPY: Final = ("torch", "scipy")
CREATE: Final = ("numpy.asarray(x)", "torch.tensor(x)")


def ones(*shape: int) -> NDArray[Any]:
    return np.ones(shape, "float32")


def saved(name: str = "x.npy") -> str:
    path = os.path.join(tempfile.mkdtemp(), name)  # noqa: PTH118 - a str is tested
    np.savez(path, a=ones(2)) if name.endswith("z") else np.save(path, ones(2))
    return path


def image() -> str:
    path = os.path.join(tempfile.mkdtemp(), "x.png")  # noqa: PTH118
    importlib.import_module("PIL.Image").fromarray(np.ones((2, 2), "uint8")).save(path)
    return path


def optimizer() -> Any:
    model = torch.nn.Linear(2, 1)
    made = torch.optim.Adam(model.parameters())
    model(torch.ones(2)).sum().backward()
    made.step()
    return made


def finished() -> concurrent.futures.Future[NDArray[Any]]:
    future: concurrent.futures.Future[NDArray[Any]] = concurrent.futures.Future()
    future.set_result(ones(2))
    return future


def typed_storage() -> Any:
    tensor: Any = torch.ones(2)
    return tensor.storage()


class Stream(data.IterableDataset[torch.Tensor]):
    def __iter__(self) -> Iterator[torch.Tensor]:
        yield torch.ones(2)


def sparse(name: str) -> Any:
    return getattr(importlib.import_module("scipy.sparse"), name)(np.eye(2))


def group(library: str) -> Any:
    if library == "h5py":
        file = importlib.import_module("h5py").File(io.BytesIO(), "w")
        file["name"] = ones(2)
        return file
    made = importlib.import_module("zarr").group()
    made.create_array("name", data=ones(2))
    return made


def module(name: str, cls: type) -> Any:
    """Return a model object that passes for a class of a package too large to install."""
    cls.__module__ = name
    return cls()


class Image:
    """A model of SimpleITK.Image.

    SimpleITK.GetArrayFromImage copies the pixels (SimpleITK's page "Conversion between numpy").
    """

    pixels = np.ones((2, 2))


class SimpleITK:
    """A model of the module SimpleITK."""

    @staticmethod
    def GetArrayFromImage(image: Image) -> NDArray[Any]:  # noqa: N802 - SimpleITK's name
        return image.pixels.copy()


class Column:
    """datasets.Column (datasets 4): a sequence of column values, with slices as lists."""

    def __len__(self) -> int:
        return 3

    def __getitem__(self, key: Any) -> Any:
        return [1.0, 2.0, 3.0][key]


class Dataset:
    """datasets.Dataset: columns are arrays after with_format("numpy")."""

    def with_format(self, kind: str) -> Any:
        assert kind in ("numpy", "torch")
        return {"name": ones(3)}


class Future:
    """distributed.Future: `result` waits for the task and returns the value from the cluster."""

    def result(self) -> NDArray[Any]:
        return ones(2)


class SparseArray:
    """sparse.SparseArray: `__array__` raises, so the class speaks no protocol."""

    def todense(self) -> NDArray[Any]:
        return ones(2)


class csr_matrix:  # noqa: N801 - CuPy's name
    """cupyx.scipy.sparse.csr_matrix: `toarray` returns an array on the GPU."""

    def toarray(self) -> NDArray[Any]:
        return ones(2)


class spmatrix(csr_matrix):  # noqa: N801 - CuPy's name of the base class
    """The base class of cupyx sparse matrices."""


def lazy_frame() -> Any:
    return importlib.import_module("polars").LazyFrame({"a": [1.0]})


def scalar() -> Any:
    return importlib.import_module("pyarrow").scalar(1.5)


ROWS: Final[list[Row]] = [
    row("numbers in a list", lambda: [1, 2], *CREATE),
    row("numbers in a range", lambda: range(3), *CREATE),
    row("a number", lambda: 1.5, *CREATE),
    row("arrays in a list", lambda: [ones(2), torch.ones(2)], TREE, STACK),
    row("arrays in lists", lambda: [[torch.ones(2)]], TREE, words=(STACK,)),
    row("arrays in a dict", lambda: {"a": ones(2)}, TREE, 'interop.stack(x.values(), "torch")'),
    row("numbers in a dict", lambda: {"a": 1}, "numpy.asarray(list(x.values()))"),
    row("ragged lists", lambda: [[1], [1, 2]], "[numpy.asarray(row) for row in x]"),
    row("texts in a list", lambda: ["1", "2"], "numpy.asarray(x, float)"),
    row("arrays of a generator", lambda: (ones(2) for _ in range(2)), STACK, words=(COLLECT,)),
    row("numbers of a generator", lambda: iter([1, 2]), COLLECT, words=(STACK,)),
    row("a set", lambda: {1, 2}, COLLECT, words=(STACK,)),
    row("a dict to stack", lambda: {"a": ones(2)}, 'interop.stack(x.values(), "torch")',
        call=lambda x: interop.stack(x, "torch")),
    row("a path", saved, LOAD, words=(OPEN, PARSE)),
    row("a path of an image", image, OPEN, words=(LOAD, PARSE), requires=("torch", "PIL")),
    row("a text of numbers", lambda: "1 2 3", PARSE, words=(LOAD, OPEN)),
    row("a Path", lambda: Path(saved()), LOAD, words=(OPEN,)),
    row("a Path of an image", lambda: Path(image()), OPEN, words=(LOAD,), requires=("torch", "PIL")),
    row("a file", lambda: open(saved(), "rb"), LOAD, words=(READ,)),  # noqa: PTH123, SIM115
    row("a file of bytes", lambda: open(saved(), "rb"), READ, words=(LOAD,)),  # noqa: PTH123, SIM115
    row("several saved arrays", lambda: np.load(saved("x.npz")), 'interop.convert_tree(dict(x), "torch")'),
    row("a Module", lambda: torch.nn.Linear(2, 2), 'interop.convert_tree(x.state_dict(), "torch")'),
    row("an optimizer", optimizer, 'interop.convert_tree(x.state_dict(), "torch")'),
    row("a DataLoader", lambda: data.DataLoader(data.TensorDataset(torch.ones(3))),
        '[interop.convert_tree(batch, "torch") for batch in x]'),
    row("a Dataset", lambda: data.TensorDataset(torch.ones(3)), 'interop.convert_tree(x[0], "torch")'),
    row("an IterableDataset", Stream, '[interop.convert_tree(item, "torch") for item in x]'),
    row("a typed storage", typed_storage, "torch.tensor(x)"),
    row("an untyped storage", lambda: torch.ones(2).untyped_storage(), "torch.tensor(x, dtype=torch.uint8)"),
    row("a sparse matrix", lambda: sparse("csr_matrix"), "x.toarray()", requires=SCIPY),
    row("a sparse array", lambda: sparse("coo_array"), "x.toarray()", requires=SCIPY),
    row("a sparse matrix of CuPy", lambda: module("cupyx.scipy.sparse._base", spmatrix), "x.toarray()"),
    row("a sparse array of sparse", lambda: module("sparse.numba_backend._sparse_array", SparseArray), "x.todense()"),
    row("an image of SimpleITK", lambda: module("SimpleITK.SimpleITK", Image), "SimpleITK.GetArrayFromImage(x)",
        more=lambda: {"SimpleITK": SimpleITK}),
    row("a shared array", lambda: multiprocessing.Array("d", 3), "x.get_obj()"),
    row("a shared value", lambda: multiprocessing.Value("d", 3), "x.get_obj()"),
    row("a future", finished, 'interop.convert(x.result(), "torch")'),
    row("a future of Dask", lambda: module("distributed.client", Future), 'interop.convert(x.result(), "torch")'),
    row("a column of datasets", lambda: module("datasets.arrow_dataset", Column), "numpy.asarray(x[:])"),
    row("a table of datasets", lambda: module("datasets.arrow_dataset", Dataset), 'x.with_format("torch")["name"][:]'),
    row("a group of h5py", lambda: group("h5py"), 'x["name"]', requires=("torch", "h5py")),
    row("a group of zarr", lambda: group("zarr"), 'x["name"]', requires=("torch", "zarr")),
    row("a LazyFrame", lazy_frame, "x.collect()", requires=("torch", "polars")),
    row("a scalar of Arrow", scalar, "numpy.asarray(x.as_py())", requires=("torch", "pyarrow")),
]  # fmt: skip
