"""Memory that cannot be shared, and gradients that would be lost: reasons and suggested code."""

import sys
from typing import Any, Final

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

import foreign
import interop

pytestmark = pytest.mark.requires("torch")


def readonly() -> NDArray[Any]:
    x = np.ones((2, 3), "float32")
    x.flags.writeable = False
    return x


ONES: Final = np.ones((2, 3), "float32")
ALLOW: Final = "Leave copy=False out to allow it."
SHARE: Final = 'Leave copy=False out, or pass readonly="share" if nobody writes to the result.'
UNPROTECTED: Final = "it is read-only, and torch would write to it all the same"
UNSAID: Final = "its producer does not say whether the memory may be written to, and torch would write to it all the same"
SHARE_UNSAID: Final = (
    'Leave copy=False out, or pass readonly="share" if the memory may be written to.'
)
LAZY: Final = "a conjugation or negation is pending"
COPIES: Final[dict[str, tuple[Any, str, dict[str, Any], str, str]]] = {
    "reversed": (ONES[::-1], "torch", {}, f"torch has no negative strides. {ALLOW}", "numpy float32 (2, 3)"),
    "swapped": (
        ONES.astype(ONES.dtype.newbyteorder()), "torch", {},
        f"its bytes are not in this machine's order ({sys.byteorder}-endian). {ALLOW}", "numpy float32 (2, 3)",
    ),
    "not aligned": (
        np.ndarray((2, 3), "float32", bytearray(25), 1), "torch", {}, f"it is not aligned in memory. {ALLOW}",
        "numpy float32 (2, 3)",
    ),
    "packed": (
        np.zeros(6, [("x", "i2"), ("y", "i1")])["x"], "torch", {},
        f"it is not aligned in memory. {ALLOW}", "numpy int16 (6,)",
    ),
    "overlapping": (
        np.lib.stride_tricks.sliding_window_view(np.ones(4, "float32"), 2, writeable=True), "torch", {},
        f"its elements overlap in memory, and torch would write to them all the same. {ALLOW}", "numpy float32 (3, 2)",
    ),
    "broadcast": (
        np.broadcast_to(ONES, (4, 2, 3)), "torch", {},
        f"its elements overlap in memory, and torch would write to them all the same. {ALLOW}",
        "numpy float32 (4, 2, 3)",
    ),
    "read-only": (readonly(), "torch", {}, f"{UNPROTECTED}. {SHARE}", "numpy float32 (2, 3)"),
    "read-only, reversed": (
        readonly()[::-1], "torch", {}, f"torch has no negative strides. {ALLOW}", "numpy float32 (2, 3)"
    ),
    "a cast": (
        ONES, "torch", {"dtype": "float64"}, f"the dtype changes from float32 to float64. {ALLOW}",
        "numpy float32 (2, 3)",
    ),
    "a cast at home": (
        ONES, "numpy", {"dtype": "float64"}, f"the dtype changes from float32 to float64. {ALLOW}",
        "numpy float32 (2, 3)",
    ),
    "conjugated": (
        torch.ones(2, dtype=torch.complex64).conj(), "numpy", {}, f"{LAZY}. {ALLOW}", "torch complex64 (2,)"
    ),
    "a scalar": (np.float32(3), "torch", {}, f"a NumPy scalar has no memory to share. {ALLOW}", "numpy float32 ()"),
    "something to read": (
        foreign.Array(ONES), "numpy", {},
        f"it has to be read by __array__ (stated float32, read to find out). {ALLOW}", "foreign.Array float32 (2, 3)",
    ),
    "who knows": (
        foreign.OldDLPack(ONES.copy()), "torch", {}, f"{UNSAID}. {SHARE_UNSAID}", "foreign.OldDLPack float32 (2, 3)"
    ),
}  # fmt: skip


@pytest.mark.parametrize(("x", "to", "keywords", "reason", "facts"), COPIES.values(), ids=COPIES)
def test_convert_copy_false_refuses_a_required_copy_with_the_reason(
    x: Any, to: str, keywords: dict[str, Any], reason: str, facts: str
) -> None:
    with pytest.raises(interop.CopyRequiredError) as caught:
        interop.convert(x, to, copy=False, **keywords)
    assert (
        str(caught.value)
        == f"cannot convert {facts} on cpu to {to}: it takes a copy, because {reason}"
    )
    assert not interop.explain(x, to, **keywords).zero_copy


READONLY = {"read-only": readonly(), "bytes": bytes(24)}


@pytest.mark.parametrize("x", READONLY.values(), ids=READONLY)
def test_to_torch_readonly_error_refuses_read_only_memory(x: Any) -> None:
    facts = "bytes uint8 (24,)" if isinstance(x, bytes) else "numpy float32 (2, 3)"
    with pytest.raises(interop.CopyRequiredError) as caught:
        interop.to_torch(x, readonly="error")
    assert str(caught.value) == (
        f'cannot convert {facts} on cpu to torch: {UNPROTECTED}. Pass readonly="copy", or '
        'readonly="share" if nobody writes to the result.'
    )


@pytest.mark.parametrize("copy", [None, True, False])
def test_to_numpy_tensor_that_requires_grad_is_refused_without_detach(copy: bool | None) -> None:
    x = torch.ones(2, 3, requires_grad=True)
    for tensor, shape in ((x, "(2, 3)"), (x[0] * 2, "(3,)"), (torch.nn.Parameter(x), "(2, 3)")):
        with pytest.raises(interop.GradientError) as caught:
            interop.to_numpy(tensor, copy=copy)
        assert str(caught.value) == (
            f"cannot convert torch float32 {shape} on cpu to numpy: it requires grad, and numpy would cut it off its "
            "graph. Pass detach=True to allow it."
        )
        assert interop.to_numpy(tensor, copy=copy, detach=True).shape == tuple(tensor.shape)
        assert tensor.requires_grad
