"""copyto on the host: the graph of torch, order of reads, progress, interruptions, records."""

from collections.abc import Iterator
from typing import Any, Self

import numpy as np
import pytest
from numpy.typing import NDArray

import foreign
import interop
from foreign import Lazy
from interop import copyto

VALUES = np.arange(24, dtype="f4").reshape(6, 4)


def value(x: Any) -> NDArray[Any]:
    return interop.to_numpy(x, detach=True)


# -- torch's graph ---------------------------------------------------------------------------------


@pytest.mark.requires("torch")
def test_copyto_into_parameter_is_seen_by_autograd() -> None:
    import torch

    weight = torch.nn.Parameter(torch.ones(6, 4))
    loss = (weight * weight).sum()
    copyto(weight, VALUES)
    assert weight.requires_grad
    assert weight.is_leaf
    np.testing.assert_array_equal(value(weight), VALUES)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()  # type: ignore[no-untyped-call]


@pytest.mark.requires("torch")
@pytest.mark.parametrize("to", ["numpy", "torch"])
def test_copyto_from_tensor_with_grad_needs_detach(to: str) -> None:
    import torch

    source, dst = torch.ones(2, requires_grad=True), interop.convert(np.zeros(2, "f4"), to)
    with pytest.raises(interop.GradientError):
        copyto(dst, source)
    with interop.options(detach=True), pytest.raises(interop.GradientError):
        copyto(dst, source, detach=False)
    assert not value(dst).any()
    copyto(dst, source, detach=True)
    with interop.options(detach=True):
        copyto(dst, source)
    assert value(dst).all()
    assert not getattr(dst, "requires_grad", False)


@pytest.mark.requires("torch")
def test_copyto_with_subclass_that_redefines_slicing_writes_the_values() -> None:
    import torch

    class Odd(torch.Tensor):
        def __getitem__(self, index: Any) -> Any:
            raise AssertionError

        @classmethod
        def __torch_function__(cls, *_: Any, **__: Any) -> Any:
            raise AssertionError

    with torch._C.DisableTorchFunctionSubclass():
        dst, source = torch.zeros(6, 4).as_subclass(Odd), interop.to_torch(VALUES).as_subclass(Odd)
    copyto(dst, source, batch_bytes=32)
    copied = np.zeros((6, 4), "f4")
    copyto(copied, dst, batch_bytes=32)
    np.testing.assert_array_equal(copied, VALUES)


# -- reads and their order -------------------------------------------------------------------------


def test_copyto_from_lazy_source_reads_each_chunk_once() -> None:
    source, dst = Lazy(VALUES), np.zeros_like(VALUES)
    copyto(dst, source, batch_bytes=32)
    assert source.read == [slice(0, 2), slice(2, 4), slice(4, 6)]
    np.testing.assert_array_equal(dst, VALUES)


def test_copyto_from_lazy_source_splits_rows_larger_than_batch_bytes() -> None:
    source, dst = Lazy(VALUES[:1]), np.zeros((1, 4), "f8")
    copyto(dst, source, batch_bytes=16)
    assert source.read == [(slice(0, 1), slice(0, 2)), (slice(0, 1), slice(2, 4))]
    np.testing.assert_array_equal(dst, VALUES[:1])


def test_copyto_from_lazy_0d_source_reads_with_an_ellipsis() -> None:
    source, dst = Lazy(np.array(3.0)), np.zeros(())
    copyto(dst, source)
    assert source.read == [...]
    assert dst == 3


@pytest.mark.requires("torch")
def test_copyto_from_iterable_accepts_any_framework_and_size() -> None:
    import torch

    dst = np.zeros((6, 4), "f8")
    parts: list[Any] = [
        VALUES[:0],
        torch.tensor(VALUES[:3]),
        foreign.DLPack(VALUES[3:4].copy()),
        VALUES[4:, :],
    ]
    copyto(dst, parts, batch_bytes=48)
    np.testing.assert_array_equal(dst, VALUES)


def test_copyto_from_iterable_drops_each_array_before_the_next() -> None:
    import gc
    import weakref

    alive: list[weakref.ref[Any]] = []

    def make() -> Iterator[Any]:
        for i in range(6):
            assert not [ref for ref in alive if ref() is not None]
            array = VALUES[i : i + 1].copy()
            alive.append(weakref.ref(array))
            yield array
            del array

    gc.disable()
    try:
        copyto(np.zeros_like(VALUES), make())
    finally:
        gc.enable()


def test_copyto_with_dst_as_source_keeps_the_values() -> None:
    array = VALUES.copy()
    copyto(array, array, batch_bytes=16)
    copyto(array, (array[i : i + 2] for i in (0, 2, 4)), batch_bytes=16)
    np.testing.assert_array_equal(array, VALUES)


# -- progress and interruptions --------------------------------------------------------------------


@pytest.mark.parametrize("source", [VALUES, Lazy(VALUES), [VALUES[:2], VALUES[2:4], VALUES[4:]]])
def test_copyto_progress_reports_the_bytes_written(source: Any) -> None:
    seen: list[tuple[int, bool]] = []
    dst = np.full((6, 4), -1, "f8")

    def report(done: int) -> None:
        seen.append((done, bool((dst.ravel()[: done // 8] == VALUES.ravel()[: done // 8]).all())))

    copyto(dst, source, batch_bytes=64, progress=report)
    assert seen == [(64, True), (128, True), (192, True)]


def test_copyto_progress_true_shows_a_bar_of_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("tqdm", reason="an extra: array-interop[progress]")
    seen: list[Any] = []

    class Bar:
        n = 0

        def __init__(self, **words: Any) -> None:
            seen.append(words)

        def update(self, n: int) -> None:
            self.n += n
            seen.append(n)

        def __enter__(self) -> Self:
            return self

        def __exit__(self, *_: object) -> None:
            seen.append("closed")

    monkeypatch.setattr("tqdm.tqdm", Bar)
    copyto(np.zeros_like(VALUES), VALUES, batch_bytes=40, progress=True)
    assert seen == [{"total": 96, "unit": "B", "unit_scale": True}, 32, 32, 32, "closed"]


def test_copyto_progress_true_without_tqdm_names_the_extra_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "tqdm", None)
    dst = np.zeros_like(VALUES)
    with pytest.raises(interop.FrameworkNotInstalledError) as caught:
        copyto(dst, VALUES, progress=True)
    assert str(caught.value) == (
        "progress=True needs tqdm, which is not installed. Install it with: pip install 'array-interop[progress]'"
    )
    assert not dst.any()


NOTE = "interop.copyto had written 32 of 96 bytes of dst: its first 8 of 24 elements in row-major order"


@pytest.mark.requires("torch")
@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
@pytest.mark.parametrize("to", ["numpy", "torch"])
@pytest.mark.parametrize("where", ["progress", "generator", "lazy"])
def test_copyto_interrupted_notes_the_bytes_written(
    where: str, to: str, error: type[BaseException]
) -> None:
    original = error("stop")

    def stop(done: int) -> None:
        if done == 32:
            raise original

    def generate() -> Iterator[Any]:
        yield VALUES[:2]
        raise original

    class Broken(Lazy):
        def __getitem__(self, index: Any) -> Any:
            if self.read:
                raise original
            return super().__getitem__(index)

    source: Any = {"progress": VALUES, "generator": generate(), "lazy": Broken(VALUES)}[where]
    dst = interop.convert(np.full((6, 4), -1, "f4"), to)
    with pytest.raises(error) as caught:
        copyto(dst, source, batch_bytes=32, progress=stop if where == "progress" else False)
    assert caught.value is original
    assert caught.value.__notes__ == [NOTE]
    np.testing.assert_array_equal(value(dst).ravel()[:8], VALUES.ravel()[:8])
    assert (value(dst).ravel()[8:] == -1).all()


# -- records ---------------------------------------------------------------------------------------


def test_watch_records_copyto_as_one_copy() -> None:
    with interop.watch() as seen:
        copyto(np.zeros_like(VALUES), VALUES, batch_bytes=16)
        copyto(np.zeros((6, 4)), (row[None] for row in VALUES))
    first, second = seen.records
    assert str(first.plan) == (
        "numpy -> numpy, float32 (6, 4) on cpu: 96 bytes copied, because copyto writes to existing memory\n"
        "  copy by the target's framework: float32 on cpu, 96 bytes"
    )
    assert (second.route, second.bytes_copied, second.host_bytes) == (
        "numpy on cpu -> numpy on cpu",
        192,
        0,
    )
    assert first.where.startswith(__file__)
