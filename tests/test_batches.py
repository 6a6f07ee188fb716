"""batches: order, shared memory, axes, lengths, progress, and errors before the iteration."""

from typing import Any, cast

import numpy as np
import pytest

import foreign
import interop
import ledger
from foreign import Lazy
from interop import batches
from registering import registered

VALUES = np.arange(24, dtype="f4").reshape(6, 4)


SOURCES: dict[str, Any] = {
    "numpy": np.array,
    "torch": lambda values: interop.to_torch(np.array(values)),
    "memoryview": lambda values: memoryview(cast("Any", np.array(values))),
    "DLPack": lambda values: foreign.DLPack(np.array(values)),
    "__array__": foreign.Array,
    "lazy": Lazy,
}


@pytest.mark.requires("torch")
@pytest.mark.parametrize("axis", [0, 1, -1, -2])
@pytest.mark.parametrize("size", [1, 4, 6, 100])
@pytest.mark.parametrize("to", ["numpy", "torch"])
@pytest.mark.parametrize("source", SOURCES)
def test_batches_of_any_source_cover_the_array_in_order(
    source: str, to: str, size: int, axis: int
) -> None:
    parts = batches(SOURCES[source](VALUES), to, size=size, axis=axis)
    arrays = list(parts)
    assert len(arrays) == len(parts) == -(-VALUES.shape[axis] // size)
    assert {interop.framework_of(array) for array in arrays} == {to}
    assert {array.shape[axis] for array in arrays[:-1]} <= {size}
    np.testing.assert_array_equal(
        np.concatenate([interop.to_numpy(array) for array in arrays], axis), VALUES
    )


@pytest.mark.requires("torch")
@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("source", ["numpy", "torch"])
@pytest.mark.parametrize("to", ["numpy", "torch"])
def test_batches_share_memory_unless_copy_is_true(source: str, to: str, axis: int) -> None:
    x = SOURCES[source](VALUES)
    assert all(interop.shares_memory(batch, x) for batch in batches(x, to, size=2, axis=axis))
    assert not any(
        interop.shares_memory(batch, x) for batch in batches(x, to, size=2, axis=axis, copy=True)
    )


@pytest.mark.requires("torch", "cupy", "gpu")
@pytest.mark.parametrize("to", ["torch", "cupy"])
@pytest.mark.parametrize("source", ["numpy", "torch", "cupy"])
def test_batches_with_device_give_the_values_of_the_array(source: str, to: str) -> None:
    x = interop.convert(VALUES, source, device=None if source == "numpy" else "cuda")
    device = "cuda"
    parts = [
        interop.to_numpy(batch, device="cpu") for batch in batches(x, to, size=4, device=device)
    ]
    np.testing.assert_array_equal(np.concatenate(parts), VALUES)


def test_batches_of_lazy_source_read_each_batch_when_requested() -> None:
    x = Lazy(VALUES)
    parts = iter(batches(x, "numpy", size=4))
    assert x.read == []
    next(parts)
    assert x.read == [slice(0, 4)]
    next(parts)
    assert x.read == [slice(0, 4), slice(4, 6)]
    list(batches(y := Lazy(VALUES), "numpy", size=3, axis=1))
    assert y.read == [(slice(None), slice(0, 3)), (slice(None), slice(3, 4))]


def test_batches_along_an_empty_axis_are_empty() -> None:
    parts = batches(VALUES[:0], "numpy", size=2)
    assert (len(parts), list(parts)) == (0, [])
    assert [batch.shape for batch in batches(VALUES[:, :0], "numpy", size=4)] == [(4, 0), (2, 0)]


def test_batches_iterated_twice_start_from_the_beginning() -> None:
    parts = batches(VALUES, "numpy", size=4)
    first = iter(parts)
    next(first)
    assert len(list(parts)) == 2
    assert len(list(first)) == 1


@pytest.mark.requires("torch")
def test_batches_accept_dtype_and_detach_like_convert() -> None:
    import torch

    weight = torch.ones(4, 2, requires_grad=True)
    assert all(batch.requires_grad for batch in batches(weight, "torch", size=2))
    assert [
        batch.dtype for batch in batches(weight, "numpy", size=2, dtype="float64", detach=True)
    ] == ["f8", "f8"]
    with interop.options(detach=True):
        assert len(list(batches(weight, "numpy", size=2))) == 2


def test_batches_of_framework_without_slicing_use_the_adapter() -> None:
    with registered(ledger.adapter):
        x = ledger.Ledger(VALUES.copy())
        arrays = list(batches(x, "numpy", size=4))
        np.testing.assert_array_equal(np.concatenate(arrays), VALUES)
        assert all(interop.shares_memory(array, x) for array in arrays)


# -- errors ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("x", "to", "keywords", "error", "words"),
    [
        (np.zeros(()), "numpy", {}, interop.ShapeError,
         "an array without dimensions cannot be split into batches. Use interop.convert for the whole array."),
        (np.float32(1), "numpy", {}, interop.ShapeError,
         "an array without dimensions cannot be split into batches. Use interop.convert for the whole array."),
        (VALUES, "numpy", {"size": 0}, interop.InvalidOptionError, "size must be a positive integer, got 0"),
        (VALUES, "numpy", {"size": True}, interop.InvalidOptionError, "size must be a positive integer, got True"),
        (VALUES, "numpy", {"size": 2.0}, interop.InvalidOptionError, "size must be a positive integer, got 2.0"),
        (VALUES, "numpy", {"axis": 2}, interop.InvalidOptionError,
         "axis must be an integer from -2 to 1 for an array of shape (6, 4), got 2"),
        (VALUES, "numpy", {"axis": 0.0}, interop.InvalidOptionError,
         "axis must be an integer from -2 to 1 for an array of shape (6, 4), got 0.0"),
        (VALUES, "numpy", {"progress": "yes"}, interop.InvalidOptionError,
         "progress must be True, False or a function that takes a number, got 'yes'"),
        (VALUES, "numpy", {"copy": "no"}, interop.InvalidOptionError,
         "copy must be one of None, True, False, got 'no'"),
        (VALUES, "numpie", {}, interop.UnknownFrameworkError, "no framework is called 'numpie'. Did you mean 'numpy'?"),
        ([VALUES], "numpy", {}, interop.NotAnArrayError, "a list is not an array."),
    ],
)  # fmt: skip
def test_batches_with_invalid_arguments_raise_before_iteration(
    x: Any, to: str, keywords: dict[str, Any], error: type[Exception], words: str
) -> None:
    with pytest.raises(error) as caught:
        batches(x, to, **cast("Any", {"size": 2, **keywords}))
    assert str(caught.value).startswith(words)


@pytest.mark.parametrize(("axis", "place"), [(0, "at x[0:2]"), (1, "at x[:, 0:2]")])
def test_batches_error_notes_the_failing_slice(axis: int, place: str) -> None:
    parts = batches(VALUES, "numpy", size=2, axis=axis, copy=False, dtype="float64")
    with pytest.raises(interop.CopyRequiredError) as caught:
        list(parts)
    assert caught.value.__notes__ == [place]


def test_batches_error_of_lazy_source_notes_the_failing_slice() -> None:
    class Broken(Lazy):
        def __getitem__(self, index: Any) -> Any:
            if self.read:
                raise OSError
            return super().__getitem__(index)

    parts = iter(batches(Broken(VALUES), "numpy", size=4))
    next(parts)
    with pytest.raises(OSError) as caught:  # noqa: PT011 - the error has no message
        next(parts)
    assert caught.value.__notes__ == ["at x[4:6]"]


# -- progress --------------------------------------------------------------------------------------


def test_batches_progress_reports_finished_rows() -> None:
    seen: list[int] = []
    for i, _ in enumerate(batches(VALUES, "numpy", size=4, progress=seen.append)):
        assert seen == [4][:i]
    assert seen == [4, 6]


def test_batches_progress_true_shows_a_bar_that_closes_with_the_loop(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tqdm = pytest.importorskip("tqdm", reason="an extra: array-interop[progress]")
    seen: list[Any] = []

    def make(**words: Any) -> Any:
        bar = tqdm.std.tqdm(**words, disable=False, file=__import__("io").StringIO())
        seen.append((words, bar))
        return bar

    monkeypatch.setattr("tqdm.tqdm", make)
    for _ in batches(VALUES, "numpy", size=4, progress=True):
        pass
    (words, bar), *_ = seen
    assert words == {"total": 6, "unit": " rows", "unit_scale": False}
    assert (bar.n, bar.disable) == (6, True)
    parts = iter(batches(VALUES, "numpy", size=4, progress=True))
    next(parts)
    del parts  # left early
    assert seen[1][1].disable


def test_watch_records_each_batch() -> None:
    with interop.watch() as seen:
        list(batches(VALUES, "numpy", size=4))
    assert [record.plan.shape for record in seen.records] == [(4, 4), (2, 4)]
