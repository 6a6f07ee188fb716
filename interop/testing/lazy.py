"""The conformance suite of lazy frameworks, whose contract is `interop.adapter.lazy`. Needs pytest.

Subclass it in a test module, name the framework, and say how it makes a lazy array of an ndarray:

    from interop.testing.lazy import LazyAdapterSuite

    class TestDask(LazyAdapterSuite):
        framework = "dask"

        def make(self, array):
            return dask.array.from_array(array, chunks=2)

Blocks are computed in this process, where the tests count them: on threads, or one after the other.
"""

from __future__ import annotations

import pickle
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, cast

import numpy as np
import pytest

import interop
from interop._doctor.samples import aligned
from interop._engine import lazy_planner, pipeline
from interop._identify import registry
from interop.adapter import CPU
from interop.testing.suite import BASE, DTYPES, LAYOUTS

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from interop.adapter import Adapter
    from interop.adapter.lazy import LazyAdapter

__all__ = ["LazyAdapterSuite"]

_TABLE = BASE.reshape(4, 6)


class LazyAdapterSuite:
    """Tests of one adapter of lazy arrays. Override `framework` and `make`, and what is spelled otherwise.

    Attributes
    ----------
    framework : str
        The name that `interop.convert` knows it by: the adapter must be registered.
    block_frameworks : tuple of str
        Names of frameworks whose arrays the blocks can be. They are on the host, and have `dtypes`.
    dtypes : tuple of str
        ``"float32"`` is one of them.
    chunks, one_chunk : object
        What `chunks` is given to cut every axis longer than 2, and to cut none.
    wrong_chunks : tuple
        What it can't be for an array of shape (4, 6).
    """

    framework: ClassVar[str]
    block_frameworks: ClassVar[tuple[str, ...]] = ("numpy",)
    dtypes: ClassVar[tuple[str, ...]] = DTYPES
    chunks: ClassVar[Any] = 2
    one_chunk: ClassVar[Any] = -1
    wrong_chunks: ClassVar[tuple[Any, ...]] = ("no", ((1, 2), (6,)), 0, object())

    def make(self, array: NDArray[Any]) -> Any:
        """Return a native lazy array with the same values, shape and dtype, in several blocks, each an ndarray."""
        raise NotImplementedError

    @property
    def adapter(self) -> LazyAdapter:
        """The adapter under test."""
        return cast("LazyAdapter", registry.find(self.framework))

    def map(self, function: Callable[[Any], Any], x: Any) -> Any:
        """Return a lazy array of what a function makes of each block, of the same class and dtype."""
        return self.adapter.map(function, [x], self.adapter.meta(x))

    def computed(self, x: Any) -> list[Any]:
        """Compute, and return the blocks."""
        blocks: list[Any] = []
        y = self.map(partial(_remember, blocks), x)
        blocks.clear()  # of what the framework may have tried out, to learn what comes of it
        self.adapter.compute(y)
        assert len(blocks) == self.adapter.blocks(x)
        return blocks

    def counted(self, array: NDArray[Any]) -> tuple[Any, Callable[[], int]]:
        """Return a lazy array, and a function that tells how many of its blocks have been computed."""
        blocks: list[Any] = []
        x = self.map(partial(_remember, blocks), self.make(array))
        blocks.clear()
        return x, lambda: len(blocks)

    def split(self, array: NDArray[Any], block_framework: str = "numpy", **keywords: Any) -> Any:
        """Cut an array of another framework into blocks."""
        return interop.convert(
            interop.convert(array, block_framework),
            self.framework,
            **{"chunks": self.chunks, **keywords},
        )

    # -- who and what ------------------------------------------------------------------------------

    @pytest.mark.parametrize("shape", [(), (3,), (3, 4), (0, 3), (1, 1, 4)])
    def test_describe_facts_match_the_computed_array(self, shape: tuple[int, ...]) -> None:
        """Shape, dtype and size are those that the computed array will have, and it says why there is none yet."""
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
        """Of the class, dtype, device and number of axes of the meta, which has no elements: mapped or cut."""
        for block_framework in self.block_frameworks:
            inner = registry.find(block_framework)
            for dtype in self.dtypes:
                array = _TABLE.astype(dtype)
                for x in (
                    interop.convert(self.make(array), block_framework),
                    self.split(array, block_framework),
                ):
                    meta = self.adapter.meta(x)
                    empty = inner.view(meta, ...)
                    for block in self.computed(x):
                        assert isinstance(meta, type(block))
                        assert _kind(inner, block) == _kind(inner, empty) == (dtype, CPU, 2)
                    assert (inner.describe(empty).nbytes, meta.dtype) == (0, np.dtype(dtype))

    def test_blocks_and_rows_match_the_chunks(self) -> None:
        """`blocks` and `rows` tell how it is cut, as `chunks` has asked."""
        cut, uncut = self.split(_TABLE), self.split(_TABLE, chunks=self.one_chunk)
        assert self.adapter.blocks(uncut) == 1 < self.adapter.blocks(cut)
        for x in (uncut, cut):
            assert np.prod(self.adapter.grid(x)) == self.adapter.blocks(x)
        assert list(self.adapter.rows(uncut)) == [4]
        ends = list(self.adapter.rows(cut))
        assert ends == sorted(set(ends))
        assert (len(ends) > 1, ends[-1]) == (True, 4)

    def test_convert_keeps_chunks_unless_chunks_is_given(self) -> None:
        """A map has the blocks of its source, unless `chunks` says otherwise; the values stay."""
        x = self.make(_TABLE)
        for block_framework in (*self.block_frameworks, self.framework):
            assert self.adapter.rows(interop.convert(x, block_framework)) == self.adapter.rows(x)
        for chunks in (self.chunks, self.one_chunk):
            y = interop.convert(x, self.framework, chunks=chunks)
            assert self.adapter.rows(y) == self.adapter.rows(self.split(_TABLE, chunks=chunks))
            np.testing.assert_array_equal(interop.to_numpy(y), _TABLE, strict=True)

    # -- later -------------------------------------------------------------------------------------

    def test_convert_lazy_array_computes_nothing(self) -> None:
        """Neither does a question, nor an error; then each block is computed once."""
        x, computed = self.counted(_TABLE)
        for block_framework in self.block_frameworks:
            y = interop.convert(x, block_framework, copy=True)
            assert interop.explain(x, block_framework, compute=True).host_bytes == _TABLE.nbytes
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
        """What is computed comes to this process; nothing is, if that is forbidden. A map is not."""
        x, computed = self.counted(_TABLE)
        with interop.options(host_copy="error"):
            for block_framework in self.block_frameworks:
                y = interop.convert(x, block_framework)
                for to in (block_framework, "numpy"):
                    with pytest.raises(
                        interop.HostCopyError, match=f"{_TABLE.nbytes} bytes travel"
                    ):
                        interop.convert(y, to, compute=True)
        assert computed() == 0
        with interop.options(max_host_bytes=_TABLE.nbytes):
            np.testing.assert_array_equal(interop.to_numpy(x), _TABLE, strict=True)

    def test_convert_dataset_is_read_block_by_block_at_compute(self) -> None:
        """What is read as it is sliced is sliced then, block by block, and never as a whole."""
        dataset = _Dataset(_TABLE)
        x = interop.convert(dataset, self.framework, chunks=self.chunks)
        assert not any(dataset.read)  # a framework may look at no elements, to learn what comes
        np.testing.assert_array_equal(interop.to_numpy(x), _TABLE, strict=True)
        assert (sum(dataset.read), max(dataset.read)) == (_TABLE.size, 4)

    def test_map_of_several_arrays_aligns_the_blocks(self) -> None:
        """Their blocks are aligned, however each is cut."""
        x, y = self.split(_TABLE), self.split(_TABLE, chunks=self.one_chunk)
        out = self.adapter.map(lambda a, b: a - 2 * b, [x, y], self.adapter.meta(x))
        np.testing.assert_array_equal(interop.to_numpy(out), -_TABLE, strict=True)

    # -- values ------------------------------------------------------------------------------------

    @pytest.mark.parametrize("layout", LAYOUTS)
    def test_convert_every_layout_keeps_values(self, layout: str) -> None:
        """Cut, mapped or computed: the values are right for any strides."""
        array = LAYOUTS[layout]
        for block_framework in self.block_frameworks:
            for x in (
                self.split(array, block_framework),
                interop.convert(self.make(array), block_framework),
            ):
                np.testing.assert_array_equal(interop.to_numpy(x), array, strict=True)
                np.testing.assert_array_equal(
                    interop.to_numpy(interop.convert(x, "numpy")), array, strict=True
                )
                computed = interop.convert(x, block_framework, compute=True)
                assert interop.framework_of(computed) == block_framework
                np.testing.assert_array_equal(interop.to_numpy(computed), array, strict=True)

    def test_convert_every_dtype_keeps_values(self) -> None:
        """Values and dtype survive NumPy -> blocks of each framework -> NumPy, and a cast is done by the blocks."""
        for dtype in self.dtypes:
            array = np.array([[0, 1, 2], [3, 100, 127]]).astype(dtype)
            for block_framework in self.block_frameworks:
                x = interop.convert(self.make(array), block_framework)
                np.testing.assert_array_equal(interop.to_numpy(x), array, strict=True)
                cast = interop.to_numpy(
                    interop.convert(x, block_framework, dtype="float32", casting="unsafe")
                )
                np.testing.assert_array_equal(cast, np.real(array).astype("float32"), strict=True)

    def test_compute_joins_blocks_of_every_framework(self) -> None:
        """Of every framework, and into an array of that framework; it may be told of them as often as one likes."""
        for block_framework in self.block_frameworks:
            x, inner = (
                interop.convert(self.make(_TABLE), block_framework),
                registry.find(block_framework),
            )
            for _ in range(2):
                lazy_planner.register_blocks(
                    self.framework, block_framework, pipeline.convert_by_request
                )
                for array in (x, self.adapter.rechunk(x, self.one_chunk)):
                    computed = self.adapter.compute(array)
                    assert isinstance(computed, inner.array_type)
                    np.testing.assert_array_equal(interop.to_numpy(computed), _TABLE, strict=True)

    def test_pickled_block_is_restored_with_its_values(self) -> None:
        """What is sent is a function and its arguments, for processes that have never heard of a framework."""
        for block_framework in self.block_frameworks:
            block = interop.convert(_TABLE, block_framework)
            function, arguments = pickle.loads(  # noqa: S301
                pickle.dumps(lazy_planner.pack(block, pipeline.convert_by_request))
            )
            assert isinstance(function(*arguments), registry.find(block_framework).array_type)
            np.testing.assert_array_equal(
                interop.to_numpy(function(*arguments)), _TABLE, strict=True
            )

    # -- copies ------------------------------------------------------------------------------------

    def test_convert_to_chunks_shares_memory_unless_copy_true(self) -> None:
        """Written to later, it is computed with what is in it then; copy=False permits that, and copy=True prevents it.

        One block is no exception, though there is nothing to put together.
        """
        for block_framework in self.block_frameworks:
            shares = not registry.find(block_framework).immutable
            for chunks in (self.chunks, self.one_chunk):
                array = interop.convert(_TABLE.copy(), block_framework)
                x = interop.convert(
                    array, self.framework, chunks=chunks, copy=False if shares else None
                )
                independent = interop.convert(array, self.framework, chunks=chunks, copy=True)
                taken = interop.to_numpy(x, copy=True)
                if shares:
                    assert interop.explain(array, self.framework, chunks=chunks).zero_copy
                    interop.copyto(array, -_TABLE)
                    np.testing.assert_array_equal(interop.to_numpy(x), -_TABLE)
                np.testing.assert_array_equal(interop.to_numpy(independent), _TABLE)
                np.testing.assert_array_equal(taken, _TABLE)

    def test_convert_copy_true_copies_every_block(self) -> None:
        """A map's blocks are the memory of its source's where that can be, and never with copy=True."""
        array = aligned(_TABLE)
        x = self.split(array, chunks=self.one_chunk)
        for block_framework in self.block_frameworks:
            for copy, shared in (
                (True, False),
                (None, interop.explain(array, block_framework).zero_copy),
            ):
                (block,) = self.computed(interop.convert(x, block_framework, copy=copy))
                assert interop.shares_memory(block, array) == shared

    def test_convert_copy_false_refuses_compute_and_casts(self) -> None:
        """What is to be computed takes a copy, and so does a cast: that is refused before, and not by a block."""
        x = self.make(_TABLE)
        for block_framework in self.block_frameworks:
            with pytest.raises(interop.CopyRequiredError):
                interop.convert(x, block_framework, dtype="float16", copy=False)
            with pytest.raises(interop.CopyRequiredError):
                interop.convert(x, block_framework, compute=True, copy=False)
        with pytest.raises(interop.CopyRequiredError):
            self.split(_TABLE, dtype="float16", copy=False)

    # -- refusals ----------------------------------------------------------------------------------

    def test_convert_wrong_chunks_are_refused(self) -> None:
        """For an array that is to be cut and for one that is cut otherwise; for arrays without chunks, all are."""
        for chunks in self.wrong_chunks:
            for source in (_TABLE, self.make(_TABLE)):
                with pytest.raises(interop.InvalidOptionError, match="chunks="):
                    interop.convert(source, self.framework, chunks=chunks)
        with pytest.raises(interop.InvalidOptionError, match="chunks="):
            interop.convert(self.make(_TABLE), "numpy", chunks=self.chunks)

    @pytest.mark.parametrize(
        "array", [np.array(["a"]), np.array([None]), np.array(["2026"], "datetime64[Y]")]
    )
    def test_convert_text_object_and_date_arrays_are_refused(self, array: NDArray[Any]) -> None:
        """No array of text, objects or dates is cut into blocks."""
        with pytest.raises(interop.UnsupportedArrayError, match=str(array.dtype)[:3]):
            interop.convert(array, self.framework)


class _Dataset:
    """Read as it is sliced, as datasets in files are."""

    def __init__(self, values: NDArray[Any]) -> None:
        self.shape, self.dtype, self.ndim = values.shape, values.dtype, values.ndim
        self._values = values
        self.read: list[int] = []

    def __getitem__(self, index: Any) -> Any:
        part = self._values[index].copy()
        self.read.append(part.size)
        return part

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        raise AssertionError("it was read as a whole")


def _remember(seen: list[Any], block: Any) -> Any:
    seen.append(block)
    return block


def _kind(adapter: Adapter, x: Any) -> tuple[Any, ...]:
    facts = adapter.describe(x)
    return facts.dtype, facts.device, len(facts.shape)
