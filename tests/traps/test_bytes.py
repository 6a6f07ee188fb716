"""Byte order and alignment."""

import gc
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

import interop

from .producers import LENDERS
from .upstream import may_go_wrong

Array = NDArray[Any]


def small(*shape: int) -> Array:
    return np.arange(np.prod(shape), dtype="float32").reshape(shape)


class TestByteOrder:
    """Trap 9, silent: Numbers in swapped byte order (`">f4"`) are read as if they were in this
    machine's order, for example by `torch.frombuffer` and by all code that is given only an
    address.

    interop copies them to this machine's byte order.
    """

    SWAPPED = pytest.mark.parametrize(
        "dtype", ["int16", "uint32", "int64", "float16", "float32", "complex64"]
    )

    @staticmethod
    def swapped(dtype: str) -> Array:
        return np.arange(4).astype(np.dtype(dtype).newbyteorder("S"))

    def test_plain_torch_frombuffer_may_misread_swapped_bytes(self) -> None:
        array = np.array([1, 2], dtype=np.dtype("int16").newbyteorder("S"))
        may_go_wrong(
            lambda: torch.frombuffer(array, dtype=torch.int16).tolist(),
            wrong=[256, 512],
            right=[1, 2],
        )

    @SWAPPED
    @pytest.mark.parametrize("lend", ["numpy", "array interface", "array struct", "buffer"])
    def test_to_torch_swapped_bytes_are_copied(self, dtype: str, lend: str) -> None:
        array = self.swapped(dtype)
        source = array if lend == "numpy" else LENDERS[lend](array)
        tensor = interop.to_torch(source)
        assert (tensor.tolist(), tensor.dtype) == ([0, 1, 2, 3], getattr(torch, dtype))
        tensor.zero_()
        assert array.tolist() == [0, 1, 2, 3]
        assert interop.explain(source, "torch").bytes_copied == array.nbytes
        with pytest.raises(interop.CopyRequiredError, match="not in this machine's order"):
            interop.to_torch(source, copy=False)

    @SWAPPED
    def test_to_numpy_buffer_with_swapped_bytes_gets_native_order(self, dtype: str) -> None:
        result = interop.to_numpy(self.swapped(dtype).data)
        assert (result.tolist(), result.dtype) == ([0, 1, 2, 3], np.dtype(dtype))

    def test_to_numpy_ndarray_with_swapped_bytes_is_the_same_object(self) -> None:
        array = self.swapped("float32")
        assert interop.to_numpy(array) is array

    def test_to_numpy_dtype_gives_native_byte_order(self) -> None:
        result = interop.to_numpy(self.swapped("float32"), dtype="float32")
        assert (result.tolist(), result.dtype) == ([0, 1, 2, 3], np.dtype("float32"))

    @pytest.mark.parametrize(
        "dtype",
        [
            np.dtype("uint8").newbyteorder("S"),
            np.dtype("float32").newbyteorder("="),
            np.dtype("float32", metadata={"unit": "m"}),
        ],
        ids=["one byte", "swapped back", "with metadata"],
    )
    def test_to_torch_any_spelling_of_native_byte_order_is_shared(
        self, dtype: np.dtype[Any]
    ) -> None:
        array = np.zeros(4, dtype)
        tensor = interop.to_torch(array, copy=False)
        tensor += 1
        assert array.tolist() == [1, 1, 1, 1]


class TestAlignment:
    """Trap 10, silent: Elements that are misaligned or that lie in packed records become a tensor
    that torch's kernels do not expect.

    interop copies them to aligned memory. A field of aligned records is shared.
    """

    @staticmethod
    def unaligned() -> Array:
        return np.frombuffer(bytearray(b"\0" + small(4).tobytes()), dtype="float32", offset=1)

    def packed(self, align: bool = False) -> Array:
        records = np.zeros(4, dtype=np.dtype([("tag", "u1"), ("value", "f4")], align=align))
        records["value"] = small(4)
        return records["value"]

    def test_plain_torch_from_numpy_may_share_unaligned_memory(self) -> None:
        may_go_wrong(
            lambda: torch.from_numpy(self.unaligned()).data_ptr() % 4 == 0, wrong=False, right=True
        )

    @pytest.mark.parametrize("name", ["unaligned", "packed"])
    @pytest.mark.parametrize("lend", ["numpy", "array interface", "buffer"])
    def test_to_torch_unaligned_memory_gets_an_aligned_copy(self, name: str, lend: str) -> None:
        array = getattr(self, name)()
        source = array if lend == "numpy" else LENDERS[lend](array)
        tensor = interop.to_torch(source)
        assert tensor.tolist() == [0, 1, 2, 3]
        assert tensor.data_ptr() % tensor.element_size() == 0
        tensor.zero_()
        assert array.tolist() == [0, 1, 2, 3]
        with pytest.raises(interop.CopyRequiredError, match=r"aligned|whole elements"):
            interop.to_torch(source, copy=False)

    def test_to_torch_one_byte_field_of_packed_records_is_shared(self) -> None:
        records = np.zeros(4, dtype=[("tag", "u1"), ("value", "f4")])
        tensor = interop.to_torch(records["tag"], copy=False)
        tensor += 3
        assert records["tag"].tolist() == [3, 3, 3, 3]
        assert tensor.stride() == (5,)

    def test_to_torch_field_of_aligned_records_is_shared(self) -> None:
        array = self.packed(align=True)
        tensor = interop.to_torch(array, copy=False)
        assert (tensor.data_ptr(), tensor.stride()) == (array.ctypes.data, (2,))
        del array
        gc.collect()
        assert tensor.tolist() == [0, 1, 2, 3]

    def test_to_torch_imaginary_part_of_an_array_is_shared(self) -> None:
        array: Any = np.array([1 + 2j, 3 + 4j])
        tensor = interop.to_torch(array.imag, copy=False)
        tensor += 1
        assert array.tolist() == [1 + 3j, 3 + 5j]
