"""Changed values."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

import interop

from .upstream import may_fail, may_go_wrong


def complexes() -> torch.Tensor:
    return torch.tensor([1 + 2j, 3 - 4j])


class TestLazyBits:
    """Trap 2, silent: `z.conj().imag` leaves torch by DLPack with the wrong sign, `[2, -4]` instead
    of `[-2, 4]`. torch has recorded a negation but not yet applied it, and its `__dlpack__` checks
    only for pending conjugations. Older capsules and the C exchange API check neither.

    interop makes torch apply both, which is a copy.
    """

    LAZY = pytest.mark.parametrize(
        ("make", "values"),
        [
            (lambda: complexes().conj(), [1 - 2j, 3 + 4j]),
            (lambda: complexes().conj().imag, [-2, 4]),
            (lambda: complexes().conj().imag[1:], [4]),
            (lambda: complexes().conj()[0], 1 - 2j),
            (lambda: torch.ops.aten._neg_view(torch.arange(3)), [0, -1, -2]),
        ],
        ids=["conj", "conj.imag", "sliced", "0-d", "neg"],
    )

    def test_plain_numpy_from_dlpack_may_lose_a_pending_negation(self) -> None:
        may_go_wrong(
            lambda: np.from_dlpack(complexes().conj().imag).tolist(), wrong=[2, -4], right=[-2, 4]
        )

    @LAZY
    @pytest.mark.parametrize("keywords", [{}, {"copy": True}, {"dtype": "complex128"}], ids=str)
    def test_to_numpy_pending_conjugation_or_negation_is_resolved(
        self, make: Callable[[], Any], values: Any, keywords: Any
    ) -> None:
        tensor = make()
        array = interop.to_numpy(tensor, **keywords)
        assert array.tolist() == values
        array[...] = 0
        assert tensor.tolist() == values, "it is independent"

    @LAZY
    def test_to_numpy_pending_conjugation_or_negation_is_not_shared(
        self,
        make: Callable[[], Any],
        values: Any,  # noqa: ARG002
    ) -> None:
        plan = interop.explain(make(), "numpy")
        assert not plan.zero_copy
        assert plan.reason == "a conjugation or negation is pending"
        with pytest.raises(interop.CopyRequiredError, match="a conjugation or negation is pending"):
            interop.to_numpy(make(), copy=False)

    @LAZY
    def test_to_torch_copy_resolves_pending_conjugation_or_negation(
        self, make: Callable[[], Any], values: Any
    ) -> None:
        tensor = interop.to_torch(make(), copy=True)
        assert tensor.tolist() == values
        assert not tensor.is_conj()
        assert not tensor.is_neg()

    def test_to_numpy_resolved_conjugation_is_shared(self) -> None:
        tensor = complexes().conj().resolve_conj()
        assert interop.to_numpy(tensor, copy=False).ctypes.data == tensor.data_ptr()


class TestGradients:
    """Trap 12, silent: If a NumPy view is edited between forward and backward, the tensors that
    torch saved for backward change, and the gradients are wrong. torch counts its own edits, but it
    cannot see edits through NumPy.

    interop raises `GradientError` if a tensor would leave its graph, unless you pass `detach=True`.
    The view still shares the memory of the tensor, so edit a copy (`copy=True`), or edit after
    `backward()`.
    """

    @staticmethod
    def gradient(edit: Callable[[torch.Tensor], Any]) -> list[float]:
        tensor = torch.tensor([1.0, 2.0], requires_grad=True)
        loss = (tensor * tensor).sum()
        edit(tensor)[...] = 10
        loss.backward()  # type: ignore[no-untyped-call]
        assert tensor.grad is not None
        return tensor.grad.tolist()

    def test_plain_torch_view_edited_before_backward_may_break_gradients(self) -> None:
        may_go_wrong(
            lambda: self.gradient(lambda t: t.detach().numpy()), wrong=[20, 20], right=[2, 4]
        )

    @pytest.mark.parametrize(
        "keywords", [{}, {"copy": True}, {"dtype": "float64"}, {"detach": False}], ids=str
    )
    def test_to_numpy_tensor_in_a_graph_is_refused(self, keywords: Any) -> None:
        tensor = torch.ones(3, requires_grad=True)
        for member in (tensor, tensor * 2, torch.nn.Parameter(torch.ones(3))):
            with pytest.raises(interop.GradientError, match="detach=True"):
                interop.to_numpy(member, **keywords)

    def test_to_numpy_detached_copy_keeps_the_gradients_right(self) -> None:
        assert self.gradient(lambda t: interop.to_numpy(t, detach=True, copy=True)) == [2, 4]

    def test_to_numpy_detach_true_shares_memory(self) -> None:
        tensor = torch.ones(3, requires_grad=True)
        array = interop.to_numpy(tensor, detach=True, copy=False)
        assert array.ctypes.data == tensor.data_ptr()
        assert tensor.requires_grad

    def test_options_detach_true_applies_to_to_numpy(self) -> None:
        with interop.options(detach=True):
            assert interop.to_numpy(torch.ones(3, requires_grad=True)).tolist() == [1, 1, 1]


@pytest.mark.requires("jax")
class TestJAX:
    """Trap 13, silent: JAX converts 64-bit numbers to 32 bits unless `jax_enable_x64` is set. With
    `copy=False` it refuses memory that is not aligned to 64 bytes, and whether NumPy's memory is
    aligned is a matter of chance.

    interop raises an error instead of narrowing the numbers, unless `dtype=` asks for a narrower
    dtype. Memory that is not aligned is copied once, and the plan gives that reason.
    """

    def test_plain_jax_narrows_float64_and_rejects_unaligned_memory(self) -> None:
        import jax

        assert str(jax.dlpack.from_dlpack(np.ones(3)).dtype) == "float32"
        assert str(jax.numpy.asarray(np.ones(3)).dtype) == "float32"
        may_fail(lambda: jax.dlpack.from_dlpack(self.shifted(), copy=False), ValueError)

    def test_to_jax_float64_without_dtype_is_refused(self) -> None:
        with pytest.raises(
            interop.UnsupportedArrayError,
            match="JAX converts float64 to float32 unless jax_enable_x64",
        ):
            interop.to_jax(np.ones(3))
        assert str(interop.to_jax(np.ones(3), dtype="float32").dtype) == "float32"

    def test_to_jax_unaligned_memory_is_copied(self) -> None:
        array = self.shifted()
        assert interop.to_jax(array).tolist() == [0, 1, 2, 3]
        with pytest.raises(interop.CopyRequiredError, match="jax needs 64 bytes of alignment"):
            interop.to_jax(array, copy=False)

    @staticmethod
    def shifted() -> Any:
        memory = np.zeros(128, "u1")
        start = -memory.ctypes.data % 64 + 4
        array = memory[start : start + 16].view("f4")
        array[...] = range(4)
        return array
