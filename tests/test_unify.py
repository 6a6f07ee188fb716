"""`unify`: the choice of framework and device, preserved properties, and refusals."""

from collections.abc import Callable
from typing import Any, assert_type

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

import foreign
import interop
from interop import unify
from test_errors import Case

pytestmark = pytest.mark.requires("torch")

NDARRAY = np.arange(3, dtype="float32")
TENSOR = torch.arange(4, dtype=torch.float64)
FOREIGN = foreign.DLPack(np.arange(2, dtype="int16"))
SCALAR = np.float64(3)


# The choice of framework and device


@pytest.mark.parametrize(
    ("arrays", "framework"),
    [
        ([NDARRAY, TENSOR], "numpy"), ([TENSOR, NDARRAY], "torch"), ([SCALAR, TENSOR, NDARRAY], "torch"),
        ([FOREIGN, TENSOR], "torch"), ([FOREIGN, SCALAR, NDARRAY, TENSOR], "numpy"), ([NDARRAY], "numpy"),
    ],
)  # fmt: skip
def test_unify_without_to_uses_the_framework_of_the_first_known_array(
    arrays: list[Any], framework: str
) -> None:
    results = unify(*arrays)
    assert [interop.framework_of(x) for x in results] == [framework] * len(arrays)
    assert [x.tolist() for x in results] == [interop.to_numpy(x).tolist() for x in arrays]


@pytest.mark.parametrize("to", ["torch", torch, torch.Tensor, "numpy", np, np.ndarray])
def test_unify_to_chooses_the_framework(to: Any) -> None:
    name = "torch" if to in ("torch", torch, torch.Tensor) else "numpy"
    results = unify(NDARRAY, TENSOR, FOREIGN, SCALAR, to=to)
    assert [interop.framework_of(x) for x in results] == [name] * 4
    assert [tuple(x.shape) for x in results] == [(3,), (4,), (2,), ()]
    assert [str(x.dtype).removeprefix("torch.") for x in results] == [
        "float32",
        "float64",
        "int16",
        "float64",
    ]


def test_unify_returns_target_arrays_themselves_and_shares_others() -> None:
    first, second = unify(TENSOR, NDARRAY)
    assert first is TENSOR
    assert interop.shares_memory(second, NDARRAY)
    assert unify(NDARRAY, TENSOR, to="numpy")[0] is NDARRAY


def test_unify_repeated_array_is_converted_once() -> None:
    a, b, c, d = unify(TENSOR, NDARRAY, TENSOR, NDARRAY, copy=True)
    assert a is c
    assert b is d
    assert not interop.shares_memory(a, TENSOR)
    assert not interop.shares_memory(b, NDARRAY)


def test_unify_without_arrays_returns_an_empty_tuple() -> None:
    assert unify() == unify(to="torch") == ()


def test_unify_takes_the_keywords_of_convert() -> None:
    results = unify(TENSOR, NDARRAY, device="cpu", dtype="float16", casting="unsafe")
    assert {x.dtype for x in results} == {torch.float16}
    weight = torch.ones(2, requires_grad=True)
    assert unify(weight, NDARRAY)[0] is weight
    assert unify(NDARRAY, weight, detach=True)[1].tolist() == [1, 1]


def test_unify_meta_tensors_are_returned_themselves() -> None:
    meta = torch.ones(2, device="meta")
    assert unify(meta, meta) == (meta, meta)


# Refusals

REFUSED = {
    "no known framework": Case(
        lambda: unify(memoryview(b"abc"), SCALAR, memoryview(b"")), interop.UnknownFrameworkError,
        "no array here is of a known framework, which would decide for all (memoryview, float64). "
        'Say where they go: interop.unify(*arrays, to="numpy").',
    ),
    "no such framework": Case(
        lambda: unify(to="torhc"), interop.UnknownFrameworkError,
        "no framework is called 'torhc'. Did you mean 'torch'? Known frameworks: KNOWN.",
    ),
    "no such choice": Case(
        lambda: unify(readonly="shared"), interop.InvalidOptionError,  # type: ignore[call-overload]
        "readonly must be one of 'copy', 'share', 'error', got 'shared'",
    ),
    "no such keyword": Case(
        lambda: unify(axis=1), TypeError,  # type: ignore[call-overload]
        "there is no keyword 'axis'. The keywords are device, dtype, copy, stream, detach, readonly, casting, compute, "
        "chunks.",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED.values(), ids=REFUSED)
def test_unify_invalid_arguments_are_refused_with_the_reason(case: Case) -> None:
    case.check()


@pytest.mark.parametrize(
    ("call", "where"),
    [
        (lambda: unify(NDARRAY, 2.5), 1), (lambda: unify(2.5, NDARRAY), 0), (lambda: unify(1, 2), 0),
        (lambda: unify(SCALAR, [1]), 1), (lambda: unify([NDARRAY, TENSOR]), 0),
        (lambda: unify(NDARRAY, 2, to=torch), 1),
    ],
)  # fmt: skip
def test_unify_object_that_is_not_an_array_raises_with_its_position(
    call: Callable[[], Any], where: int
) -> None:
    with pytest.raises(interop.NotAnArrayError, match="is not an array") as caught:
        call()
    assert caught.value.__notes__ == [f"at arrays[{where}]"]


def test_unify_tensor_with_gradient_is_refused_with_its_position() -> None:
    with pytest.raises(interop.GradientError) as caught:
        unify(NDARRAY, TENSOR, torch.ones(2, requires_grad=True))
    assert caught.value.__notes__ == ["at arrays[2]"]
    assert caught.value.__context__ is None


def test_unify_static_result_types_follow_to() -> None:
    assert_type(unify(TENSOR, NDARRAY, to="numpy"), tuple[NDArray[Any], ...])
    assert_type(unify(TENSOR, NDARRAY, to="torch", copy=True), tuple[torch.Tensor, ...])
    assert_type(unify(TENSOR, NDARRAY, to=torch.Tensor), tuple[torch.Tensor, ...])
    assert_type(unify(TENSOR, NDARRAY, to=np), tuple[Any, ...])
    assert_type(unify(TENSOR, NDARRAY, device="cpu"), tuple[Any, ...])


# On a GPU


@pytest.mark.requires("cupy", "gpu")
def test_unify_moves_arrays_to_the_device_of_the_first() -> None:
    import cupy

    on_host, on_device, cupy_array = torch.ones(3), torch.ones(3).cuda(), interop.to_cupy(NDARRAY)
    for arrays, place in [
        ((on_device, on_host, NDARRAY, cupy_array), ("torch", 2)),
        ((on_host, on_device, cupy_array), ("torch", 1)),
        ((cupy_array, on_host, on_device), ("cupy", 2)),
    ]:
        results = unify(*arrays)
        assert {(interop.framework_of(x), interop.device_of(x).kind) for x in results} == {place}
        assert results[0] is arrays[0]
    first, second = unify(on_device, cupy_array, to=cupy)
    assert interop.shares_memory(first, on_device)
    assert second is cupy_array


@pytest.mark.requires("cupy", "gpu")
def test_unify_unreachable_device_falls_back_to_the_target_default() -> None:
    results = unify(torch.ones(2), NDARRAY, to="cupy")
    assert {interop.device_of(x).kind for x in results} == {2}
    assert {interop.device_of(x).kind for x in unify(*results, to="numpy")} == {1}


@pytest.mark.requires("cupy", "gpu")
def test_unify_device_overrides_the_device_of_the_first_array() -> None:
    results = unify(NDARRAY, torch.ones(2).cuda(), to="torch", device="cpu")
    assert {str(x.device) for x in results} == {"cpu"}
    results = unify(NDARRAY, TENSOR, to="torch", device="cuda")
    assert {str(x.device) for x in results} == {"cuda:0"}


@pytest.mark.requires("cupy", "simcuda")  # the simulated CUDA has two devices
def test_unify_keeps_the_device_index_of_the_first_known_array() -> None:
    for to in ("torch", "cupy"):
        first = interop.convert(NDARRAY, to, device="cuda:1")
        results = unify(FOREIGN, first, NDARRAY, torch.ones(2).cuda())
        assert {(interop.framework_of(x), interop.device_of(x)) for x in results} == {(to, (2, 1))}
