"""The part of `interop.testing.LazyAdapterSuite` about values and copies."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

import interop
from interop._doctor.samples import aligned
from interop._engine import wire
from interop._identify import registry
from interop.testing.lazy_base import LazySuiteBase
from interop.testing.samples import LAYOUTS, TABLE

__all__ = ["LazyValueTests"]


class LazyValueTests(LazySuiteBase):
    """Tests of the values of blocks, and of copies."""

    # -- values ------------------------------------------------------------------------------------

    @pytest.mark.parametrize("layout", LAYOUTS)
    def test_convert_every_layout_keeps_values(self, layout: str) -> None:
        """Values are right for all strides, if an array is split, mapped or computed."""
        array = LAYOUTS[layout]
        for block_framework in self.block_frameworks:
            mapped = interop.convert(self.make(array), block_framework)
            for x in (self.split(array, block_framework), mapped):
                computed = interop.convert(x, block_framework, compute=True)
                assert interop.framework_of(computed) == block_framework
                for result in (x, interop.convert(x, "numpy"), computed):
                    np.testing.assert_array_equal(interop.to_numpy(result), array, strict=True)

    def test_convert_every_dtype_keeps_values(self) -> None:
        """Values and dtype are kept from NumPy to each framework and back, and blocks can cast."""
        for dtype in self.dtypes:
            array = np.array([[0, 1, 2], [3, 100, 127]]).astype(dtype)
            for block_framework in self.block_frameworks:
                x = interop.convert(self.make(array), block_framework)
                np.testing.assert_array_equal(interop.to_numpy(x), array, strict=True)
                y = interop.convert(x, block_framework, dtype="float32", casting="unsafe")
                expected = np.real(array).astype("float32")
                np.testing.assert_array_equal(interop.to_numpy(y), expected, strict=True)

    def test_compute_joins_blocks_of_every_framework(self) -> None:
        """The result is an array of the blocks' framework, also after a second registration."""
        for block_framework in self.block_frameworks:
            x = interop.convert(self.make(TABLE), block_framework)
            inner = registry.find(block_framework)
            for _ in range(2):
                wire.register_blocks(self.framework, block_framework)
                for array in (x, self.adapter.rechunk(x, self.one_chunk)):
                    computed = self.adapter.compute(array)
                    assert isinstance(computed, inner.array_type)
                    np.testing.assert_array_equal(interop.to_numpy(computed), TABLE, strict=True)

    def test_pickled_block_is_restored_with_its_values(self) -> None:
        """A block is sent as a function and arguments to processes without registrations."""
        for block_framework in self.block_frameworks:
            block = interop.convert(TABLE, block_framework)
            packed = pickle.dumps(wire.pack(block))
            function, arguments = pickle.loads(packed)  # noqa: S301 - our own
            restored = function(*arguments)
            assert isinstance(restored, registry.find(block_framework).array_type)
            np.testing.assert_array_equal(interop.to_numpy(restored), TABLE, strict=True)

    # -- copies ------------------------------------------------------------------------------------

    def test_convert_to_chunks_shares_memory_unless_copy_true(self) -> None:
        """A write to the source changes the result later, except with ``copy=True``.

        This is also so for one block, which could be returned as it is.
        """
        for block_framework in self.block_frameworks:
            for chunks in (self.chunks, self.one_chunk):
                if registry.find(block_framework).immutable:
                    self._check_copy(block_framework, chunks)
                else:
                    self._check_sharing(block_framework, chunks)

    def _check_copy(self, block_framework: str, chunks: object) -> None:
        array = interop.convert(TABLE.copy(), block_framework)
        for copy in (None, True):
            x = interop.convert(array, self.framework, chunks=chunks, copy=copy)
            np.testing.assert_array_equal(interop.to_numpy(x, copy=True), TABLE)

    def _check_sharing(self, block_framework: str, chunks: object) -> None:
        array = interop.convert(TABLE.copy(), block_framework)
        assert interop.explain(array, self.framework, chunks=chunks).zero_copy
        x = interop.convert(array, self.framework, chunks=chunks, copy=False)
        independent = interop.convert(array, self.framework, chunks=chunks, copy=True)
        taken = interop.to_numpy(x, copy=True)
        interop.copyto(array, -TABLE)
        np.testing.assert_array_equal(interop.to_numpy(x), -TABLE)
        np.testing.assert_array_equal(interop.to_numpy(independent), TABLE)
        np.testing.assert_array_equal(taken, TABLE)

    def test_convert_copy_true_copies_every_block(self) -> None:
        """Blocks share memory with the source if possible, except with ``copy=True``."""
        array = aligned(TABLE)
        x = self.split(array, chunks=self.one_chunk)
        for block_framework in self.block_frameworks:
            zero_copy = interop.explain(array, block_framework).zero_copy
            for copy, shared in ((True, False), (None, zero_copy)):
                (block,) = self.computed(interop.convert(x, block_framework, copy=copy))
                assert interop.shares_memory(block, array) == shared

    def test_convert_copy_false_refuses_compute_and_casts(self) -> None:
        """Both need a copy, and the error comes at the call, not when a block is computed."""
        x = self.make(TABLE)
        for block_framework in self.block_frameworks:
            with pytest.raises(interop.CopyRequiredError):
                interop.convert(x, block_framework, dtype="float16", copy=False)
            with pytest.raises(interop.CopyRequiredError):
                interop.convert(x, block_framework, compute=True, copy=False)
        with pytest.raises(interop.CopyRequiredError):
            self.split(TABLE, dtype="float16", copy=False)
