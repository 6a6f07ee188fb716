"""Stacks of several arrays: new memory, no loss of precision, and errors for mismatches."""

from typing import Any, Literal, cast

import numpy as np
import pytest
import torch

import foreign
import interop
import ledger
from interop import stack
from registering import registered
from test_errors import Case

pytestmark = pytest.mark.requires("torch")
VALUES = [[1, 2, 3], [4, 5, 6]]


class Image(np.ndarray[Any, Any]):
    """A subclass from another package than NumPy."""


def ndarrays(dtype: str = "float32") -> list[Any]:
    return [np.array(row, dtype) for row in VALUES]


def tensors(**keywords: Any) -> list[Any]:
    return [torch.tensor(row, dtype=torch.float32, **keywords) for row in VALUES]


SOURCES = {
    "ndarrays": ndarrays,
    "tensors": tensors,
    "a generator": lambda: iter(tensors()),
    "both": lambda: [ndarrays()[0], tensors()[1]],
    "both, the other first": lambda: [tensors()[0], ndarrays()[1]],
    "foreign": lambda: [foreign.DLPack(x) for x in ndarrays()],
    "one foreign": lambda: [foreign.Array(ndarrays()[0]), tensors()[1]],
    "a subclass": lambda: [x.view(Image) for x in ndarrays()],
    "parameters": lambda: [torch.nn.Parameter(x, requires_grad=False) for x in tensors()],
    "read-only": lambda: [np.broadcast_to(x, (3,)) for x in ndarrays()],
    "other byte order": lambda: [ndarrays(">f4")[0], ndarrays("<f4")[1]],
    "reversed": lambda: [np.array(row[::-1], "float32")[::-1] for row in VALUES],
    "not masked": lambda: list(map(np.ma.masked_array, ndarrays())),
    "conjugates": lambda: [x.to(torch.complex64).conj().imag + x for x in tensors()],
}
everything = pytest.mark.parametrize("make", SOURCES.values(), ids=SOURCES)
everywhere = pytest.mark.parametrize("to", ["numpy", "torch", np, torch.Tensor])


@everything
@everywhere
@pytest.mark.parametrize("axis", [0, 1, -1, -2])
def test_stack_all_source_types_and_axes_keep_values(make: Any, to: Any, axis: int) -> None:
    result = stack(make(), to, axis=axis)
    assert interop.framework_of(result) == ("numpy" if to in ("numpy", np) else "torch")
    assert result.tolist() == np.stack(VALUES, axis).tolist()
    assert str(result.dtype).removeprefix("torch.") == "float32"


@everything
@everywhere
@pytest.mark.parametrize("copy", [None, True])
def test_stack_result_is_new_and_writable(make: Any, to: Any, copy: bool | None) -> None:
    arrays = list(make())
    result = stack(arrays, to, copy=copy)
    assert not any(
        interop.shares_memory(result, x) for x in arrays if not isinstance(x, foreign.Array)
    )
    result[...] = 0
    assert [interop.to_numpy(x).tolist() for x in arrays] == VALUES


@pytest.mark.parametrize(
    "arrays", [[np.float32(1), np.float32(2)], [np.float32(1), np.array(2, "float32")]]
)
@everywhere
def test_stack_scalars_gives_a_vector(arrays: Any, to: Any) -> None:
    assert stack(arrays, to).tolist() == [1, 2]
    assert stack([torch.tensor(1.0), *arrays], to).tolist() == [1, 1, 2]


def test_stack_stacks_once_and_converts_once(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[Any] = []
    monkeypatch.setattr(
        "interop._verbs.stack.convert_computed", lambda *arguments: calls.append(arguments)
    )
    stack(tensors(), "numpy", copy=True, detach=True)
    ((stacked, to, keywords),) = calls
    assert (type(stacked), stacked.tolist()) == (torch.Tensor, VALUES)
    assert (to, keywords) == ("numpy", {"detach": True})  # copy=True would copy the new array again


@pytest.mark.parametrize("dtype", ["float64", torch.float64, np.float64])
def test_stack_dtype_converts_every_array(dtype: Any) -> None:
    for arrays in (ndarrays(), tensors(), [ndarrays("int8")[0], *tensors()]):
        result = stack(arrays, "numpy", dtype=dtype)
        assert result.dtype == np.float64
        assert result[-1].tolist() == VALUES[1]


def test_stack_large_integers_do_not_pass_through_floats() -> None:
    arrays = [np.array([2**53 + 1]), np.array([1.0], "float32")]
    result = stack(arrays, "numpy", dtype="int64", casting="unsafe")
    assert result.tolist() == [[2**53 + 1], [1]]


def test_stack_keeps_gradients_in_torch_and_needs_detach_for_numpy() -> None:
    weights = tensors(requires_grad=True)
    for arrays in (weights, [weights[0], torch.ones(3, dtype=torch.float64)]):
        stack(arrays, "torch", dtype="float64").sum().backward()  # type: ignore[no-untyped-call]
    assert [w.grad.tolist() for w in weights] == [[2.0] * 3, [1.0] * 3]
    assert stack(weights, "numpy", detach=True).tolist() == VALUES
    assert stack([*weights, *ndarrays()], "numpy", detach=True).tolist() == VALUES * 2
    with pytest.raises(
        interop.GradientError, match=r"^cannot convert torch float32 \(2, 3\) on cpu to numpy"
    ):
        stack(weights, "numpy")
    with pytest.raises(interop.GradientError) as caught:
        stack([*ndarrays(), *weights], "numpy")
    assert caught.value.__notes__ == ["at arrays[2]"]


def test_stack_read_only_sources_are_accepted_with_readonly_error() -> None:
    first, second = ndarrays()
    first.flags.writeable = False
    for arrays in ([first, second], [first, torch.from_numpy(second)]):
        assert stack(arrays, "torch", readonly="error").tolist() == VALUES


def test_stack_within_a_framework_without_namespace_is_refused() -> None:
    with registered(ledger.adapter):
        ledgers = [ledger.Ledger(x) for x in ndarrays()]
        assert stack(ledgers, "torch").tolist() == VALUES
        assert stack(ndarrays(), ledger.Ledger).rows.tolist() == VALUES
        with pytest.raises(interop.UnsupportedArrayError) as caught:
            stack(ledgers, "ledger")
    assert str(caught.value) == (
        "array-api-compat has no namespace for arrays of ledger, which could stack them. "
        'Stack in another framework, and convert the result: interop.stack(arrays, "numpy").'
    )


# Refusals


MASKED = np.ma.masked_array([1.0, 2.0], mask=[True, False])
REFUSED = {
    "shapes": Case(
        lambda: stack([np.ones(3), np.ones(3), np.ones((2, 2)), np.ones(())], "torch"), interop.ShapeError,
        "arrays of one shape can be stacked, and these are of several: (3,) at 0, (2, 2) at 2, () at 3. "
        "Pad or crop them first.",
    ),
    "shapes of torch": Case(
        lambda: stack([torch.ones(3), torch.ones(4)], "torch"), interop.ShapeError,
        "arrays of one shape can be stacked, and these are of several: (3,) at 0, (4,) at 1. Pad or crop them first.",
    ),
    "many shapes": Case(
        lambda: stack([np.ones(n) for n in range(9)], "torch"), interop.ShapeError,
        "arrays of one shape can be stacked, and these are of several: (0,) at 0, (1,) at 1, (2,) at 2, (3,) at 3, "
        "(4,) at 4 and others. Pad or crop them first.",
    ),
    "dtypes": Case(
        lambda: stack([np.ones(3), torch.ones(3)], "torch"), interop.UnsupportedArrayError,
        "arrays of one dtype can be stacked, and these are of several: float64 at 0, float32 at 1. "
        "Pass dtype=, and each is converted to it.",
    ),
    "none": Case(
        lambda: stack([], "torch"), interop.ShapeError,
        "there is nothing to stack: without an array, the result has no shape. Pass at least one.",
    ),
    "one array": Case(
        lambda: stack(np.ones((2, 3)), "torch"), interop.UnsupportedArrayError,
        "stack takes a list of arrays, and numpy float64 (2, 3) on cpu is one array already. "
        'Use interop.convert(x, "torch") instead.',
    ),
    "axis": Case(
        lambda: stack(ndarrays(), "torch", axis=2), interop.InvalidOptionError,
        "axis must be an integer from -2 to 1 for arrays of shape (3,), got 2",
    ),
    "axis below": Case(
        lambda: stack([*ndarrays(), *tensors()], "torch", axis=-3), interop.InvalidOptionError,
        "axis must be an integer from -2 to 1 for arrays of shape (3,), got -3",
    ),
    "no axis": Case(
        lambda: stack(ndarrays(), "torch", axis=cast("int", 1.0)), interop.InvalidOptionError,
        "axis must be an integer from -2 to 1 for arrays of shape (3,), got 1.0",
    ),
    "copy": Case(
        lambda: stack(ndarrays(), "torch", copy=False), interop.CopyRequiredError,
        "stacking copies the arrays, and copy=False forbids a copy. Leave copy=False out to allow it.",
    ),
    "masked": Case(
        lambda: stack([np.ones(2), MASKED], "numpy"), interop.UnsupportedArrayError,
        "cannot stack numpy float64 (2,) on cpu, the array at 1: some elements are masked, and the mask would be "
        "lost. Fill them first: x.filled(value).",
    ),
    "no numbers": Case(
        lambda: stack([np.array(["a"]), np.array(["b"])], "torch"), interop.UnsupportedArrayError,
        "cannot convert numpy <U1 (2, 1) on cpu to torch: NumPy's <U1 is not a dtype of plain numbers. "
        "It holds text. Number the distinct texts: numpy.unique(x, return_inverse=True)[1].",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED.values(), ids=REFUSED)
def test_stack_unsupported_arguments_are_refused_with_the_reason(case: Case) -> None:
    case.check()


@pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors")
def test_stack_nested_tensor_is_refused_with_its_position() -> None:
    nested = torch.nested.nested_tensor([torch.ones(2)])
    with pytest.raises(
        interop.UnsupportedArrayError, match=r"the array at 1: it is nested\. Use x\.to_padded"
    ):
        stack([torch.ones(2), nested], "torch")


def test_stack_object_that_is_not_an_array_raises_with_its_position() -> None:
    with pytest.raises(interop.NotAnArrayError, match="a list is not an array") as caught:
        stack([np.ones(1), [1.0]], "torch")
    assert caught.value.__notes__ == ["at arrays[1]"]


def test_stack_checks_arguments_before_the_arrays() -> None:
    with pytest.raises(interop.UnknownFrameworkError):
        stack([], "torhc", readonly="shared")  # type: ignore[call-overload]
    with pytest.raises(interop.InvalidOptionError, match="readonly"):
        stack([], "torch", readonly="shared")  # type: ignore[call-overload]
    with pytest.raises(TypeError, match="there is no keyword 'dim'"):
        stack([], "torch", dim=1)  # type: ignore[call-overload]


@pytest.mark.requires("jax")
@pytest.mark.parametrize("readonly", ["copy", "share", "error"])
def test_stack_of_read_only_arrays_is_not_copied_again_for_a_writable_target(
    readonly: Literal["copy", "share", "error"],
) -> None:
    import jax.numpy as jnp

    arrays = [jnp.array(row) for row in VALUES]
    with interop.watch() as seen:
        result = stack(arrays, "torch", readonly=readonly)
    result += 1  # the memory is new, and nobody else's
    assert result.tolist() == [[2, 3, 4], [5, 6, 7]]
    assert [x.tolist() for x in arrays] == VALUES
    assert [record.zero_copy for record in seen.records] == [False, True]
