"""Capsules with an invalid header are refused with the reason, before a consumer adopts them."""

import ctypes
import gc
import weakref
from collections.abc import Callable
from typing import Any, Final

import numpy as np
import pytest

import interop
from foreign import DLPack, OldDLPack, altering
from interop.adapter import capsule
from traps.producers import tensor_in, versioned_in

TARGETS = pytest.mark.parametrize("to", ["numpy", "torch"])
Change = Callable[[Any], None]


def set_shape(*lengths: int) -> Change:
    def change(lent: Any) -> None:
        tensor = tensor_in(lent)
        ctypes.memmove(tensor.shape, (ctypes.c_int64 * len(lengths))(*lengths), 8 * len(lengths))

    return change


def set_strides(*strides: int) -> Change:
    memory = (ctypes.c_int64 * len(strides))(*strides)

    def change(lent: Any) -> None:
        tensor_in(lent).strides = ctypes.addressof(memory)  # NumPy 2.0 may have none

    return change


def set_field(name: str, value: Any) -> Change:
    return lambda lent: setattr(tensor_in(lent), name, value)


def set_dtype(code: int, bits: int, lanes: int = 1) -> Change:
    return set_field("dtype", (ctypes.c_uint8 * 4)(code, bits, lanes, 0))


def set_device(kind: int, index: int) -> Change:
    return set_field("device", (ctypes.c_int32 * 2)(kind, index))


BROKEN: Final[dict[str, tuple[Change, str]]] = {
    "fewer axes than none": (
        set_field("ndim", -1),
        "its capsule has -1 axes, and an array has 0 to 64",
    ),
    "too many axes": (set_field("ndim", 65), "its capsule has 65 axes, and an array has 0 to 64"),
    "no shape": (
        set_field("shape", None),
        "its capsule has 2 axes and a null pointer as its shape",
    ),
    "a negative length": (set_shape(-2, 3), r"its capsule has the negative shape \(-2, 3\)"),
    "an overflowing size": (set_shape(2**40, 2**40), "beyond any memory"),
    "an overflowing size of an empty array": (set_shape(0, 2**61), "beyond any memory"),
    "overflowing strides": (set_strides(2**60, 1), "beyond any memory"),
    "strides beyond every address space": (set_strides(2**56, 1), "beyond any memory"),
    "an offset beyond every address space": (
        set_field("byte_offset", 2**63),
        "its capsule has the offset 9223372036854775808, beyond any memory",
    ),
    "an address at the end": (set_field("data", 2**64 - 8), "which is no address"),
    "the most negative stride": (set_strides(-(2**63), 1), "beyond any memory"),
    "no memory": (
        set_field("data", None),
        r"its capsule has the shape \(2, 3\) and a null pointer",
    ),
    "an unknown dtype": (set_dtype(3, 64), r"a dtype \(code 3, 64 bits, 1 lanes\)"),
    "a dtype of four bits": (set_dtype(17, 4), r"a dtype \(code 17, 4 bits, 1 lanes\)"),
    "a dtype of odd size": (set_dtype(2, 24), r"a dtype \(code 2, 24 bits, 1 lanes\)"),
    "vectors": (set_dtype(2, 32, 2), r"a dtype \(code 2, 32 bits, 2 lanes\)"),
    "a small float": (set_dtype(4, 16), "it lends bfloat16, which NumPy does not accept by DLPack"),
    "another device": (set_device(2, 0), "it says that it is on cpu, and its capsule says cuda:0"),
}


def lend(change: Change, base: type[Any] = DLPack) -> Any:
    """Return a producer whose capsules have a modified header."""
    return altering(change, base)(np.arange(6.0).reshape(2, 3).view(Watched))


class Watched(np.ndarray[Any, Any]):
    """An ndarray that supports weak references."""


@pytest.mark.slow
@TARGETS
@pytest.mark.parametrize("base", [DLPack, OldDLPack])
@pytest.mark.parametrize(("change", "reason"), BROKEN.values(), ids=BROKEN)
def test_open_invalid_header_is_refused_and_frees_the_memory(
    change: Change, reason: str, base: type[Any], to: str
) -> None:
    for call in (interop.explain, interop.convert):
        source = lend(change, base)
        memory = weakref.ref(source._array)
        with pytest.raises(
            interop.UnsupportedArrayError, match=f"BufferError: .*{reason}"
        ) as caught:
            call(source, to)
        assert type(caught.value.__cause__) is BufferError
        del source, caught
        gc.collect()
        assert memory() is None, "the capsule's own destructor was to free it"


@TARGETS
@pytest.mark.requires("numpy-dlpack")
def test_open_header_without_strides_shares_memory(to: str) -> None:
    source = lend(set_field("strides", None))
    result = interop.convert(source, to, copy=False)
    assert result.tolist() == [[0, 1, 2], [3, 4, 5]]


@TARGETS
@pytest.mark.requires("numpy-dlpack")
def test_open_empty_array_with_null_address_is_accepted(to: str) -> None:
    def change(lent: Any) -> None:
        set_shape(0, 3)(lent)
        set_field("data", None)(lent)

    source = lend(change)
    assert tuple(interop.convert(source, to).shape) == (0, 3)


@pytest.mark.requires("numpy-dlpack")
def test_open_next_major_dlpack_version_is_refused_before_other_fields() -> None:
    def change(lent: Any) -> None:
        versioned_in(lent).version[:] = [2, 0]
        tensor_in(lent).ndim = -1

    with pytest.raises(
        interop.UnsupportedArrayError,
        match=r"its capsule has the version 2\.0 of DLPack, and interop reads 1\.x",
    ):
        interop.to_numpy(lend(change))


@pytest.mark.parametrize(
    "answer", [None, b"dltensor", np.ones(3)], ids=["None", "bytes", "an array"]
)
def test_open_dlpack_result_other_than_a_capsule_is_refused(answer: Any) -> None:
    class Producer(DLPack):
        def __dlpack__(self, **_: Any) -> Any:
            return answer

    with pytest.raises(
        interop.UnsupportedArrayError,
        match=rf"returned {type(answer).__name__} .*, which is not an unused capsule",
    ):
        interop.to_numpy(Producer(np.ones(3)))


@pytest.mark.requires("numpy-dlpack")
def test_open_used_capsule_is_refused() -> None:
    class Producer(DLPack):
        def __dlpack__(self, **keywords: Any) -> Any:
            keep = self._array.__dlpack__(**keywords)
            np.from_dlpack(Once(keep))
            return keep

    class Once:
        def __init__(self, lent: Any) -> None:
            self.lent = lent

        def __dlpack_device__(self) -> Any:
            return (1, 0)

        def __dlpack__(self, **_: Any) -> Any:
            return self.lent

    with pytest.raises(
        interop.UnsupportedArrayError,
        match=r"used_dltensor_versioned.*, which is not an unused capsule",
    ):
        interop.to_numpy(Producer(np.ones(3)))


@pytest.mark.parametrize(
    "dtype", ["bool", "uint8", "int8", "uint64", "float16", "float32", "complex64", "complex128"]
)
@pytest.mark.parametrize("max_version", [None, (1, 0)])
@pytest.mark.requires("numpy-dlpack")
def test_read_header_of_numpy_capsule_matches_the_array(dtype: str, max_version: Any) -> None:
    array = np.zeros((4, 6), dtype)[::-2, 1::2]
    header = capsule.read_header(array.__dlpack__(max_version=max_version))
    assert (header.dtype, header.shape, header.strides) == (dtype, array.shape, array.strides)
    assert (header.address, header.nbytes, header.device) == (
        array.ctypes.data,
        array.nbytes,
        (1, 0),
    )
    assert (header.readonly, header.copied) == (None if max_version is None else False, False)


@pytest.mark.requires("numpy-dlpack")
def test_read_header_reports_readonly_and_copied_flags() -> None:
    array = np.zeros(3)
    array.flags.writeable = False
    lent = array.__dlpack__(max_version=(1, 0))
    assert capsule.read_header(lent)[-2:] == (True, False)
    capsule.add_flags(lent, capsule.IS_COPIED)
    assert capsule.read_header(lent)[-2:] == (True, True)


def test_add_flags_to_unversioned_capsule_changes_nothing() -> None:
    lent = np.zeros(3).__dlpack__()
    capsule.add_flags(lent, capsule.READ_ONLY)
    assert capsule.read_header(lent).readonly is None
