"""Host plans are cached for arrays that agree in every property that a plan depends on."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch

import interop
from interop._engine import fastpath, plan_cache
from interop._engine.planner import make_plan
from interop._identify import registry
from ledger import Ledger, LedgerAdapter
from registering import registered
from strategies import torch_dtype

pytestmark = pytest.mark.requires("torch")


@pytest.fixture(autouse=True)
def _afresh() -> Iterator[None]:
    fastpath.clear()
    yield
    fastpath.clear()


@pytest.fixture
def plans(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Collect every plan that is made from now on."""
    made: list[Any] = []

    def make(conversion: Any) -> Any:
        made.append(make_plan(conversion))
        return made[-1]

    monkeypatch.setattr("interop._engine.planner.make_plan", make)
    return made


def bfloats() -> torch.Tensor:
    return torch.ones(3, dtype=torch.bfloat16)


ASKED: dict[str, tuple[Callable[[], Any], str, dict[str, Any]]] = {
    "a cast": (lambda: np.arange(3), "torch", {"dtype": "float32"}),
    "a cast of torch's": (lambda: torch.arange(3), "numpy", {"dtype": torch.float32}),
    "unsafe": (lambda: np.arange(3.0), "torch", {"dtype": "int8", "casting": "unsafe"}),
    "read-only": (lambda: np.broadcast_to(np.float32(1), 3), "torch", {}),
    "expanded": (lambda: torch.ones(1).expand(3), "numpy", {}),
    "swapped": (lambda: np.ones(3, ">f4"), "torch", {}),
    "bfloat16": (bfloats, "numpy", {}),
    "conjugated": (lambda: torch.ones(3, dtype=torch.complex64).conj(), "numpy", {}),
    "within": (lambda: np.ones(3), "numpy", {"dtype": "float32"}),
    "on the host": (lambda: torch.ones(3), "numpy", {"device": "cpu", "dtype": "float64"}),
}


@pytest.mark.parametrize("asked", ASKED.values(), ids=ASKED)
def test_plan_cache_repeated_calls_reuse_the_plan(
    asked: tuple[Any, str, dict[str, Any]], plans: list[Any]
) -> None:
    make, to, keywords = asked
    results = [interop.convert(make(), to, **keywords) for _ in range(5)]
    assert len(plans) == 2  # the first call comes before the class is registered
    assert len({look(result) for result in results}) == 1


def look(x: Any) -> tuple[object, ...]:
    return type(x), x.dtype, str(x.tolist()), isinstance(x, np.ndarray) and x.flags.writeable


@pytest.mark.requires("ml_dtypes")
@pytest.mark.parametrize(
    "change",
    [
        lambda t: t.conj(), torch._neg_view, lambda t: t.T, lambda t: t[:1], lambda t: t[:, ::2],  # pyright: ignore[reportPrivateImportUsage]
        lambda t: t.to(torch.complex128), lambda t: t[:, :1].expand(2, 4), lambda t: t.real.to(torch_dtype("bfloat16")),
    ],
)  # fmt: skip
def test_plan_cache_separates_layouts_dtypes_and_conjugation(
    change: Callable[[torch.Tensor], torch.Tensor],
) -> None:
    tensor = torch.arange(8).reshape(2, 4).to(torch.complex64)
    other = change(tensor)
    for _ in range(4):
        for x in (tensor, other):
            array = interop.to_numpy(x, readonly="copy")
            assert array.astype(complex).tolist() == x.to(torch.complex128).tolist()
            assert array.flags.writeable == (x.stride(1) != 0)


def test_plan_cache_tensor_with_gradient_is_refused_each_time() -> None:
    tensor, weight = torch.ones(3), torch.ones(3, requires_grad=True)
    for _ in range(4):
        assert interop.to_numpy(tensor, dtype="float64").tolist() == [1, 1, 1]
        with pytest.raises(interop.GradientError):
            interop.to_numpy(weight, dtype="float64")


def test_plan_cache_read_only_array_is_shared_only_with_readonly_share() -> None:
    array = np.ones(3)
    frozen = array[:]
    frozen.flags.writeable = False
    for _ in range(4):
        assert interop.shares_memory(interop.to_torch(array, readonly="copy"), array)
        assert not interop.shares_memory(interop.to_torch(frozen, readonly="copy"), array)
        assert interop.shares_memory(interop.to_torch(frozen, readonly="share"), array)


def test_plan_cache_separates_aligned_and_misaligned_memory() -> None:
    memory = np.zeros(33, "u1")
    aligned, skewed = memory[:32].view("f8"), memory[1:].view("f8")
    for _ in range(4):
        assert interop.shares_memory(interop.to_torch(aligned, readonly="copy"), memory)
        assert not interop.shares_memory(interop.to_torch(skewed, readonly="copy"), memory)


def test_plan_cache_ignores_options_of_a_block_that_ended() -> None:
    frozen = np.broadcast_to(np.float32(1), 3)
    plain = np.ones(3)
    plain.flags.writeable = False
    for _ in range(3):
        assert not interop.shares_memory(interop.to_torch(plain), plain)
        with interop.options(readonly="share"):
            assert interop.shares_memory(interop.to_torch(plain), plain)
        with interop.options(readonly="error"), pytest.raises(interop.CopyRequiredError):
            interop.to_torch(plain)
        assert interop.to_torch(frozen).tolist() == [1, 1, 1]


@pytest.mark.parametrize(
    "wrong", [{"copy": 1}, {"copy": 1.0}, {"detach": 1}, {"dtype": ["f4"]}, {"device": ["cpu"]}]
)
def test_plan_cache_keyword_of_wrong_type_is_refused(wrong: dict[str, Any]) -> None:
    for _ in range(3):
        interop.to_torch(np.ones(3), copy=True), interop.to_torch(np.ones(3), detach=True)
    with pytest.raises(interop.InvalidOptionError):
        interop.to_torch(np.ones(3), **wrong)


def test_plan_cache_keeps_at_most_1024_calls() -> None:
    for n in range(1500):
        interop.to_torch(np.ones(n, ">f4"))
    assert 0 < len(plan_cache.CALLS) <= 1024


def test_plan_cache_device_is_resolved_on_every_call(monkeypatch: pytest.MonkeyPatch) -> None:
    """The current device may change between calls."""
    torch_adapter = registry.adapter_named("torch")
    asked: list[Any] = []
    resolve_device = torch_adapter.resolve_device

    def ask(device: Any) -> Any:
        asked.append(device)
        return resolve_device(device)

    monkeypatch.setattr(torch_adapter, "resolve_device", ask, raising=False)
    for _ in range(3):
        with pytest.raises(interop.DeviceUnavailableError):
            interop.to_torch(np.ones(3), device="cuda:77")
    assert len(asked) == 3


def test_plan_cache_buffer_error_during_adoption_makes_a_copy_each_time() -> None:
    class Picky(LedgerAdapter):
        """An adapter that refuses arrays with a 13, which the facts do not show."""

        name = "picky"
        refused = 0

        def adopt_host(self, array: Any) -> Any:
            if 13 in array and not array.flags.owndata:
                Picky.refused += 1
                msg = "it holds a 13"
                raise BufferError(msg)
            return Ledger(array)

    with registered(Picky()):
        root = np.array([1.0, 2.0])
        for number in (1, 1, 1, 13, 13, 1):
            root[0] = number
            result = interop.convert(root[:], "picky", readonly="copy")
            assert result.rows.tolist() == [number, 2]
        assert Picky.refused >= 2


def test_plan_cache_parameter_is_converted_like_a_tensor() -> None:
    weight = torch.nn.Parameter(torch.arange(6.0).reshape(2, 3))
    for _ in range(4):
        array = interop.to_numpy(weight.data.T, detach=True)
        assert interop.shares_memory(array, weight)
        assert interop.to_numpy(weight, dtype="float64", detach=True).tolist() == weight.tolist()
        assert interop.to_torch(weight) is weight
        copied = interop.to_torch(weight, copy=True)
        assert type(copied) is torch.Tensor
        assert copied.grad_fn is not None
        with pytest.raises(interop.GradientError):
            interop.to_numpy(weight)
