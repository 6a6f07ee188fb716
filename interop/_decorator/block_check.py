"""A check of a function that runs for each block: the values of a part must not depend on the rest of the block.

A softmax, a cumulative sum, a sort or a filter along an axis that is cut gives other numbers for each way to cut it.
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

_SAMPLE: Final = (2, 7, 4, 6, 3, 8, 1, 5, 9)
"""Along each axis that is cut."""
_PART: Final = slice(3, 5)
"""What is computed again on its own. Minimum, mean, median, maximum, order, cumulative results and neighbours of these
two numbers are all others than in the whole sample."""
_TOLERANCE: Final = 1e-2
"""Relative to the largest value. Rounding may differ between a whole and a part, and by more in float16 or TF32."""


def check_independence(
    call: BlockCall,
    grids: Sequence[Sequence[int]],
    blocks: Sequence[tuple[Adapter, Any]],
    shapes: Sequence[Any],
) -> None:
    """Refuse a function that gives other values for a part of a small sample than for the whole.

    Nothing is refused if the function fails on the sample, or if two calls with the same sample differ: it is random.

    Parameters
    ----------
    call : BlockCall
        The call with all its other arguments.
    grids : sequence of sequences of int
        Number of blocks along each axis, for each lazy argument.
    blocks : sequence of pairs
        Framework of the blocks and a block without elements, for each lazy argument.
    shapes : sequence of tuples
        Shape of each lazy argument.

    Raises
    ------
    UnsupportedArrayError
    """
    ndim = max(map(len, shapes))
    axes = [
        axis
        for axis in range(-ndim, 0)
        if any(len(grid) >= -axis and grid[axis] > 1 for grid in grids)
    ]
    if not axes:
        return
    samples = [_sample(block, shape, axes) for block, shape in zip(blocks, shapes, strict=True)]
    try:
        wrong = _find_dependent_axis(call, blocks, samples, axes)
    except Exception:  # noqa: BLE001 - the function may not be made for such a sample, and raise anything
        return
    if wrong is not None:
        raise _refusal(call.__name__, grids, wrong)


def _find_dependent_axis(
    call: BlockCall, blocks: Any, samples: list[NDArray[Any]], axes: Sequence[int]
) -> int | None:
    """Return an axis along which the function cannot be computed part by part, or None.

    The values for a part of the sample are compared with that part of the values for the whole. The axis is also None
    if the function is random.
    """
    whole = _values(call, blocks, samples)
    for axis in axes:
        part = _values(call, blocks, [_cut(sample, axis) for sample in samples])
        if not _is_close(_cut(whole, axis), part):
            is_random = not _is_close(whole, _values(call, blocks, samples))
            return None if is_random else axis
    return None


def _sample(block: tuple[Adapter, Any], shape: Sequence[int], axes: Sequence[int]) -> NDArray[Any]:
    """Return numbers between 0 and 1, where most functions are defined, or whole ones for a dtype of integers."""
    import numpy as np  # noqa: PLC0415 - importing interop loads no NumPy

    adapter, meta = block
    sides = [
        len(_SAMPLE) if n - len(shape) in axes and shape[n] != 1 else 1 for n in range(len(shape))
    ]
    numbers = np.array(_SAMPLE)[
        np.indices(sides).sum(axis=0) % len(_SAMPLE)
    ]  # the sample along each axis
    dtype = adapter.describe(meta).dtype
    if dtype == "bool":
        return numbers % 2
    return numbers if "int" in dtype else numbers / 10


def _cut(array: NDArray[Any], axis: int) -> NDArray[Any]:
    """Return the part of an array along one axis.

    An array that is broadcast along that axis is returned unchanged.
    """
    if array.ndim < -axis or array.shape[axis] == 1:
        return array
    index: Any = (..., _PART, *(slice(None) for _ in range(-axis - 1)))
    return array[index]


def _values(call: BlockCall, blocks: Any, samples: list[NDArray[Any]]) -> NDArray[Any]:
    """Return the result of the function for samples, as complex numbers on the host."""
    arguments = []
    for (adapter, meta), sample in zip(blocks, samples, strict=True):
        facts = adapter.describe(meta)
        request = Request(dtype=facts.dtype, device=facts.device, casting="unsafe")
        arguments.append(convert_by_request(sample, adapter.name, request))
    result = call(*arguments)
    request = Request(dtype="complex128", device=CPU, casting="unsafe", detach=True)
    return convert_by_request(result, "numpy", request)


def _is_close(a: NDArray[Any], b: NDArray[Any]) -> bool:
    import numpy as np  # noqa: PLC0415 - importing interop loads no NumPy

    magnitudes = np.abs(a[np.isfinite(a)])
    limit = _TOLERANCE * float(magnitudes.max(initial=0))
    return bool(np.allclose(a, b, rtol=0, atol=limit, equal_nan=True))


def _refusal(name: str, grids: Sequence[Sequence[int]], axis: int) -> errors.UnsupportedArrayError:
    grid = next(grid for grid in grids if len(grid) >= -axis and grid[axis] > 1)
    index = axis + len(grid)
    return errors.UnsupportedArrayError(
        f"{name} cannot run per block: on a sample, its values for a part differ from its values "
        f"for the whole along axis {index}, and the array has {grid[axis]} blocks along that axis",
        target=name,
        hint=f"Make it one block first: x.rechunk({{{index}: -1}}). If each block is meant to be "
        "computed for itself, pass the undecorated function to dask.array.map_blocks.",
    )
