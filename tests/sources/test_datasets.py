"""Datasets of h5py and zarr: convert reads all, batches and copyto read in pieces."""

from pathlib import Path
from typing import Any

import pytest

import interop

ROWS = 12


@pytest.fixture
def ledger(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Record the number of elements of each read from an h5py dataset."""
    h5py: Any = pytest.importorskip("h5py")
    taken: list[int] = []
    get = h5py.Dataset.__getitem__

    def counted(self: Any, index: Any, **keywords: Any) -> Any:
        found = get(self, index, **keywords)
        taken.append(found.size)
        return found

    def as_a_whole(*_: Any, **__: Any) -> Any:
        raise AssertionError("it was read as a whole")

    monkeypatch.setattr(h5py.Dataset, "__getitem__", counted)
    monkeypatch.setattr(h5py.Dataset, "__array__", as_a_whole)
    return taken


def rows() -> Any:
    import numpy as np

    return np.arange(ROWS * 2.0).reshape(ROWS, 2)


@pytest.fixture
def dataset(tmp_path: Path) -> Any:
    h5py: Any = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "x.h5", "w") as file:
        yield file.create_dataset("x", data=rows())


@pytest.mark.requires("torch", "h5py")
def test_convert_h5py_dataset_reads_once_and_explain_never(
    dataset: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads: list[int] = []
    get = type(dataset).__array__

    def counted(self: Any, *arguments: Any, **keywords: Any) -> Any:
        reads.append(1)
        return get(self, *arguments, **keywords)

    monkeypatch.setattr(type(dataset), "__array__", counted)
    plan = interop.explain(dataset, "torch")
    assert not reads
    assert str(plan) == (
        "h5py._hl.dataset.Dataset -> torch, float64 (12, 2) on cpu: 192 bytes copied, "
        "because it has to be read by __array__ (stated float64, read to find out)\n"
        "  read by the source's framework: float64 on cpu, 192 bytes\n"
        "  share: float64 on cpu"
    )
    assert interop.to_torch(dataset).tolist() == rows().tolist()
    assert len(reads) == 1


@pytest.mark.requires("torch", "h5py")
def test_batches_of_h5py_dataset_read_one_batch_at_a_time(dataset: Any, ledger: list[int]) -> None:
    found = []
    for done, piece in enumerate(interop.batches(dataset, "torch", size=5), start=1):
        found += piece.tolist()
        assert ledger == [10, 10, 4][:done]
    assert found == rows().tolist()


@pytest.mark.requires("torch", "h5py")
def test_batches_of_h5py_dataset_along_axis_1_read_one_column_at_a_time(
    dataset: Any, ledger: list[int]
) -> None:
    pieces = [piece.tolist() for piece in interop.batches(dataset, "torch", size=1, axis=1)]
    assert ledger == [ROWS, ROWS]
    assert pieces == [rows()[:, :1].tolist(), rows()[:, 1:].tolist()]


@pytest.mark.requires("torch", "h5py")
def test_copyto_from_h5py_dataset_reads_at_most_batch_bytes_at_once(
    dataset: Any, ledger: list[int]
) -> None:
    import torch

    dst = torch.zeros(ROWS, 2, dtype=torch.float64)
    interop.copyto(dst, dataset, batch_bytes=4 * 16)
    assert dst.tolist() == rows().tolist()
    assert sum(ledger) == ROWS * 2
    assert max(ledger) <= 4 * 2


@pytest.mark.requires("torch", "h5py")
def test_batches_of_dataset_larger_than_memory_give_the_first_batch(tmp_path: Path) -> None:
    h5py: Any = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "x.h5", "w") as file:
        x = file.create_dataset("x", (2**40, 2), "float64", chunks=(1024, 2), fillvalue=7)
        batches = interop.batches(x, "torch", size=3)
        assert len(batches) == -(-(2**40) // 3)
        assert next(iter(batches)).tolist() == [[7, 7]] * 3
        assert interop.explain(x, "torch").bytes_copied == 2**44


@pytest.mark.requires("torch", "h5py")
def test_to_torch_from_corrupt_h5py_file_raises_the_h5py_error(tmp_path: Path) -> None:
    h5py: Any = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "x.h5", "w") as file:
        x = file.create_dataset("x", (64,), "float64", chunks=(64,), compression="gzip")
        x[:] = 1
        offset = x.id.get_chunk_info(0).byte_offset
    with (tmp_path / "x.h5").open("r+b") as raw:
        raw.seek(offset)
        raw.write(b"\xff" * 8)
    with (
        h5py.File(tmp_path / "x.h5") as file,
        pytest.raises(OSError, match="Can't synchronously read data"),
    ):
        interop.to_torch(file["x"])


@pytest.mark.requires("torch", "zarr")
def test_batches_of_zarr_array_read_only_the_chunks_of_the_batch() -> None:
    zarr: Any = pytest.importorskip("zarr")
    got: list[str] = []

    class Counting(zarr.storage.MemoryStore):  # type: ignore[misc]  # zarr may be missing
        async def get(self, key: str, *arguments: Any, **keywords: Any) -> Any:
            got.append(key)
            return await super().get(key, *arguments, **keywords)

    x = zarr.create_array(Counting(), shape=(ROWS, 2), chunks=(4, 2), dtype="float64")
    x[:] = rows()
    got.clear()
    for done, piece in enumerate(interop.batches(x, "torch", size=4), start=1):
        assert piece.tolist() == rows()[4 * done - 4 : 4 * done].tolist()
        assert got == [f"c/{i}/0" for i in range(done)]
