"""A check of functions that run per block: values must not depend on other parts of the block.

A softmax, a cumulative sum, a sort or a filter gives other values for each way to split the array,
if the axis of the operation is split.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from interop import errors
from interop._engine.pipeline import convert_by_request
from interop._model.request import Request
from interop.adapter.device import CPU

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from interop._decorator.per_block import BlockCall
    from interop.adapter import Adapter

    Block = tuple[Adapter, Any]

_SAMPLE: Final = (2, 7, 4, 6, 3, 8, 1, 5, 9)
"""Values of the sample along each axis that is split."""
_PART: Final = slice(3, 5)
"""The part that is computed again on its own. The minimum, mean, median, maximum, order, cumulative
results and neighbours of these two values differ from those of the whole sample."""
_TOLERANCE: Final = 1e-2
"""Tolerance relative to the largest value. The rounding of a part may differ from the rounding of
the whole, and more so in float16 or TF32."""


def check_independence(
    call: BlockCall,
    grids: Sequence[Sequence[int]],
    blocks: Sequence[Block],
    shapes: Sequence[tuple[int, ...]],
) -> None:
    """Refuse a function if its values for a part of a small sample depend on the other parts.

    A function that fails on the sample is not refused. Neither is a random function, which gives
    different values in two calls with the same sample.

    Parameters
    ----------
    call : BlockCall
        The call with all other arguments.
    grids : sequence of sequences of int
        Number of blocks along each axis, for each lazy argument.
    blocks : sequence of pairs
        Framework of the blocks and a block without elements, for each lazy argument.
    shapes : sequence of tuples
        Shape of each lazy argument.

    Raises
    ------
    UnsupportedArrayError
        The values for a part differ from the values for the whole.
    """
    axes = _split_axes(grids, max(map(len, shapes)))
    if not axes:
        return
    samples = [_sample(block, shape, axes) for block, shape in zip(blocks, shapes, strict=True)]
    try:
        axis = _find_dependent_axis(call, blocks, samples, axes)
    except MemoryError:
        raise
    except Exception:  # noqa: BLE001 - a function may reject the sample by any exception
        return
    if axis is not None:
        raise _refusal(call.__name__, grids, axis)


def _split_axes(grids: Sequence[Sequence[int]], ndim: int) -> list[int]:
    """Return the axes along which an argument has several blocks, counted from the last axis.

    Arguments with different numbers of dimensions are broadcast, so the last axes correspond.
    """
    return [
        axis
        for axis in range(-ndim, 0)
        if any(len(grid) >= -axis and grid[axis] > 1 for grid in grids)
    ]


def _find_dependent_axis(
    call: BlockCall, blocks: Sequence[Block], samples: list[NDArray[Any]], axes: Sequence[int]
) -> int | None:
    """Return an axis along which the function cannot be computed part by part, or None.

    The values for a part of the sample are compared with that part of the values for the whole.
    """
    whole = _values(call, blocks, samples)
    for axis in axes:
        part = _values(call, blocks, [_cut(sample, axis) for sample in samples])
        if _is_close(_cut(whole, axis), part):
            continue
        # A random function differs between two calls with one sample, and is not refused.
        is_random = not _is_close(whole, _values(call, blocks, samples))
        return None if is_random else axis
    return None


def _sample(block: Block, shape: tuple[int, ...], axes: Sequence[int]) -> NDArray[Any]:
    """Return an array with the sample along each axis that is split.

    The values are between 0 and 1, because most functions are defined there. Integer dtypes get
    integers.
    """
    import numpy as np  # noqa: PLC0415 - importing interop loads no NumPy

    ndim = len(shape)
    sides = [1] * ndim
    for axis in axes:
        # An axis of length 1 is broadcast, and stays so.
        if -axis <= ndim and shape[axis] != 1:
            sides[axis] = len(_SAMPLE)
    index = np.indices(sides).sum(axis=0) % len(_SAMPLE)
    values = np.array(_SAMPLE)[index]
    adapter, meta = block
    dtype = adapter.describe(meta).dtype
    if dtype == "bool":
        return values % 2
    if "int" in dtype:
        return values
    return values / 10


def _cut(array: NDArray[Any], axis: int) -> NDArray[Any]:
    """Return the part of an array along one axis, or an array that is broadcast there unchanged."""
    if array.ndim < -axis or array.shape[axis] == 1:
        return array
    index: Any = (..., _PART, *(slice(None) for _ in range(-axis - 1)))
    return array[index]


def _values(call: BlockCall, blocks: Sequence[Block], samples: list[NDArray[Any]]) -> NDArray[Any]:
    """Return the result of the function for samples, as complex numbers on the host."""
    arguments = []
    for (adapter, meta), sample in zip(blocks, samples, strict=True):
        facts = adapter.describe(meta)
        request = Request(dtype=facts.dtype, device=facts.device, casting="unsafe")
        arguments.append(convert_by_request(sample, adapter.name, request))
    result = call(*arguments)
    # complex128 stores numbers of nearly all dtypes, so one comparison serves every result.
    request = Request(dtype="complex128", device=CPU, casting="unsafe", detach=True)
    return convert_by_request(result, "numpy", request)


def _is_close(a: NDArray[Any], b: NDArray[Any]) -> bool:
    import numpy as np  # noqa: PLC0415 - importing interop loads no NumPy

    # Finite values only, because an inf would make the tolerance infinite.
    magnitudes = np.abs(a[np.isfinite(a)])
    limit = _TOLERANCE * float(magnitudes.max(initial=0))
    return bool(np.allclose(a, b, rtol=0, atol=limit, equal_nan=True))


def _refusal(name: str, grids: Sequence[Sequence[int]], axis: int) -> errors.UnsupportedArrayError:
    """Return the error, with the axis and the number of blocks of the first array that is split."""
    grid = next(grid for grid in grids if len(grid) >= -axis and grid[axis] > 1)
    index = axis + len(grid)
    return errors.UnsupportedArrayError(
        f"{name} cannot run per block: for a part of a sample, it returns other values than for "
        f"the whole sample along axis {index}, and the array has {grid[axis]} blocks along that "
        "axis",
        target=name,
        hint=f"Make it one block first: x.rechunk({{{index}: -1}}). If each block should be "
        "computed on its own, pass the undecorated function to dask.array.map_blocks.",
    )
