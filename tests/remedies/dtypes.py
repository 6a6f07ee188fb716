"""Arrays without plain numbers: text, objects, times, records, and placeholder tensors."""

import decimal
import importlib
from collections.abc import Callable
from typing import Any, Final

import ml_dtypes
import numpy as np
import torch
from numpy.typing import NDArray

import interop
from conftest import has_torch_jagged_padding
from test_errors_arrays import JAGGED, UNSUPPORTED, quiet

from .rows import Row, row
from .sources import codes

FLOATS: Final = "x.astype(float)"
INTEGERS: Final = 'x.astype("int64")'
NUMBERED: Final = "numpy.unique(x, return_inverse=True)[1]"
BYTES: Final = "numpy.frombuffer(x.tobytes(), numpy.uint8)"
ZEROS: Final = "numpy.zeros(x.shape)"


def objects(*elements: Any) -> NDArray[Any]:
    """Return an object array with these elements. `numpy.array` would unpack them."""
    array = np.empty(len(elements), object)
    array[:] = [None] * len(elements)
    for i, element in enumerate(elements):
        array[i] = element
    return array


def array_of(*arguments: Any) -> Callable[[], NDArray[Any]]:
    return lambda: np.array(*arguments)


def masked() -> Any:
    return quiet(torch.masked.masked_tensor, torch.ones(2), torch.tensor([True, False]))


def distributed() -> Any:
    """Return a DTensor in a process group of one process."""
    dist: Any = importlib.import_module("torch.distributed")
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.tensor import distribute_tensor

    if not dist.is_initialized():
        dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    return distribute_tensor(torch.ones(2), init_device_mesh("cpu", (1,)))


def pending() -> Any:
    """Return the result of an unfinished collective operation."""
    from torch.distributed._functional_collectives import AsyncCollectiveTensor

    return AsyncCollectiveTensor(torch.ones(2))


def to(target: Any) -> Callable[..., Any]:
    return lambda x, **keywords: interop.convert(x, target, **keywords)


PINNED: Final = [  # the arrays of test_errors_arrays, which checks the whole messages
    row(
        f"{source}, {facts}", make, *codes(reason), call=to(target), requires=("torch", "ml_dtypes"),
        more=lambda: {"value": 0},
    )
    for source, target, make, facts, reason in UNSUPPORTED
    if (make, facts, reason) != JAGGED or has_torch_jagged_padding()
]  # fmt: skip
ROWS: Final[list[Row]] = [
    *PINNED,
    row("float0", lambda: np.zeros(2, [("float0", "V")]), ZEROS),
    row("V0", lambda: np.zeros(3, "V0"), ZEROS),
    row("records without fields", lambda: np.zeros(3, []), ZEROS),
    row("bytes without dimensions", lambda: np.zeros((), "V4"), 'numpy.ascontiguousarray(x).view("uint8")'),
    row("bytes in every second column", lambda: np.zeros((4, 4), "V4")[:, ::2],
        'numpy.ascontiguousarray(x).view("uint8")'),
    row("swapped times", array_of(["2026"], ">M8[Y]"), INTEGERS),
    row("words", array_of(["a", "b"]), NUMBERED),
    row("one word", array_of("a"), NUMBERED),
    row("words of StringDType", array_of(["a", "b"], np.dtypes.StringDType()), NUMBERED),
    row("words in bytes", array_of([b"a", b"b"]), NUMBERED, BYTES),
    row("numbers in bytes, reversed", lambda: np.array([b"1", b"2"])[::-1], FLOATS, BYTES),
    row("objects: large integers", lambda: objects(2**70, 1), FLOATS),
    row("objects: booleans", lambda: objects(True, False), INTEGERS),
    row("objects: decimals", lambda: objects(decimal.Decimal(1), 2.5), FLOATS),
    row("objects: None", lambda: objects(1.5, None), FLOATS),
    row("objects: none at all", objects, FLOATS),
    row("objects: complex numbers", lambda: objects(1j, 2), "x.astype(complex)"),
    row("objects: words", lambda: objects("a", "b"), NUMBERED),
    row("objects: numbers in words", lambda: objects("1.5", "2"), FLOATS),
    row("objects: arrays", lambda: objects(np.ones(2), torch.ones(2)), 'interop.stack(list(x), "numpy")',
        runs={'interop.stack(list(x), "numpy")': 'interop.stack(list(x), "numpy", dtype="float32")'}),
    row("objects: arrays to stack", lambda: objects(np.ones(2), np.ones(2)), 'interop.stack(list(x), "numpy")',
        call=lambda x: interop.stack(x, "torch")),
    row("objects: arrays in two dimensions", lambda: objects(np.ones(2), np.ones(2)).reshape(2, 1),
        'interop.stack(list(x.flat), "numpy")'),
    row("objects: arrays of several shapes", lambda: objects(np.ones(2), np.ones(3)),
        'interop.convert_tree(list(x), "numpy")'),
    row("objects: ragged lists", lambda: objects([1], [1, 2]), "[numpy.asarray(item) for item in list(x)]"),
    row("an object that holds an array", lambda: objects(np.ones(2)).reshape(()), "x.item()"),
    row("a masked tensor", masked, "x.to_tensor(value)", call=to("numpy"), more=lambda: {"value": 0}),
    row("a distributed tensor", distributed, "x.full_tensor()", "x.to_local()", call=to("numpy")),
    row("the result of a collective", pending, "x.wait()", call=to("numpy")),
    row("bfloat16 for a namespace without it", lambda: np.ones(2, ml_dtypes.bfloat16), 'dtype="float32"',
        call=to("array_api_strict"), requires=("ml_dtypes", "array_api_strict")),
    row("float8 for torch", lambda: np.ones(2, ml_dtypes.float8_e3m4), 'dtype="float32"',
        requires=("torch", "ml_dtypes")),
]  # fmt: skip
