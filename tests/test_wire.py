"""Names in pickles of lazy arrays and of their blocks: other versions of interop must find them."""

import importlib
import pickle
from collections.abc import Callable
from typing import Any, Final

import numpy as np
import pytest

import foreign
import interop
from interop import implemented_in
from interop._engine import wire
from interop._model.request import Request
from pickled import load

pytestmark = pytest.mark.requires("dask", "torch")

WIRE: Final = "interop._engine.wire"
HOMES: Final = (
    WIRE,
    "interop._decorator.wire",
    "interop.adapters.dask.wire",
    "interop.adapters.torch.wire",
    "interop",
)
"""Modules whose names never move. All public names are in `interop`."""


class Dataset(foreign.Stated):
    """A dataset that is read slice by slice."""

    def __getitem__(self, index: Any) -> Any:
        return self._array[index]


@implemented_in("torch", per_block=True)
def double(x: Any) -> Any:
    return x * 2


def lazy_ones() -> Any:
    import dask.array as da

    return da.ones(4, chunks=2, dtype="float32")


def to_lazy_tensors(**keywords: Any) -> Any:
    return interop.convert(lazy_ones(), "torch", **keywords)


PICKLED: dict[str, tuple[Callable[[], Any], set[str]]] = {
    "converted": (to_lazy_tensors, {"convert_block"}),
    "converted with keywords": (
        lambda: to_lazy_tensors(device="cpu", dtype="float64", copy=True),
        {"convert_block"},
    ),
    "converted under a policy": (
        lambda: under_policy(to_lazy_tensors),
        {"convert_block"},
    ),
    "split": (
        lambda: interop.convert(interop.to_torch(np.ones(4)), "dask", chunks=2),
        {"pack", "register_blocks", "unpack"},
    ),
    "split from a dataset": (
        lambda: interop.convert(Dataset(np.ones(4), "float64"), "dask", chunks=2),
        {"Sliced"},
    ),
    "called per block": (lambda: double(lazy_ones()), set()),
    "sent": (
        lambda: wire.pack(interop.to_torch(np.ones(4), dtype="bfloat16")),
        {"unpack"},
    ),
    "sent after its arrival": (
        lambda: wire.pack(receive(wire.pack(interop.to_torch(np.ones(4))))),
        {"unpack"},
    ),
}  # fmt: skip
"""The pickled objects, and the names of `interop._engine.wire` in each pickle."""


def under_policy(function: Callable[[], Any]) -> Any:
    with interop.options(host_copy="error", detach=True, readonly="share"):
        return function()


def receive(packed: Any) -> Any:
    function, arguments = pickle.loads(pickle.dumps(packed))  # noqa: S301 - our own
    return function(*arguments)


@pytest.mark.requires("ml_dtypes")
@pytest.mark.parametrize(("make", "expected"), PICKLED.values(), ids=PICKLED)
def test_pickle_names_only_modules_that_never_move(
    make: Callable[[], Any], expected: set[str]
) -> None:
    """A failure means that pickles of the released version would not load: keep the old names."""
    _, names = load(pickle.dumps(make(), protocol=5))
    assert {name.rpartition(".")[0] for name in names} <= set(HOMES)
    ours = {name.removeprefix(f"{WIRE}.") for name in names if name.startswith(WIRE)}
    assert ours == expected


@pytest.mark.parametrize(
    "call",
    [
        lambda: wire.convert_block(np.ones(2), lazy="dask", to="torch", request={}),
        lambda: wire.convert_block(
            np.ones(2), lazy="dask", to="torch", request={"dtype": "float32", "readonly": "share"}
        ),
        lambda: wire.view_block((slice(0, 2),), x=np.ones(3), framework="numpy"),
        lambda: wire.Sliced(np.ones(2), "torch")[0:2],
        lambda: wire.unpack(np.ones(2), np.dtype("float64"), "torch", "cpu"),
    ],
)
def test_wire_functions_accept_the_arguments_of_today(call: Callable[[], Any]) -> None:
    """A change of these fails the loading of pickles that exist: add parameters with defaults."""
    assert interop.to_numpy(call()).tolist() == [1, 1]


def test_request_to_dict_keeps_every_field() -> None:
    request = Request(device=interop.Device(2, 1), dtype="int8", copy=False, max_host_bytes=8)
    assert set(wire.request_to_dict(request)) == {"device", "dtype", "copy", "max_host_bytes"}
    assert Request(**wire.request_to_dict(request)) == request


def test_wire_is_imported_alone_by_a_pickle() -> None:
    """A new worker loads a task, and the task imports the pipeline."""
    from child import run_child

    task = pickle.dumps(
        (wire.convert_block, np.ones(2), {"lazy": "dask", "to": "torch", "request": {}})
    )
    code = (
        "import pickle, sys\n"
        f"function, x, keywords = pickle.loads({task!r})\n"
        "assert 'interop._engine.pipeline' not in sys.modules\n"
        "print(type(function(x, **keywords)).__name__)"
    )
    assert run_child(code) == "Tensor\n"
    assert importlib.import_module(WIRE) is wire
