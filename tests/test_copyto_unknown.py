"""copyto and batches of arrays with unknown length, and of GPU arrays without slices."""

from typing import Any

import numpy as np
import pytest

import interop
from interop import batches, copyto

VALUES = np.arange(12, dtype="f4").reshape(6, 2)
NEEDS_DASK = pytest.mark.requires("dask", "torch")
NEEDS_GPU = pytest.mark.requires("torch", "cupy", "gpu")


def of_unknown_length() -> Any:
    """Return a Dask array of the shape (nan, 2), with 4 rows."""
    from lazily import lazy

    x = lazy(VALUES, chunks=2)
    return x[x[:, 0] > 2]


# -- unknown chunks --------------------------------------------------------------------------------


@NEEDS_DASK
@pytest.mark.parametrize("axis", [0, -2])
def test_batches_along_axis_of_unknown_length_are_refused_with_a_hint(axis: int) -> None:
    x = of_unknown_length()
    with pytest.raises(interop.ShapeError) as caught:
        batches(x, "torch", size=3, axis=axis)
    assert str(caught.value) == (
        "an array of shape (nan, 2) cannot be split along axis 0, because the length of that axis is not known "
        "before the computation. "
        "Call x.compute_chunk_sizes() first."
    )
    x.compute_chunk_sizes()
    assert [piece.tolist() for piece in batches(x, "torch", size=3)] == [
        VALUES[2:5].tolist(),
        VALUES[5:].tolist(),
    ]


@NEEDS_DASK
def test_batches_along_axis_of_known_length_ignore_an_unknown_one() -> None:
    pieces = list(batches(of_unknown_length(), "torch", size=1, axis=1))
    assert [piece.tolist() for piece in pieces] == [
        VALUES[2:, :1].tolist(),
        VALUES[2:, 1:].tolist(),
    ]


@NEEDS_DASK
@pytest.mark.parametrize(
    "wrap", [lambda x: x, lambda x: [x], lambda x: iter([x])], ids=["array", "list", "iterator"]
)
@pytest.mark.parametrize("to", ["numpy", "torch"])
def test_copyto_from_source_of_unknown_length_is_refused_with_a_hint(to: str, wrap: Any) -> None:
    x, dst = of_unknown_length(), interop.convert(np.zeros((4, 2), "f4"), to)
    with pytest.raises(interop.ShapeError) as caught:
        copyto(dst, wrap(x))
    assert str(caught.value) == (
        f"cannot copy dask float32 (nan, 2) on cpu into {to} float32 (4, 2) on cpu: its shape (nan, 2) is not known "
        "before the computation. Call its compute_chunk_sizes() first."
    )
    assert not interop.to_numpy(dst).any()
    x.compute_chunk_sizes()
    copyto(dst, wrap(x))
    np.testing.assert_array_equal(interop.to_numpy(dst), VALUES[2:])


# -- device memory of no known framework -----------------------------------------------------------


class OnlyDLPack:
    """A GPU array without slices, with DLPack, shape and dtype."""

    def __init__(self, array: Any) -> None:
        self._array = array
        self.shape = tuple(array.shape)
        self.dtype = np.dtype("f4")

    def __dlpack__(self, **keywords: Any) -> Any:
        return self._array.__dlpack__(**keywords)

    def __dlpack_device__(self) -> Any:
        return self._array.__dlpack_device__()


class OnlyInterface:
    """A GPU array without slices, with the CUDA Array Interface."""

    def __init__(self, array: Any) -> None:
        self._array = array

    @property
    def __cuda_array_interface__(self) -> Any:
        return self._array.__cuda_array_interface__


SPEAKERS = [OnlyDLPack, OnlyInterface]


def on_gpu(name: str) -> Any:
    return interop.convert(VALUES, name, device="cuda", copy=True)


@NEEDS_GPU
@pytest.mark.parametrize("to", ["torch", "cupy"])
@pytest.mark.parametrize("speaker", SPEAKERS)
def test_batches_of_unsliceable_device_array_share_memory(speaker: Any, to: str) -> None:
    x = on_gpu("cupy")
    pieces = list(batches(speaker(x), to, size=4))
    assert [piece.shape for piece in pieces] == [(4, 2), (2, 2)]
    assert all(
        interop.framework_of(piece) == to and interop.shares_memory(piece, x) for piece in pieces
    )
    assert np.concatenate([interop.to_numpy(piece) for piece in pieces]).tolist() == VALUES.tolist()


@NEEDS_GPU
@pytest.mark.parametrize("speaker", SPEAKERS)
def test_batches_of_unsliceable_device_array_follow_device_and_copy(speaker: Any) -> None:
    pieces = list(batches(speaker(on_gpu("cupy")), "torch", size=4, device="cpu"))
    assert [piece.tolist() for piece in pieces] == [VALUES[:4].tolist(), VALUES[4:].tolist()]
    copies = batches(speaker(x := on_gpu("cupy")), "cupy", size=4, copy=True)
    assert not any(interop.shares_memory(piece, x) for piece in copies)


@NEEDS_GPU
@pytest.mark.parametrize("speaker", SPEAKERS)
def test_batches_and_copyto_from_unsliceable_device_array_to_numpy_are_refused(
    speaker: Any,
) -> None:
    x = speaker(on_gpu("cupy"))
    words = r"numpy reads no memory on cuda:0\. Convert it to a framework of that device first\."
    with pytest.raises(interop.UnsupportedArrayError, match=words):
        batches(x, "numpy", size=4)
    dst = np.zeros_like(VALUES)
    with pytest.raises(interop.UnsupportedArrayError, match=words):
        copyto(dst, x)
    copyto(dst, interop.to_torch(x))
    np.testing.assert_array_equal(dst, VALUES)


@NEEDS_GPU
@pytest.mark.parametrize("batch_bytes", [None, 16])
@pytest.mark.parametrize("to", ["torch", "cupy"])
@pytest.mark.parametrize("speaker", SPEAKERS)
def test_copyto_from_unsliceable_device_array_writes_the_values(
    speaker: Any, to: str, batch_bytes: int | None
) -> None:
    dst = interop.convert(np.zeros_like(VALUES), to, device="cuda", copy=True)
    copyto(dst, speaker(on_gpu("cupy")), batch_bytes=batch_bytes)
    np.testing.assert_array_equal(interop.to_numpy(dst), VALUES)
    host = interop.convert(np.zeros_like(VALUES), "torch")
    copyto(host, [speaker(on_gpu("cupy"))], batch_bytes=batch_bytes)
    assert host.tolist() == VALUES.tolist()
