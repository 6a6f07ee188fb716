"""The conformance suite of lazy frameworks: see `interop.adapter.LazyAdapter`. Needs pytest.

Subclass the suite in a test module, name the framework, and make a lazy array from an ndarray:

    from interop.testing import LazyAdapterSuite

    class TestDask(LazyAdapterSuite):
        framework = "dask"

        def make(self, array):
            return dask.array.from_array(array, chunks=2)

The tests count the blocks that are computed, so blocks must be computed in the process of the
tests: in the same thread or in other threads.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import interop
from interop._identify import registry
from interop.adapter import CPU
from interop.testing.lazy_base import dtype_device_ndim
from interop.testing.lazy_values import LazyValueTests
from interop.testing.samples import NOT_NUMBERS, TABLE

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["LazyAdapterSuite"]


class LazyAdapterSuite(LazyValueTests):
    """Tests of an adapter of lazy arrays. Override `framework`, `make`, and attributes that differ.

    Attributes
    ----------
    framework : str
        The name of the framework. Its adapter must be registered.
    block_frameworks : tuple of str
        Names of frameworks whose host arrays can be blocks. Each of them has all `dtypes`.
    dtypes : tuple of str
        Names of dtypes, ``"float32"`` among them.
    chunks, one_chunk : object
        Values of the keyword ``chunks=`` that cut every axis longer than 2, and that cut no axis.
    wrong_chunks : tuple
        Values of the keyword ``chunks=`` that are wrong for an array of shape (4, 6).
    """

    # -- facts -------------------------------------------------------------------------------------

    @pytest.mark.parametrize("shape", [(), (3,), (3, 4), (0, 3), (1, 1, 4)])
    def test_describe_facts_match_the_computed_array(self, shape: tuple[int, ...]) -> None:
        """Shape, dtype and size are those of the computed array, and `needs_read` has a reason."""
        x = self.make(np.ones(shape, "float32"))
        facts = self.adapter.describe(x)
        assert self.adapter.lazy
        assert isinstance(x, self.adapter.array_type)
        assert interop.framework_of(x) == self.framework == self.adapter.name == facts.framework
        assert (facts.shape, facts.dtype, facts.device) == (shape, "float32", CPU)
        assert facts.nbytes == 4 * np.prod(shape, dtype=int)
        assert facts.needs_read
        assert interop.convert(x, self.framework) is x
        assert interop.convert_like(x, x) is x

    def test_meta_matches_every_block(self) -> None:
        """Each block, mapped or split, has the class, dtype, device and axes of the meta."""
        for block_framework in self.block_frameworks:
            for dtype in self.dtypes:
                array = TABLE.astype(dtype)
                mapped = interop.convert(self.make(array), block_framework)
                for x in (mapped, self.split(array, block_framework)):
                    self._check_meta(x, block_framework, dtype)

    def _check_meta(self, x: Any, block_framework: str, dtype: str) -> None:
        inner = registry.find(block_framework)
        meta = self.adapter.meta(x)
        empty = inner.view(meta, ...)  # the meta may have a subclass that only Dask needs
        assert (inner.describe(empty).nbytes, meta.dtype) == (0, np.dtype(dtype))
        assert dtype_device_ndim(inner, empty) == (dtype, CPU, 2)
        for block in self.computed(x):
            assert isinstance(meta, type(block))
            assert dtype_device_ndim(inner, block) == (dtype, CPU, 2)

    def test_blocks_and_rows_match_the_chunks(self) -> None:
        """`grid`, `blocks` and `rows` agree with the requested chunks."""
        cut = self.split(TABLE)
        uncut = self.split(TABLE, chunks=self.one_chunk)
        assert self.adapter.blocks(uncut) == 1 < self.adapter.blocks(cut)
        for x in (uncut, cut):
            assert np.prod(self.adapter.grid(x)) == self.adapter.blocks(x)
        assert list(self.adapter.rows(uncut)) == [4]
        ends = list(self.adapter.rows(cut))
        assert ends == sorted(set(ends))
        assert len(ends) > 1
        assert ends[-1] == 4

    def test_convert_keeps_chunks_unless_chunks_is_given(self) -> None:
        """A conversion keeps the blocks, except with ``chunks=``. The values stay in both cases."""
        x = self.make(TABLE)
        for block_framework in (*self.block_frameworks, self.framework):
            assert self.adapter.rows(interop.convert(x, block_framework)) == self.adapter.rows(x)
        for chunks in (self.chunks, self.one_chunk):
            y = interop.convert(x, self.framework, chunks=chunks)
            assert self.adapter.rows(y) == self.adapter.rows(self.split(TABLE, chunks=chunks))
            np.testing.assert_array_equal(interop.to_numpy(y), TABLE, strict=True)

    # -- laziness ----------------------------------------------------------------------------------

    def test_convert_lazy_array_computes_nothing(self) -> None:
        """Conversions, questions and errors compute no block. Later each block is computed once."""
        x, computed = self.counted(TABLE)
        for block_framework in self.block_frameworks:
            y = interop.convert(x, block_framework, copy=True)
            assert interop.explain(x, block_framework, compute=True).host_bytes == TABLE.nbytes
            assert interop.explain(y, "numpy").host_bytes == 0
            assert (interop.framework_of(y), interop.device_of(y)) == (self.framework, CPU)
            interop.convert(y, self.framework, chunks=self.one_chunk)
            with pytest.raises(interop.UnsupportedArrayError):
                interop.convert(y, block_framework, dtype="int8")
            with pytest.raises(interop.CopyRequiredError):
                interop.convert(y, block_framework, compute=True, copy=False)
        assert computed() == 0
        interop.to_numpy(x)
        assert computed() == self.adapter.blocks(x)

    def test_policy_forbids_compute_but_not_lazy_conversion(self) -> None:
        """Computed values travel to this process, so a limit on host copies forbids `compute`."""
        x, computed = self.counted(TABLE)
        message = f"{TABLE.nbytes} bytes travel"
        with interop.options(host_copy="error"):
            for block_framework in self.block_frameworks:
                y = interop.convert(x, block_framework)
                for to in (block_framework, "numpy"):
                    with pytest.raises(interop.HostCopyError, match=message):
                        interop.convert(y, to, compute=True)
        assert computed() == 0
        with interop.options(max_host_bytes=TABLE.nbytes):
            np.testing.assert_array_equal(interop.to_numpy(x), TABLE, strict=True)

    def test_convert_dataset_is_read_block_by_block_at_compute(self) -> None:
        """An object that is read by slicing is sliced at `compute`, one block at a time."""
        dataset = _Dataset(TABLE)
        x = interop.convert(dataset, self.framework, chunks=self.chunks)
        assert not any(dataset.read)  # a framework may read an empty slice to find the class
        np.testing.assert_array_equal(interop.to_numpy(x), TABLE, strict=True)
        # Each element is read once, in blocks of 2 x 2.
        assert (sum(dataset.read), max(dataset.read)) == (TABLE.size, 4)

    def test_map_of_several_arrays_aligns_the_blocks(self) -> None:
        """Arrays with different chunks can be mapped together."""
        x = self.split(TABLE)
        y = self.split(TABLE, chunks=self.one_chunk)
        out = self.adapter.map(lambda a, b: a - 2 * b, [x, y], self.adapter.meta(x))
        np.testing.assert_array_equal(interop.to_numpy(out), -TABLE, strict=True)

    # -- refusals ----------------------------------------------------------------------------------

    def test_convert_wrong_chunks_are_refused(self) -> None:
        """For arrays to split or to rechunk, and any ``chunks=`` for a target without chunks."""
        for chunks in self.wrong_chunks:
            for source in (TABLE, self.make(TABLE)):
                with pytest.raises(interop.InvalidOptionError, match="chunks="):
                    interop.convert(source, self.framework, chunks=chunks)
        with pytest.raises(interop.InvalidOptionError, match="chunks="):
            interop.convert(self.make(TABLE), "numpy", chunks=self.chunks)

    @NOT_NUMBERS
    def test_convert_text_object_and_date_arrays_are_refused(self, array: NDArray[Any]) -> None:
        """Arrays of text, objects or dates are not split into blocks."""
        with pytest.raises(interop.UnsupportedArrayError, match=str(array.dtype)[:3]):
            interop.convert(array, self.framework)


class _Dataset:
    """An object that is read by slicing, as datasets in files are."""

    def __init__(self, values: NDArray[Any]) -> None:
        self.shape = values.shape
        self.dtype = values.dtype
        self.ndim = values.ndim
        self.read: list[int] = []
        self._values = values

    def __getitem__(self, index: Any) -> Any:
        part = self._values[index].copy()
        self.read.append(part.size)
        return part

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        raise AssertionError("the dataset was read as a whole")
