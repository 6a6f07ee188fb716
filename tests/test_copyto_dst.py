"""Targets that copyto refuses: the messages, and that nothing is read or written."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import interop
from foreign import Array
from interop import copyto

VALUES = np.arange(24, dtype="f4").reshape(6, 4)
HERE = "numpy float32 (6, 4) on cpu"


def message(dst: Any, src: Any, error: type[Exception] = interop.UnsupportedArrayError) -> str:
    with pytest.raises(error) as caught:
        copyto(dst, src)
    return str(caught.value)


def protected(values: NDArray[Any]) -> NDArray[Any]:
    values = values.copy()
    values.flags.writeable = False
    return values


UNWRITABLE: dict[str, tuple[Callable[[], Any], str]] = {
    "read-only": (
        lambda: protected(VALUES), f"into {HERE}: dst is read-only. Pass an array that can be written to.",
    ),
    "bytes": (
        lambda: memoryview(VALUES.tobytes()).cast("f", VALUES.shape),
        "into memoryview float32 (6, 4) on cpu: dst is read-only. Pass an array that can be written to.",
    ),
    "overlapping": (
        lambda: np.lib.stride_tricks.as_strided(VALUES.copy(), VALUES.shape, (4, 4)),
        (f"into {HERE}: elements of dst overlap in memory, so not every element can have its own "
        "value. Pass an array without overlapping elements."),
    ),
    "a number": (
        lambda: np.float32(3),
        ("into numpy float32 () on cpu: a NumPy scalar has no memory to share, so dst has no memory to write to. "
        "Pass an array in memory."),
    ),
    "computed": (
        lambda: Array(VALUES),
        ("into foreign.Array float32 (6, 4) on cpu: it has to be read by __array__ (stated float32, read to find out), "
        "so dst has no memory to write to. Pass an array in memory."),
    ),
    "text": (
        lambda: np.full((6, 4), "x"),
        ("into numpy <U1 (6, 4) on cpu: dst has no plain numbers: NumPy's <U1 is not a dtype of plain numbers. "
        "It holds text. Number the distinct texts: numpy.unique(x, return_inverse=True)[1]."),
    ),
}  # fmt: skip


@pytest.mark.parametrize("source", ["an array", "an iterable"])
@pytest.mark.parametrize("name", UNWRITABLE)
def test_copyto_into_unwritable_dst_is_refused_before_reading(name: str, source: str) -> None:
    make, words = UNWRITABLE[name]
    dst = make()
    taken: list[Any] = []
    src: Any = VALUES + 1 if source == "an array" else map(taken.append, [VALUES])
    subject = HERE if source == "an array" else "an iterable (map)"
    assert message(dst, src) == f"cannot copy {subject} {words}"
    assert not taken


def test_copyto_into_a_list_raises_not_an_array() -> None:
    with pytest.raises(interop.NotAnArrayError, match="a list is not an array"):
        copyto([1, 2], VALUES)


@pytest.mark.requires("torch")
def test_copyto_into_conjugated_tensor_is_refused() -> None:
    import torch

    x = torch.zeros(2, dtype=torch.complex64)
    assert message(x.conj(), torch.ones(2)) == (
        "cannot copy torch float32 (2,) on cpu into torch complex64 (2,) on cpu: in dst, a conjugation or negation is "
        "pending. Pass the array that dst is a view of."
    )
    assert not x.any()


def test_copyto_iterable_into_0d_dst_is_refused() -> None:
    dst = np.zeros(())
    assert message(dst, iter([VALUES]), interop.ShapeError) == (
        "cannot copy an iterable (list_iterator) into numpy float64 () on cpu: dst has no axis 0, along "
        "which the arrays of an iterable are written"
    )
