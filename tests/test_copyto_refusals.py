"""Sources that copyto refuses: the messages, and that nothing is written."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import interop
from foreign import Lazy
from interop import copyto

VALUES = np.arange(24, dtype="f4").reshape(6, 4)
HERE = "numpy float32 (6, 4) on cpu"


def message(error: type[Exception], dst: Any, src: Any, **keywords: Any) -> str:
    with pytest.raises(error) as caught:
        copyto(dst, src, **keywords)
    return str(caught.value)


REFUSED: dict[str, tuple[type[Exception], Callable[[], Any], dict[str, Any], str]] = {
    "another shape": (
        interop.ShapeError, lambda: np.ones((6, 1), "f4"), {},
        (f"cannot copy numpy float32 (6, 1) on cpu into {HERE}: the shapes (6, 1) and (6, 4) differ, and copyto "
        "does not broadcast. Pass an array of shape (6, 4)."),
    ),
    "a lazy one of another shape": (
        interop.ShapeError, lambda: Lazy(VALUES, (6,)), {},
        (f"cannot copy Lazy float32 (6,) on cpu into {HERE}: the shapes (6,) and (6, 4) differ, and copyto does "
        "not broadcast. Pass an array of shape (6, 4)."),
    ),
    "a kind of number that is lost": (
        interop.UnsupportedArrayError, lambda: VALUES.astype("c8"), {},
        (f"cannot copy numpy complex64 (6, 4) on cpu into {HERE}: float32 would drop the imaginary parts of complex64. "
        'Pass casting="unsafe" to accept that.'),
    ),
    "a kind of number that is lost, lazily": (
        interop.UnsupportedArrayError, lambda: Lazy(VALUES, dtype="c16"), {},
        (f"cannot copy Lazy complex128 (6, 4) on cpu into {HERE}: float32 would drop the imaginary parts of "
        'complex128. Pass casting="unsafe" to accept that.'),
    ),
    "text": (
        interop.UnsupportedArrayError, lambda: np.full((6, 4), "x"), {},
        (f"cannot copy numpy <U1 (6, 4) on cpu into {HERE}: NumPy's <U1 is not a dtype of plain numbers. "
        "It holds text. Number the distinct texts: numpy.unique(x, return_inverse=True)[1]."),
    ),
    "text, lazily": (
        interop.UnsupportedArrayError, lambda: Lazy(VALUES, dtype="U1"), {},
        (f"cannot copy Lazy str32 (6, 4) on cpu into {HERE}: its dtype U1 is not numeric. "
        "Convert the dataset to numbers, and pass an iterable of chunks."),
    ),
    "masked": (
        interop.UnsupportedArrayError, lambda: np.ma.masked_less(VALUES, 3), {},
        (f"cannot copy numpy float32 (6, 4) on cpu into {HERE}: some elements are masked, and the mask would be lost. "
        "Fill them first: x.filled(value)."),
    ),
    "no array": (
        interop.NotAnArrayError, lambda: 3, {},
        "an int is not an array. Create one first, for example with numpy.asarray(x) or torch.tensor(x).",
    ),
    "no array in an iterable": (
        interop.NotAnArrayError, lambda: [1, 2], {},
        "an int is not an array. Create one first, for example with numpy.asarray(x) or torch.tensor(x).",
    ),
    "no batch": (
        interop.InvalidOptionError, lambda: VALUES, {"batch_bytes": 0},
        "batch_bytes must be a positive integer, or None for 64 MiB, got 0",
    ),
    "true as a batch": (
        interop.InvalidOptionError, lambda: VALUES, {"batch_bytes": True},
        "batch_bytes must be a positive integer, or None for 64 MiB, got True",
    ),
    "no progress": (
        interop.InvalidOptionError, lambda: VALUES, {"progress": 1},
        "progress must be True, False or a function that takes a number, got 1",
    ),
    "no casting": (
        interop.InvalidOptionError, lambda: VALUES, {"casting": "safe"},
        "casting must be one of 'same_kind', 'unsafe', got 'safe'",
    ),
    "rows of another length": (
        interop.ShapeError, lambda: iter([VALUES[:, :1]]), {},
        f"cannot copy numpy float32 (6, 1) on cpu into {HERE}: each array of an iterable must have the shape (n, 4)",
    ),
    "rows without their axis": (
        interop.ShapeError, lambda: iter(VALUES), {},
        f"cannot copy numpy float32 (4,) on cpu into {HERE}: each array of an iterable must have the shape (n, 4)",
    ),
    "more than there is room for": (
        interop.ShapeError, lambda: iter([np.ones((7, 4), "f4")]), {},
        (f"cannot copy an iterable (list_iterator) into {HERE}: its next array has 7 rows, but only 6 of 6 "
        "rows of dst are not yet written. Pass fewer rows."),
    ),
    "nothing": (
        interop.ShapeError, lambda: iter([]), {},
        (f"cannot copy an iterable (list_iterator) into {HERE}: it ended after 0 of 6 rows. "
        "Pass more rows, or write to a part of dst: dst[:0]."),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_copyto_with_invalid_source_or_keyword_leaves_dst_unchanged(name: str) -> None:
    error, make, keywords, words = REFUSED[name]
    dst = np.full((6, 4), -1, "f4")
    assert message(error, dst, make(), **keywords) == words
    assert (dst == -1).all()


@pytest.mark.requires("torch")
def test_copyto_from_tensor_with_grad_is_refused() -> None:
    import torch

    dst = np.zeros(2, "f4")
    assert message(interop.GradientError, dst, torch.ones(2, requires_grad=True)) == (
        "cannot copy torch float32 (2,) on cpu into numpy float32 (2,) on cpu: it requires grad, and only its values "
        "would be written. Pass detach=True to allow it."
    )
    assert not dst.any()


@pytest.mark.requires("torch")
@pytest.mark.parametrize("kind", ["sparse", "meta"])
def test_copyto_with_sparse_or_meta_tensor_is_refused_on_both_sides(kind: str) -> None:
    import torch

    odd = torch.ones(2, 2).to_sparse() if kind == "sparse" else torch.ones(2, 2, device="meta")
    plain = torch.zeros(2, 2)
    assert message(interop.UnsupportedArrayError, plain, odd).startswith(
        "cannot copy torch float32 (2, 2) on "
    )
    assert "into torch float32 (2, 2) on " in message(interop.UnsupportedArrayError, odd, plain)
    assert ": dst has no plain numbers: " in message(interop.UnsupportedArrayError, odd, plain)
    assert not plain.any()


# -- shared memory ---------------------------------------------------------------------------------


@pytest.mark.requires("torch")
@pytest.mark.parametrize("wrap", [lambda x: x, interop.convert], ids=["numpy", "torch"])
@pytest.mark.parametrize(
    "cut",
    [
        lambda x: (x[1:], x[:-1]),
        lambda x: (x[:4], x[:4].T),
        lambda x: (x[:, 0], x.reshape(-1)[:6]),
        lambda x: (x, x.view("i4")),
    ],
    ids=["shifted", "transposed", "another stride", "another dtype"],
)
def test_copyto_with_shared_memory_in_different_layouts_is_refused(cut: Any, wrap: Any) -> None:
    memory = VALUES.copy()
    dst, src = cut(memory)
    shared = src if wrap is not interop.convert else interop.to_torch(src)
    name = "numpy" if shared is src else "torch"
    assert message(interop.UnsupportedArrayError, dst, shared, casting="unsafe") == (
        f"cannot copy {name} {src.dtype} {src.shape} on cpu into numpy float32 {dst.shape} on cpu: both share memory "
        "in different layouts, so values would be overwritten before they are read. Copy the source first: "
        f'interop.convert(src, "{name}", copy=True).'
    )
    np.testing.assert_array_equal(memory, VALUES)


def test_copyto_between_interleaved_views_writes_the_values() -> None:
    memory = VALUES.copy()
    copyto(memory[::2], memory[1::2])
    np.testing.assert_array_equal(memory[::2], VALUES[1::2])


# -- halfway ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        (
            [VALUES[:4]],
            "it ended after 4 of 6 rows. Pass more rows, or write to a part of dst: dst[:4].",
        ),
        (
            [VALUES[:4], VALUES[:3]],
            "its next array has 3 rows, but only 2 of 6 rows of dst are not yet written. Pass fewer rows.",
        ),
    ],
)
def test_copyto_from_iterable_of_wrong_length_notes_the_bytes_written(
    parts: list[Any], words: str
) -> None:
    dst = np.full((6, 4), -1, "f4")
    with pytest.raises(interop.ShapeError) as caught:
        copyto(dst, iter(parts))
    assert str(caught.value) == f"cannot copy an iterable (list_iterator) into {HERE}: {words}"
    assert caught.value.__notes__ == [
        "interop.copyto had written 64 of 96 bytes of dst: its first 16 of 24 elements in row-major order"
    ]
    np.testing.assert_array_equal(dst[:4], VALUES[:4])
    assert (dst[4:] == -1).all()


def test_copyto_from_iterable_with_extra_rows_is_refused() -> None:
    with pytest.raises(
        interop.ShapeError,
        match=r"its next array has 1 row, but only 0 of 6 rows of dst are not yet written",
    ):
        copyto(np.zeros((6, 4), "f4"), iter([VALUES, VALUES[:1]]))
    copyto(np.zeros((6, 4), "f4"), iter([VALUES, VALUES[:0]]))


def test_copyto_from_iterable_checks_the_dtype_of_each_array() -> None:
    dst = np.full((6, 4), -1, "f4")
    with pytest.raises(
        interop.UnsupportedArrayError, match="would drop the imaginary parts"
    ) as caught:
        copyto(dst, [VALUES[:2], VALUES[2:].astype("c8")])
    assert "had written 32 of 96 bytes" in caught.value.__notes__[0]


def test_copyto_from_lazy_source_with_false_shape_is_refused() -> None:
    assert message(
        interop.ShapeError, np.zeros((6, 4), "f4"), Lazy(VALUES[:3], (6, 4)), batch_bytes=48
    ) == (
        f"cannot copy Lazy float32 (6, 4) on cpu into {HERE}: its slice [3:6] has the shape (0, 4) instead of (3, 4)"
    )


@pytest.mark.requires("torch")
def test_copyto_bfloat16_without_ml_dtypes_is_refused_between_frameworks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import sys

    import torch

    monkeypatch.setitem(sys.modules, "ml_dtypes", None)
    source, dst = torch.ones(2, dtype=torch.bfloat16), np.zeros(2, "f4")
    assert message(interop.UnsupportedArrayError, dst, source) == (
        "cannot copy torch bfloat16 (2,) on cpu into numpy float32 (2,) on cpu: NumPy has no bfloat16 without "
        'ml_dtypes. Run pip install ml-dtypes, or pass dtype="float32".'
    )
    copyto(torch.zeros(2), source)
