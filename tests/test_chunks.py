"""Chunks of a shape: each element once, in order, within the size limit. Chunks of datasets."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import foreign
from interop._identify.datasets import is_dataset
from interop._transfer.chunks import format_index, iter_chunks, iter_slices


@given(st.lists(st.integers(0, 5), max_size=4).map(tuple), st.integers(1, 200))
def test_chunks_cover_all_elements_once_in_row_major_order(
    shape: tuple[int, ...], limit: int
) -> None:
    array = np.arange(np.prod(shape, dtype=int)).reshape(shape)
    parts = [(array[chunk.index], chunk) for chunk in iter_chunks(shape, limit)]
    assert all(
        part.shape == chunk.shape and 0 < part.size == chunk.elements <= limit
        for part, chunk in parts
    )
    assert [int(i) for part, _ in parts for i in part.ravel()] == list(range(array.size))
    assert all(np.shares_memory(part, array) for part, _ in parts)


@given(st.lists(st.integers(1, 5), min_size=1, max_size=4).map(tuple), st.integers(1, 200))
def test_chunks_are_as_large_as_the_limit_allows(shape: tuple[int, ...], limit: int) -> None:
    """A chunk could not take the next run of rows, except at the end of an axis."""
    sizes = [chunk.elements for chunk in iter_chunks(shape, limit)]
    row = max(
        int(np.prod(shape[axis:]))
        for axis in range(len(shape) + 1)
        if np.prod(shape[axis:]) <= limit
    )
    assert all(size >= min(row, limit) for size in sizes[:1])
    assert len(sizes) <= -(-int(np.prod(shape)) // row)


def test_chunks_of_a_zero_dimensional_shape_are_one_chunk() -> None:
    assert list(iter_chunks((), 1)) == [(..., ())]


def test_chunks_of_an_empty_shape_are_none() -> None:
    assert list(iter_chunks((3, 0, 2), 4)) == []


def test_chunks_of_a_large_row_are_split_along_the_next_axis() -> None:
    assert [format_index(chunk.index) for chunk in iter_chunks((2, 3, 4), 8)] == [
        "[0:1, 0:2]", "[0:1, 2:3]", "[1:2, 0:2]", "[1:2, 2:3]",
    ]  # fmt: skip


def test_slices_end_at_the_end_of_the_axis() -> None:
    assert list(iter_slices(0, 3)) == []
    assert [(cut.start, cut.stop) for cut in iter_slices(7, 3)] == [(0, 3), (3, 6), (6, 7)]


class Dataset:
    """A model of h5py.Dataset."""

    shape = (3,)
    dtype = np.dtype("f4")

    def __getitem__(self, index: Any) -> Any:
        return np.ones(3, "f4")[index]

    def __array__(self) -> Any:
        raise AssertionError("it was read as a whole")


class Labelled(Dataset):
    """A model of a pandas object."""

    iloc = None


class Lending(Dataset):
    __array_interface__ = None

    @property
    def __dlpack__(self) -> Any:
        raise AssertionError("it was asked for memory")


@pytest.mark.parametrize("x", [Dataset()])
def test_is_dataset_accepts_an_object_that_is_read_by_slices(x: Any) -> None:
    assert is_dataset(x)


@pytest.mark.parametrize(
    "x",
    [
        Labelled(),
        Lending(),
        Dataset,
        [1],
        "text",
        3,
        None,
        memoryview(b"abc"),
        foreign.Array(np.ones(3)),
        np.float32(1),
    ],
    ids=lambda x: type(x).__name__,
)
def test_is_dataset_rejects_labelled_shareable_and_other_objects(x: Any) -> None:
    assert not is_dataset(x)
