"""Arrays without numbers."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch._subclasses import FakeTensorMode

import interop

from .upstream import in_child, may_go_wrong


def fake() -> torch.Tensor:
    with FakeTensorMode():
        return torch.ones(3)


ROWS = [torch.ones(2), torch.ones(3)]
WITHOUT_NUMBERS: dict[str, tuple[Callable[[], torch.Tensor], str]] = {
    "fake": (fake, "FakeTensor has no memory"),
    "meta": (lambda: torch.ones(3, device="meta"), "'meta' has no values"),
    "sparse": (lambda: torch.eye(2).to_sparse(), r"torch\.sparse_coo"),
    "sparse rows": (lambda: torch.eye(2).to_sparse_csr(), r"torch\.sparse_csr"),
    "mkldnn": (lambda: torch.ones(3, 4).to_mkldnn(), r"torch\._mkldnn"),
    "nested": (lambda: torch.nested.nested_tensor(ROWS), "nested"),
    "jagged": (lambda: torch.nested.nested_tensor(ROWS, layout=torch.jagged), "nested"),
    "quantized": (
        lambda: torch.quantize_per_tensor(torch.ones(3), 0.1, 0, torch.qint8),
        "quantized",
    ),
    "zeros": (lambda: torch.ops.aten._efficientzerotensor([3]), "zeros without memory"),
}


# torch warns of its own tensors: in beta, about to go, made by what is deprecated.
@pytest.mark.filterwarnings(
    "ignore::UserWarning", "ignore::DeprecationWarning", "ignore::FutureWarning"
)
class TestWithoutNumbers:
    """Trap 7, silent: A FakeTensor exports random memory, and so does a zero gradient that has no
    memory. Meta, sparse, nested and quantized tensors, and tensors inside `vmap`, fail with a
    different message each.

    interop never returns numbers for such a tensor. It raises `UnsupportedArrayError`, which says
    what the tensor is and what to write instead.
    """

    def test_to_numpy_refuses_a_fake_tensor_and_plain_dlpack_loses_values(self) -> None:
        code = """
            from torch._subclasses import FakeTensorMode
            with FakeTensorMode():
                fake = torch.full((3,), 7.0)
            try: interop.to_numpy(fake)
            except interop.UnsupportedArrayError: print("refused", flush=True)
            print(np.from_dlpack(fake).tolist(), flush=True)"""
        lines = in_child(code)
        assert lines[0] == "refused"
        assert lines[1:] != ["[7.0, 7.0, 7.0]"], "where should it have them from?"

    @pytest.mark.parametrize(("make", "words"), WITHOUT_NUMBERS.values(), ids=WITHOUT_NUMBERS)
    @pytest.mark.parametrize(
        "keywords",
        [{}, {"copy": True}, {"copy": False}, {"detach": True}, {"dtype": "float64"}],
        ids=str,
    )
    def test_convert_tensor_without_values_is_refused_with_the_reason(
        self, make: Callable[[], Any], words: str, keywords: Any
    ) -> None:
        tensor = make()
        for convert in (interop.convert, interop.explain):
            with pytest.raises(interop.UnsupportedArrayError, match=words):
                convert(tensor, "numpy", **keywords)

    @pytest.mark.parametrize(("make", "words"), WITHOUT_NUMBERS.values(), ids=WITHOUT_NUMBERS)
    def test_to_torch_tensor_without_values_is_the_same_object(
        self,
        make: Callable[[], Any],
        words: str,  # noqa: ARG002
    ) -> None:
        tensor = make()
        assert interop.framework_of(tensor) == "torch"
        assert interop.to_torch(tensor) is tensor

    @pytest.mark.parametrize(
        "transform",
        [
            lambda f: torch.vmap(f)(torch.ones(2, 3)),
            lambda f: torch.func.grad(lambda x: f(x).sum())(torch.ones(3)),
            lambda f: torch.func.grad(lambda x: f(x.detach()).sum() + x.sum())(torch.ones(3)),
            lambda f: torch.func.jvp(f, (torch.ones(3),), (torch.ones(3),)),
        ],
        ids=["vmap", "grad", "grad of detached", "jvp"],
    )
    @pytest.mark.parametrize(
        "keywords", [{}, {"detach": True}, {"copy": True, "detach": True}], ids=str
    )
    def test_to_numpy_inside_a_torch_transform_is_refused(
        self, transform: Callable[[Any], Any], keywords: Any
    ) -> None:
        def body(x: torch.Tensor) -> torch.Tensor:
            with pytest.raises(interop.UnsupportedArrayError):
                interop.to_numpy(x, **keywords)
            return interop.to_torch(x)

        transform(body)

    @pytest.mark.parametrize("keywords", [{"detach": True}, {"copy": True}], ids=str)
    def test_to_numpy_with_keywords_inside_functionalize_is_refused(self, keywords: Any) -> None:
        """Without keywords it is `Tensor.numpy` itself, which reads memory that isn't there: see the page of traps."""

        def body(x: torch.Tensor) -> torch.Tensor:
            with pytest.raises(interop.UnsupportedArrayError):
                interop.to_numpy(x, **keywords)
            return x

        torch.func.functionalize(body)(torch.ones(3))

    @pytest.mark.parametrize(
        "name",
        [
            "sparse",
            "sparse rows",
            "mkldnn",
            "nested",
            pytest.param("jagged", marks=pytest.mark.requires("torch-jagged-padding")),
            "quantized",
            "zeros",
        ],
    )
    def test_to_numpy_hint_for_a_tensor_without_values_works(self, name: str) -> None:
        tensor = WITHOUT_NUMBERS[name][0]()
        with pytest.raises(interop.UnsupportedArrayError) as caught:
            interop.to_numpy(tensor)
        remedies = str(caught.value).rpartition(" Use ")[2].rstrip(".").split(" or ")
        for remedy in remedies:
            result = eval(remedy, {"x": tensor, "torch": torch})  # noqa: S307 - our own words
            parts = result if isinstance(result, tuple) else (result,)
            assert all(interop.to_numpy(part).tolist() == part.tolist() for part in parts)


class TestMasked:
    """Trap 8, silent: A `numpy.ma.MaskedArray` loses its mask, and the masked elements become
    ordinary numbers.

    interop refuses an array with masked elements. An array with a mask but without masked elements
    is converted.
    """

    @staticmethod
    def masked() -> Any:
        return np.ma.MaskedArray([1.0, 2.0, 3.0], mask=[False, True, False])

    def test_plain_torch_from_numpy_may_drop_the_mask(self) -> None:
        may_go_wrong(
            lambda: torch.from_numpy(self.masked()).tolist(), wrong=[1, 2, 3], right=[1, None, 3]
        )

    @pytest.mark.parametrize("keywords", [{}, {"copy": True}, {"dtype": "float32"}], ids=str)
    def test_to_torch_masked_array_is_refused(self, keywords: Any) -> None:
        with pytest.raises(
            interop.UnsupportedArrayError, match=r"the mask would be lost.*x\.filled\(value\)"
        ):
            interop.to_torch(self.masked(), **keywords)

    @pytest.mark.parametrize("keywords", [{}, {"copy": True}, {"dtype": "float32"}], ids=str)
    def test_to_numpy_masked_array_keeps_its_mask_or_is_refused(self, keywords: Any) -> None:
        array = self.masked()
        try:
            result = interop.to_numpy(array, **keywords)
        except interop.UnsupportedArrayError:
            return
        assert result.tolist() == [1, None, 3]
        assert bool(keywords) != (result is array)

    @pytest.mark.parametrize(
        "mask", [np.ma.nomask, [False, False, False]], ids=["no mask", "mask of False"]
    )
    def test_to_torch_masked_array_without_masked_elements_is_shared(self, mask: Any) -> None:
        array = np.ma.MaskedArray([1.0, 2.0, 3.0], mask=mask)
        tensor = interop.to_torch(array, copy=False)
        tensor += 1
        assert array.data.tolist() == [2, 3, 4]

    def test_to_torch_filled_masked_array_is_converted(self) -> None:
        assert interop.to_torch(self.masked().filled(0)).tolist() == [1, 0, 3]
