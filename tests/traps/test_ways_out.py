"""torch's own conversions to NumPy."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

import interop

from .upstream import in_child, may_fail


class TensorThatIsNeverRead(torch.Tensor):
    def __array__(self, *_: object, **__: object) -> Any:
        pytest.fail("np.array(t) was called")


class TestArrayMethod:
    """Trap 20: `Tensor.__array__` does not support `copy`: `np.asarray(t, copy=False)` always
    raises an error, and `np.array(t)` warns.

    interop never calls `np.array` with a tensor.
    """

    def test_plain_numpy_asarray_copy_false_may_reject_tensors(self) -> None:
        may_fail(lambda: np.asarray(torch.ones(3), copy=False), ValueError)

    @pytest.mark.parametrize(
        "keywords",
        [{}, {"copy": True}, {"copy": False}, {"dtype": "float64"}, {"device": "cpu"}],
        ids=str,
    )
    @pytest.mark.parametrize(
        "take", [lambda t: t, lambda t: t[0], lambda t: t.expand(2, 3)], ids=["1-d", "0-d", "2-d"]
    )
    def test_to_numpy_never_calls_the_array_method_of_a_tensor(
        self, keywords: Any, take: Callable[[torch.Tensor], torch.Tensor]
    ) -> None:
        tensor = take(torch.arange(3.0).as_subclass(TensorThatIsNeverRead))
        assert interop.to_numpy(tensor, **keywords).tolist() == tensor.tolist()


@pytest.mark.usefixtures("real_imports")
class TestCompile:
    """Trap 27: `np.from_dlpack` under `torch.compile` raises an error that cannot be avoided,
    whereas `.numpy()` is traced.

    interop's conversion from torch to NumPy is traced, also with `fullgraph=True`, if it is called
    without keywords.
    """

    @pytest.fixture(autouse=True)
    def _afresh(self) -> None:
        torch._dynamo.reset()

    @staticmethod
    def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
        return torch.compile(function, fullgraph=True, backend="eager")

    def test_plain_numpy_from_dlpack_may_fail_under_torch_compile(self) -> None:
        may_fail(lambda: self.compiled(np.from_dlpack)(torch.ones(3)), Exception)

    @pytest.mark.parametrize(
        "convert",
        [interop.to_numpy, lambda t: interop.convert(t, "numpy")],
        ids=["to_numpy", "convert"],
    )
    @pytest.mark.parametrize(
        "tensor", [torch.arange(3.0), torch.arange(4), torch.ones(2, 3)], ids=lambda t: str(t.dtype)
    )
    def test_to_numpy_without_keywords_is_traced_by_torch_compile(
        self, convert: Callable[[Any], Any], tensor: torch.Tensor
    ) -> None:
        def double(t: torch.Tensor) -> Any:
            return convert(t * 2) + 1

        expected = double(tensor)
        result = self.compiled(double)(tensor)
        assert isinstance(result, np.ndarray)
        assert (result.tolist(), result.dtype) == (expected.tolist(), expected.dtype)

    def test_to_numpy_first_call_of_a_process_is_traced_by_torch_compile(self) -> None:
        code = 'print(torch.compile(interop.to_numpy, fullgraph=True, backend="eager")(torch.ones(3)).tolist())'
        assert in_child(code) == ["[1.0, 1.0, 1.0]"]

    @pytest.mark.filterwarnings("ignore::UserWarning:torch._dynamo")
    def test_to_numpy_with_keywords_works_under_torch_compile(self) -> None:
        def double(t: torch.Tensor) -> Any:
            return interop.to_numpy(t * 2, copy=True) + 1

        assert torch.compile(double, backend="eager")(torch.arange(3.0)).tolist() == [1, 3, 5]
