"""Memory whose address a target cannot use: complex numbers in torch, and any dtype in JAX.

Tests that could crash the process run in a child process: see `misaligned`.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.dlpack import from_dlpack

import interop
from child import run_child
from interop._identify import registry
from interop.adapter import Adapter
from ledger import LedgerAdapter
from misaligned import hold, needed, place

HERE = Path(__file__).parent
COMPLEX = ["complex64", "complex128"]

pytestmark = pytest.mark.requires("torch", "ml_dtypes")


@pytest.mark.slow
@pytest.mark.requires("dask")
@pytest.mark.parametrize("compiled", ["0", "1"])
@pytest.mark.parametrize("check", ["arrays", "tensors", "plans", "huge"])
def test_convert_at_any_address_does_not_crash_the_process(check: str, compiled: str) -> None:
    code = f"""
    import os
    os.environ["INTEROP_COMPILED"] = {compiled!r}
    import misaligned
    misaligned.{check}()
    """
    assert not run_child(code, path=HERE)


class TestTorchKernels:
    """The reason for the rule: torch's kernels accept any address, except for complex128."""

    def test_clone_of_other_dtypes_at_any_address_does_not_crash(self) -> None:
        code = """
        import torch
        from misaligned import DTYPES, hold, place
        for dtype in set(DTYPES) - {"complex128"}:
            for shift in range(17):
                for n in (1, 2, 3, 7, 8, 19):
                    t = hold(place(n, dtype, shift=shift), dtype)
                    t.clone(), t.to(torch.complex128).sum()
        """
        run_child(code, path=HERE)


class TestConvert:
    @pytest.mark.parametrize("dtype", COMPLEX)
    @pytest.mark.parametrize("keywords", [{}, {"readonly": "share"}, {"detach": True}], ids=str)
    def test_to_torch_of_misaligned_complex_copies(
        self, dtype: str, keywords: dict[str, Any]
    ) -> None:
        x = place(3, dtype, shift=needed(dtype) // 2)
        plan = interop.explain(x, "torch", **keywords)
        words = f"torch needs {needed(dtype)} bytes of alignment for {dtype}, and this memory is aligned to"
        assert plan.reason == f"{words} {needed(dtype) // 2}"
        assert [(step.verb, step.side) for step in plan.steps] == [
            ("copy", "source"),
            ("share", "source"),
        ]
        for _ in range(4):
            t = interop.to_torch(x, **keywords)
            assert t.data_ptr() % needed(dtype) == 0
            assert t.tolist() == x.tolist()

    @pytest.mark.parametrize("dtype", COMPLEX)
    def test_to_torch_copy_false_of_misaligned_complex_is_refused(self, dtype: str) -> None:
        x = place(3, dtype, shift=needed(dtype) // 2)
        for _ in range(4):
            with pytest.raises(
                interop.CopyRequiredError, match=f"torch needs {needed(dtype)} bytes of alignment"
            ):
                interop.to_torch(x, copy=False)

    @pytest.mark.parametrize("dtype", COMPLEX)
    def test_to_torch_of_complex_shares_only_aligned_memory(self, dtype: str) -> None:
        shifts = [0, needed(dtype) // 2] * 4
        for shift in shifts:
            for x in (place(6, dtype, shift=shift), place(12, dtype, shift=shift)[::2]):
                assert interop.shares_memory(x, interop.to_torch(x)) == (shift == 0)
                assert interop.explain(x, "torch").zero_copy == (shift == 0)

    def test_to_torch_with_dtype_casts_misaligned_complex_in_numpy(self) -> None:
        plan = interop.explain(place(3, "complex128", shift=8), "torch", dtype="complex64")
        assert [(step.verb, step.side, step.bytes) for step in plan.steps] == [
            ("copy", "source", 24), ("share", "source", 0),
        ]  # fmt: skip

    def test_to_torch_of_an_empty_array_needs_no_alignment(self) -> None:
        x = place(3, "complex128", shift=8)[:0]
        assert interop.explain(x, "torch").zero_copy
        assert interop.to_torch(x, copy=False).shape == (0,)

    def test_to_numpy_of_a_misaligned_tensor_shares(self) -> None:
        t = hold(place(3, "complex128", shift=8), "complex128")
        for _ in range(4):
            assert interop.shares_memory(interop.to_numpy(t, copy=False), t)

    def test_to_torch_of_a_misaligned_tensor_returns_the_tensor(self) -> None:
        t = hold(place(3, "complex128", shift=8), "complex128")
        assert interop.to_torch(t) is t

    def test_copy_true_of_a_misaligned_tensor_keeps_the_graph(self) -> None:
        t = hold(place(3, "complex128", shift=8), "complex128").requires_grad_()
        copied = interop.to_torch(t, copy=True)
        (copied * 2).real.sum().backward()  # type: ignore[no-untyped-call]
        assert t.grad is not None
        assert t.grad.tolist() == [2, 2, 2]

    @pytest.mark.parametrize(
        "layout", [lambda t: t.T, lambda t: t[:, ::2], lambda t: t[:1].expand(3, 4)]
    )
    def test_copy_true_of_a_misaligned_tensor_has_the_layout_of_clone(self, layout: Any) -> None:
        x = place((3, 4), "complex128", shift=8)
        t, other = layout(hold(x, "complex128")), layout(torch.zeros(3, 4, dtype=torch.complex128))
        copied = interop.to_torch(t, copy=True)
        assert copied.stride() == other.clone().stride()
        assert copied.tolist() == t.numpy().tolist()

    def test_to_torch_copy_true_of_a_fake_tensor_needs_no_address(self) -> None:
        from torch._subclasses.fake_tensor import FakeTensorMode

        with FakeTensorMode():
            t = torch.ones(3, dtype=torch.complex128)
            assert interop.to_torch(t, copy=True).shape == (3,)


class TestExport:
    """The consumer is unknown, so elements must be aligned to the element size."""

    @pytest.mark.parametrize(("dtype", "shift"), [("complex64", 4), ("complex128", 8)])
    def test_export_of_misaligned_complex_copies(self, dtype: str, shift: int) -> None:
        x = place(3, dtype, shift=shift)
        assert from_dlpack(interop.export(x)).data_ptr() % needed(dtype) == 0
        with pytest.raises(
            interop.CopyRequiredError,
            match=f"not aligned to whole elements of {needed(dtype)} bytes",
        ):
            interop.export(x).__dlpack__(copy=False)

    def test_export_of_a_misaligned_tensor_copies(self) -> None:
        exported = interop.export(hold(place(3, "float64", shift=3), "float64"))
        assert from_dlpack(exported).data_ptr() % 8 == 0

    def test_export_of_aligned_complex_shares(self) -> None:
        x = place(3, "complex128", shift=16)
        assert interop.shares_memory(np.from_dlpack(interop.export(x)), x)


@pytest.mark.requires("jax")
class TestJAX:
    @pytest.mark.parametrize("shift", [4, 8, 16, 32, 0])
    def test_explain_to_jax_predicts_sharing_by_alignment(self, shift: int) -> None:
        x = place(3, "float32", shift=shift)
        plan = interop.explain(x, "jax")
        reason = (
            f"jax needs 64 bytes of alignment for float32, and this memory is aligned to {shift}"
        )
        assert plan.zero_copy == (shift == 0)
        assert plan.zero_copy or plan.reason == reason
        for _ in range(4):
            assert interop.shares_memory(interop.to_jax(x), x) == plan.zero_copy
        if shift:
            with pytest.raises(interop.CopyRequiredError, match=reason):
                interop.explain(x, "jax", copy=False)


class TestAdapter:
    """The adapter contract: the alignment that an adapter requires, and missing addresses."""

    def test_alignment_by_default_is_1_or_the_size_of_a_complex_element(self) -> None:
        adapter = LedgerAdapter()
        assert [Adapter.alignment(adapter, dtype) for dtype in ("float64", *COMPLEX)] == [1, 8, 16]

    @pytest.mark.parametrize("name", ["numpy", "cupy"])
    def test_alignment_of_numpy_and_cupy_is_1(self, name: str) -> None:
        pytest.importorskip(name)
        assert registry.adapter_named(name).alignment("complex128") == 1

    def test_adopt_host_refuses_a_misaligned_array(self) -> None:
        """torch refuses a misaligned array if the source's adapter gave the planner no address."""
        with pytest.raises(BufferError, match="torch needs 16 bytes of alignment for complex128"):
            registry.adapter_named("torch").adopt_host(place(3, "complex128", shift=8))

    def test_convert_when_adapter_gives_no_address_copies_misaligned_array(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def address(*_: Any) -> int:
            raise NotImplementedError

        monkeypatch.setattr(type(registry.adapter_named("numpy")), "address", address)
        x = place(4, "complex128", shift=8).reshape(2, 2).T
        with interop.watch():  # forces the planned path
            plan = interop.explain(x, "torch")
            t = interop.to_torch(x)
        assert plan.zero_copy  # the address is unknown
        assert t.data_ptr() % 16 == 0
        assert t.tolist() == x.tolist()
