"""`export` on the host: the DLPack answers and memory that an unknown consumer receives."""

from typing import Any

import numpy as np
import pytest
import torch

import foreign
import interop
from interop import export
from traps.producers import IS_COPIED, READ_ONLY, tensor_in, versioned_in

pytestmark = pytest.mark.requires("torch")
NEW: Any = {"max_version": (1, 0)}


def read_only() -> Any:
    x = np.arange(3.0)
    x.flags.writeable = False
    return x


def flags(capsule: Any) -> int:
    return versioned_in(capsule).flags


SHARED = {
    "an ndarray": lambda: np.arange(6.0).reshape(2, 3),
    "every other column": lambda: np.arange(12.0).reshape(3, 4)[:, ::2],
    "one element that was reversed": lambda: np.arange(6.0)[::-1][:1],
    "no elements in reverse": lambda: np.empty((3, 0))[::-1],
    "a tensor": lambda: torch.arange(6.0).reshape(2, 3).T,
    "a parameter without a gradient": lambda: torch.nn.Parameter(
        torch.ones(3), requires_grad=False
    ),
    "bytes": lambda: bytearray(b"abc"),
    "a producer of DLPack": lambda: foreign.DLPack(np.arange(3)),
    "no elements": lambda: np.empty((0, 3), "f4"),
    "no dimensions": lambda: torch.tensor(2.5),
}


@pytest.mark.parametrize("make", SHARED.values(), ids=SHARED)
@pytest.mark.requires("numpy-dlpack", "torch-dlpack")
def test_export_shares_memory_with_the_consumer(make: Any) -> None:
    x = make()
    lent = export(x)
    assert lent.__dlpack_device__() == (1, 0)
    assert flags(lent.__dlpack__(**NEW)) == 0
    result = np.from_dlpack(lent)
    assert np.array_equal(result, interop.to_numpy(x))
    assert interop.shares_memory(result, x) == bool(result.size)


PENDING = {
    "a conjugation": lambda: torch.tensor([1 + 2j, 3j]).conj(),
    "a negation": lambda: torch.tensor([1 + 2j, 3j]).conj().imag,
    "the other byte order": lambda: np.array([1, 2, 3], ">i4" if np.little_endian else "<i4"),
    "no alignment": lambda: np.frombuffer(bytearray(9), "i4", 2, offset=1),
    "negative strides": lambda: np.arange(6.0)[::-2],
    "a negative stride among others": lambda: np.arange(24.0).reshape(2, 3, 4)[:, ::-1].T,
    "strides of no whole elements": lambda: np.zeros(3, [("a", "u1"), ("b", "f8")])["b"],
    "a number": lambda: np.float32(2.5),
    "something that has to be read": lambda: foreign.Array(np.arange(3)),
}


@pytest.mark.parametrize("make", PENDING.values(), ids=PENDING)
@pytest.mark.requires("numpy-dlpack", "torch-dlpack")
def test_export_unshareable_array_is_copied_and_flagged_as_a_copy(make: Any) -> None:
    x = make()
    lent = export(x)
    assert flags(lent.__dlpack__(**NEW)) == IS_COPIED
    assert np.array_equal(np.from_dlpack(lent), interop.to_numpy(x))
    with pytest.raises(
        interop.CopyRequiredError, match=r"it takes a copy, because .*\. Leave copy=False out"
    ):
        lent.__dlpack__(copy=False, **NEW)


READONLY = {
    "a read-only ndarray": read_only,
    "bytes": lambda: b"abc",
    "an expanded tensor": lambda: torch.ones(1).expand(4),
    "windows": lambda: torch.arange(5).unfold(0, 3, 1),
    "an expanded bfloat16": lambda: torch.ones(1, dtype=torch.bfloat16).expand(4),
}


@pytest.mark.parametrize("make", READONLY.values(), ids=READONLY)
@pytest.mark.requires("numpy-dlpack", "torch-dlpack")
def test_export_read_only_memory_is_flagged_for_a_dlpack_1_consumer(make: Any) -> None:
    x = make()
    capsule = export(x).__dlpack__(**NEW)
    assert flags(capsule) == READ_ONLY
    if getattr(x, "dtype", None) is not torch.bfloat16:
        assert tensor_in(capsule).data == interop.to_numpy(x).ctypes.data
        assert not np.from_dlpack(export(x)).flags.writeable


@pytest.mark.parametrize("make", READONLY.values(), ids=READONLY)
@pytest.mark.parametrize("old", [{}, {"max_version": None}, {"max_version": (0, 8)}])
def test_export_read_only_memory_is_copied_for_a_legacy_consumer(make: Any, old: Any) -> None:
    x = make()
    capsule = export(x).__dlpack__(**old)
    assert "versioned" not in repr(capsule)
    with pytest.raises(BufferError, match=r"a consumer before DLPack 1.0 would write to it"):
        export(x).__dlpack__(copy=False, **old)
    result = torch.from_dlpack(capsule)  # type: ignore[attr-defined]
    before = interop.convert(x, "torch", copy=True)
    result.fill_(7)
    assert torch.equal(interop.convert(x, "torch", copy=True), before)


@pytest.mark.requires("numpy-dlpack", "torch-dlpack")
def test_export_copy_true_gives_a_flagged_copy() -> None:
    for x in (np.arange(3.0), torch.arange(3.0), read_only()):
        capsule = export(x).__dlpack__(copy=True, **NEW)
        assert flags(capsule) == IS_COPIED
        result = torch.from_dlpack(capsule)  # type: ignore[attr-defined]
        assert not interop.shares_memory(result, x)
        assert result.tolist() == [0, 1, 2]


def test_export_result_can_be_consumed_several_times() -> None:
    x = torch.arange(3)
    lent = export(x)
    results = [np.from_dlpack(lent), torch.from_dlpack(lent), np.from_dlpack(lent)]  # type: ignore[attr-defined]
    assert all(interop.shares_memory(x, result) for result in results)
    strict = pytest.importorskip("array_api_strict")
    assert strict.from_dlpack(lent)._array.ctypes.data == x.data_ptr()


def test_export_bfloat16_tensor_is_shared_with_torch() -> None:
    x = torch.arange(3).to(torch.bfloat16)
    result = torch.from_dlpack(export(x))  # type: ignore[attr-defined]
    assert result.dtype is torch.bfloat16
    assert result.data_ptr() == x.data_ptr()


@pytest.mark.requires("ml_dtypes")
def test_export_numpy_bfloat16_is_refused_with_the_error_of_numpy() -> None:
    import ml_dtypes

    x = np.ones(3, ml_dtypes.bfloat16)
    with pytest.raises(interop.UnsupportedArrayError) as caught:
        export(x).__dlpack__(**NEW)
    assert isinstance(caught.value.__cause__, BufferError)
    assert str(caught.value) == (
        "cannot export numpy bfloat16 (3,) on cpu: its framework's DLPack answers BufferError: "
        f"{str(caught.value.__cause__).rstrip('.')}. Convert it to another one first."
    )
    assert torch.from_dlpack(export(interop.to_torch(x))).tolist() == [1, 1, 1]  # type: ignore[attr-defined]


def test_export_survives_a_storage_swap_by_module_half() -> None:
    """`m.half()` swaps the storage of the tensor that torch's own capsule holds (traps, row 3)."""
    module = torch.nn.Linear(4, 4)
    with interop.options(detach=True):
        result = np.from_dlpack(export(module.weight))
    expected = result.copy()
    module.half()
    assert np.array_equal(result, expected)


def test_export_memory_is_released_with_the_last_consumer() -> None:
    import weakref

    x = np.arange(1000.0)
    gone: list[int] = []
    weakref.finalize(x, gone.append, 1)
    result = torch.from_dlpack(export(x))  # type: ignore[attr-defined]
    del x
    assert result[-1] == 999
    assert not gone
    del result
    assert gone
    capsule = export(y := np.arange(3)).__dlpack__()
    weakref.finalize(y, gone.append, 2)
    del y, capsule  # an unused capsule
    assert gone == [1, 2]


# -- refusals --------------------------------------------------------------------------------------


def test_export_tensor_that_requires_grad_is_refused_without_detach() -> None:
    x = torch.ones(3, requires_grad=True)
    with pytest.raises(interop.GradientError) as caught:
        export(x)
    assert str(caught.value) == (
        "cannot export torch float32 (3,) on cpu: it requires grad, and the consumer would cut it off its graph. "
        "Export it within interop.options(detach=True) to allow that."
    )
    with interop.options(detach=True):
        lent = export(x)
    assert np.from_dlpack(lent).tolist() == [1, 1, 1]


def test_export_unsupported_input_is_refused_at_the_call() -> None:
    with pytest.raises(
        interop.UnsupportedArrayError, match=r"cannot export torch .*its layout is torch.sparse_coo"
    ):
        export(torch.eye(2).to_sparse())
    with pytest.raises(
        interop.UnsupportedArrayError, match=r"cannot export numpy .*not a dtype of plain numbers"
    ):
        export(np.array(["a"]))
    with pytest.raises(interop.NotAnArrayError):
        export([1, 2])


@pytest.mark.requires("numpy-dlpack")
def test_export_to_an_unreachable_dl_device_raises_buffer_error() -> None:
    with pytest.raises(BufferError, match=r"cannot export numpy .*NumPy holds host memory only"):
        export(np.ones(3)).__dlpack__(dl_device=(2, 0))
    result = np.from_dlpack(export(torch.ones(3)), device="cpu")
    assert result.tolist() == [1, 1, 1]


def test_export_repr_names_framework_dtype_shape_and_device() -> None:
    assert repr(export(torch.ones(3))) == "<torch float32 (3,) on cpu, for any consumer of DLPack>"


def test_export_is_recorded_by_watch_when_consumed() -> None:
    with interop.watch() as seen:
        lent = export(torch.ones(3))
        assert not seen.records
        np.from_dlpack(lent)
        lent.__dlpack__(copy=True)
    assert [(r.source, r.target, r.bytes_copied) for r in seen.records] == [
        ("torch", "DLPack", 0),
        ("torch", "DLPack", 12),
    ]
    assert seen.records[0].where.startswith(__file__)
