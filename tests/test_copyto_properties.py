"""copyto between any two layouts, in chunks of any size, agrees with numpy.copyto."""

from typing import Any, cast

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn
from numpy.typing import NDArray

import interop
from interop import copyto

pytestmark = pytest.mark.requires("torch", "ml_dtypes")


@st.composite
def targets(draw: DrawFn, shape: tuple[int, ...], dtype: Any, *, may_reverse: bool) -> NDArray[Any]:
    """Return writable memory with axes in any order, with gaps, and with some axes reversed."""
    order = draw(st.permutations(range(len(shape))))
    steps = [draw(st.sampled_from([1, 1, 2, 3])) for _ in shape]
    signs = [draw(st.sampled_from([1, 1, -1] if may_reverse else [1])) for _ in shape]
    memory = np.zeros([shape[axis] * steps[axis] for axis in order], dtype)
    cut = tuple(slice(None, None, steps[axis] * signs[axis]) for axis in order)
    view: NDArray[Any] = memory[cast("Any", (*cut, ...))]
    return view.transpose(np.argsort(order))


@given(st.data(), st.integers(1, 100))
def test_copyto_between_random_layouts_matches_numpy_copyto(
    data: st.DataObject, batch_bytes: int
) -> None:
    from memory import bits
    from strategies import numpy_cases, torch_cases

    case = data.draw(numpy_cases() | torch_cases())
    to = data.draw(st.sampled_from(["numpy", "torch"]))
    source = interop.to_numpy(case.x, detach=True, copy=True)
    if source.dtype.byteorder == ">":
        source = source.astype(source.dtype.newbyteorder())
    expected = data.draw(targets(source.shape, source.dtype, may_reverse=to == "numpy"))
    dst = interop.convert(expected, to, copy=True)
    seen: list[int] = []
    np.copyto(expected, source)
    copyto(dst, case.x, batch_bytes=batch_bytes, detach=True, progress=seen.append)
    assert bits(interop.to_numpy(dst)) == bits(expected)
    assert seen == sorted(set(seen))
    assert seen[-1:] == ([source.nbytes] if source.size else [])


@given(st.data(), st.integers(1, 100))
def test_copyto_into_strided_dst_writes_only_the_elements_of_dst(
    data: st.DataObject, batch_bytes: int
) -> None:
    shape = tuple(data.draw(st.lists(st.integers(0, 4), max_size=3)))
    dtype, to = (
        data.draw(st.sampled_from(["u1", "f4", "c16"])),
        data.draw(st.sampled_from(["numpy", "torch"])),
    )
    mine = data.draw(targets(shape, dtype, may_reverse=to == "numpy"))
    root: Any = mine if mine.base is None else mine.base
    source = np.full(shape, 7, dtype)
    copyto(interop.convert(mine, to, copy=False), source, batch_bytes=batch_bytes)
    assert (mine == 7).all()
    assert np.count_nonzero(root) == mine.size
