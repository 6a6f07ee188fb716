"""Dask arrays in functions that return arrays of one framework: each block is computed once."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import interop
import lazily
from child import run_child

pytestmark = pytest.mark.requires("dask", "torch")

VALUES = np.arange(24, dtype="float32").reshape(6, 4)


class Counted:
    """A Dask array of `VALUES` that counts how often each block is computed."""

    def __init__(self, chunks: Any) -> None:
        import dask.array as da

        self.made: list[tuple[slice, ...]] = []
        self.array: Any = da.from_array(
            self, chunks=chunks, asarray=False, meta=np.empty((0, 0), "float32")
        )

    shape, dtype, ndim = VALUES.shape, VALUES.dtype, 2

    def __getitem__(self, index: Any) -> Any:
        self.made.append(index)
        return VALUES[index]


def lazy(chunks: Any = 2) -> Any:
    return lazily.lazy(VALUES, chunks)


# -- copyto ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("batch_bytes", [None, 1, 16, 32, 48])
@pytest.mark.parametrize("chunks", [1, (2, 4), (4, 3), ((1, 3, 2), (4,)), -1])
def test_copyto_from_dask_computes_each_block_once(chunks: Any, batch_bytes: int | None) -> None:
    import torch

    source, out = Counted(chunks), torch.zeros(6, 4)
    interop.copyto(out, source.array, batch_bytes=batch_bytes)
    assert out.tolist() == VALUES.tolist()
    assert (
        len(source.made) == len({str(index) for index in source.made}) == source.array.npartitions
    )


def test_copyto_from_dask_groups_blocks_up_to_batch_bytes() -> None:
    done: list[int] = []
    interop.copyto(
        np.zeros((6, 4), "float32"), lazy((1, 4)), batch_bytes=2 * 16, progress=done.append
    )
    assert done == [32, 64, 96]


def test_copyto_from_dask_when_a_block_fails_notes_the_bytes_written() -> None:
    import dask.array as da

    def fail(block: Any) -> Any:
        if block[0, 0] == VALUES[4, 0]:
            raise ZeroDivisionError
        return block

    out = np.zeros((6, 4), "float32")
    source = da.map_blocks(fail, lazy((2, 4)), meta=np.empty((0, 0), "float32"))
    with pytest.raises(ZeroDivisionError) as caught:
        interop.copyto(out, source, batch_bytes=32)
    assert "had written 64 of 96 bytes of dst" in str(caught.value.__notes__)
    assert out[:4].tolist() == VALUES[:4].tolist()


def test_copyto_from_dask_checks_the_policy_before_computing() -> None:
    source, out = Counted(2), np.full((6, 4), -1, "float32")
    with (
        interop.options(max_host_bytes=95),
        pytest.raises(interop.HostCopyError, match="96 bytes travel to this proc"),
    ):
        interop.copyto(out, source.array, batch_bytes=16)
    assert source.made == []
    assert (out == -1).all()
    with interop.options(max_host_bytes=96):
        interop.copyto(out, source.array, batch_bytes=16)
    assert np.array_equal(out, VALUES)


def test_copyto_from_dask_refuses_wrong_arguments_before_computing() -> None:
    source = Counted(2)
    with pytest.raises(interop.ShapeError):
        interop.copyto(np.zeros((4, 6), "float32"), source.array)
    with pytest.raises(
        interop.UnsupportedArrayError, match="would cut off the fractions of float32"
    ):
        interop.copyto(np.zeros((6, 4), "int32"), source.array)
    with pytest.raises(interop.UnsupportedArrayError, match="so dst has no memory to write to"):
        interop.copyto(source.array, VALUES)
    assert source.made == []


def test_copyto_from_dask_accepts_0d_and_empty_arrays() -> None:
    out = np.zeros((), "float32")
    interop.copyto(out, lazy().sum())
    assert out == VALUES.sum()
    interop.copyto(np.zeros((0, 4), "float32"), lazy()[:0])


def test_copyto_from_large_dask_array_to_memmap_uses_little_memory(tmp_path: Path) -> None:
    """Half a GiB, of which a sixteenth is there at a time."""
    said = run_child(f"""
        import dask, dask.array as da, numpy, resource, interop
        dask.config.set(scheduler="synchronous")
        out = numpy.lib.format.open_memmap({str(tmp_path / "out.npy")!r}, "w+", "float32", (128, 1 << 20))
        source = da.ones(out.shape, dtype="float32", chunks=(8, 1 << 20)) * 3
        interop.copyto(out[:16], source[:16])
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        interop.copyto(out, source, batch_bytes=32 << 20)
        grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) >> 10
        print(grown < 160, float(out[::17, ::4097].min()), float(out[::17, ::4097].max()))
    """)
    assert said == "True 3.0 3.0\n"


# -- other functions -------------------------------------------------------------------------------


def test_batches_of_dask_array_have_the_target_framework() -> None:
    import torch

    pieces = list(interop.batches(lazy(), "torch", size=4))
    assert [type(piece) for piece in pieces] == [torch.Tensor] * 2
    assert torch.cat(pieces).tolist() == VALUES.tolist()
    columns = list(interop.batches(lazy(), "dask", size=2, axis=1))
    assert [interop.framework_of(piece) for piece in columns] == ["dask", "dask"]


def test_batches_of_dask_array_compute_one_batch_at_a_time() -> None:
    source = Counted((2, 4))
    pieces = iter(interop.batches(source.array, "numpy", size=2))
    assert source.made == []
    for count in (1, 2, 3):
        next(pieces)
        assert len(source.made) == count


def test_stack_of_dask_arrays_computes_each_block_once() -> None:
    first, second = Counted(2), Counted(3)
    stacked = interop.stack([first.array, second.array], "torch", axis=1)
    assert stacked.tolist() == np.stack([VALUES, VALUES], 1).tolist()
    assert (len(first.made), len(second.made)) == (
        first.array.npartitions,
        second.array.npartitions,
    )
    mixed = interop.stack([VALUES, lazy()], "numpy")
    assert type(mixed) is np.ndarray
    assert np.array_equal(mixed, [VALUES, VALUES])
    assert interop.framework_of(interop.stack([lazy(), VALUES], "dask")) == "dask"


def test_unify_with_dask_arrays_gives_one_framework() -> None:
    import torch

    for results in (
        interop.unify(torch.ones(2), lazy()),
        interop.unify(lazy(), VALUES, to="torch"),
    ):
        assert [type(x) for x in results] == [torch.Tensor] * 2
    assert [interop.framework_of(x) for x in interop.unify(lazy(), VALUES)] == ["dask", "dask"]


def test_convert_like_and_convert_tree_keep_dask_arrays_lazy() -> None:
    import torch

    like = interop.convert_like(lazy(), torch.ones(1))
    assert isinstance(like._meta, torch.Tensor)
    assert interop.framework_of(interop.convert_like(VALUES, lazy())) == "dask"
    tree = interop.convert_tree({"x": lazy(), "y": [VALUES]}, "torch")
    assert isinstance(tree["x"]._meta, torch.Tensor)
    assert type(tree["y"][0]) is torch.Tensor
    computed = interop.convert_tree({"x": lazy()}, "torch", compute=True)
    assert computed["x"].tolist() == VALUES.tolist()


def test_inspection_of_dask_array_computes_nothing() -> None:
    source = Counted(2)
    assert interop.framework_of(source.array) == "dask"
    assert str(interop.device_of(source.array)) == "cpu"
    assert not interop.shares_memory(source.array, VALUES)
    assert interop.namespace(source.array).__name__ == "array_api_compat.dask.array"
    with pytest.raises(
        interop.UnsupportedArrayError, match="has to be computed, and has no memory yet"
    ):
        interop.export(source.array)
    assert source.made == []
