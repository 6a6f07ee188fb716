"""Strides and overlapping memory."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray

import interop

from .producers import LENDERS, DLPack
from .upstream import in_child, may_go_wrong

Array = NDArray[Any]


def small(*shape: int) -> Array:
    return np.arange(np.prod(shape), dtype="float32").reshape(shape)


class TestNegativeStrides:
    """Trap 1: `torch.from_dlpack(a[::-1])` aborts the process, and no exception can be caught
    (pytorch#188023; torch 2.14 raises an error). So does every array with a negative stride, from
    any producer, and also a raw capsule.

    interop checks the strides before torch reads the array, and copies the array. With `copy=False`
    it raises `CopyRequiredError`.
    """

    @pytest.mark.parametrize("source", ["a", "a.__dlpack__(max_version=(1, 0))", "a.__dlpack__()"])
    def test_to_torch_negative_strides_work_where_plain_torch_may_crash(self, source: str) -> None:
        code = f"""
            a = np.arange(3)[::-1]
            print(interop.to_torch(a).tolist(), flush=True)
            print(torch.from_dlpack({source}).tolist(), flush=True)"""
        assert in_child(code) in (["[2, 1, 0]"], ["[2, 1, 0]", "[2, 1, 0]"])

    @pytest.mark.parametrize("lend", LENDERS.values(), ids=LENDERS)
    @pytest.mark.parametrize(
        "reverse",
        [np.flip, np.flipud, np.fliplr, lambda a: a[::-2, 1:], lambda a: a.T[:, ::-1]],
        ids=range(5),
    )
    def test_to_torch_negative_strides_of_every_producer_are_copied(
        self, lend: Callable[[Array], Any], reverse: Callable[[Array], Array]
    ) -> None:
        array = reverse(small(4, 3))
        assert min(array.strides) < 0
        with pytest.raises(interop.CopyRequiredError, match="torch has no negative strides"):
            interop.to_torch(lend(array), copy=False)
        tensor = interop.to_torch(lend(array))
        assert tensor.tolist() == array.tolist()
        array[:] = -1
        assert tensor.min() >= 0, "it is independent"

    @pytest.mark.parametrize("lend", [np.asarray, *LENDERS.values()], ids=["numpy", *LENDERS])
    def test_to_numpy_negative_strides_are_shared(self, lend: Callable[[Array], Any]) -> None:
        array = small(4, 3)[::-1]
        result = interop.to_numpy(lend(array), copy=False)
        assert (result.ctypes.data, result.strides) == (array.ctypes.data, array.strides)

    def test_explain_negative_strides_reports_a_copy(self) -> None:
        source = DLPack(small(3)[::-1])
        plan = interop.explain(source, "torch")
        assert (plan.zero_copy, plan.bytes_copied, plan.reason) == (
            False,
            12,
            "torch has no negative strides",
        )

    @pytest.mark.parametrize(
        "array", [small(3)[::-1][:1], small(4, 3)[::-1, :0], small(4, 3)[1:2, ::-1][:, :1]]
    )
    def test_to_torch_negative_strides_of_unit_or_empty_axes_are_shared(self, array: Array) -> None:
        tensor = interop.to_torch(array, copy=False)
        assert tuple(tensor.shape) == array.shape
        tensor.fill_(7)
        assert (array == 7).all()


class TestOverlap:
    """Trap 6, silent: `t.expand(4).numpy()` is writable although all its elements share one place
    in memory: `+= [0, 1, 2, 3]` gives `[4, 4, 4, 4]`.

    interop gives NumPy a zero-copy, read-only view. torch gets a copy, because torch cannot make
    memory read-only.
    """

    OVERLAPPING = pytest.mark.parametrize(
        "tensor",
        [torch.ones(1).expand(4), torch.ones(3, 1).expand(3, 2), torch.arange(5.0).unfold(0, 3, 1)],
        ids=["expanded", "expanded in 2-d", "unfolded"],
    )

    def test_plain_torch_expanded_view_may_be_written_as_one_element(self) -> None:
        def add() -> list[float]:
            array = torch.ones(1).expand(4).numpy()
            array += [0, 1, 2, 3]
            return array.tolist()

        may_go_wrong(add, wrong=[4, 4, 4, 4], right=[1, 2, 3, 4])

    @OVERLAPPING
    def test_to_numpy_overlapping_tensor_is_a_read_only_view(self, tensor: torch.Tensor) -> None:
        array = interop.to_numpy(tensor, copy=False)
        assert array.tolist() == tensor.tolist()
        assert array.ctypes.data == tensor.data_ptr()
        assert array.strides == tuple(4 * stride for stride in tensor.stride())
        with pytest.raises(ValueError, match="read-only"):
            array += 1
        assert interop.explain(tensor, "numpy").readonly

    @OVERLAPPING
    def test_to_numpy_overlapping_tensor_without_keywords_is_read_only(
        self, tensor: torch.Tensor
    ) -> None:
        assert not interop.to_numpy(tensor).flags.writeable

    @OVERLAPPING
    def test_to_numpy_copy_of_overlapping_tensor_is_writable(self, tensor: torch.Tensor) -> None:
        before = tensor.tolist()
        array = interop.to_numpy(tensor, copy=True)
        array += np.arange(array.size).reshape(array.shape)
        assert (
            array.tolist()
            == (np.array(before) + np.arange(array.size).reshape(array.shape)).tolist()
        )
        assert tensor.tolist() == before

    @pytest.mark.parametrize("readonly", ["copy", "share", "error"])
    def test_to_torch_overlapping_array_is_copied_for_every_readonly_value(
        self, readonly: Any
    ) -> None:
        array = as_strided(np.arange(5.0), (3, 3), (8, 8))
        tensor = interop.to_torch(array, readonly=readonly)
        tensor += torch.arange(9).reshape(3, 3)
        assert tensor.tolist() == [[0, 2, 4], [4, 6, 8], [8, 10, 12]]
        assert array.tolist() == [[0, 1, 2], [1, 2, 3], [2, 3, 4]]
        with pytest.raises(interop.CopyRequiredError, match="overlap"):
            interop.to_torch(array, readonly=readonly, copy=False)

    def test_to_torch_expanded_tensor_is_the_same_object(self) -> None:
        tensor = torch.ones(1).expand(4)
        assert interop.to_torch(tensor) is tensor
