"""Refusals and errors inside the compiled functions: no reference is kept, no exception is lost."""

import gc
import sys
from typing import Any

import numpy as np
import pytest
import torch
from numpy.lib.stride_tricks import as_strided
from torch.overrides import TorchFunctionMode

import interop
from child import run_child
from interop._identify import registry
from test_compiled import NOT_PLAIN, NOT_PLAIN_EITHER

pytestmark = pytest.mark.requires("torch", "ml_dtypes", "compiled")
adapter = registry.adapter_named("torch")
nothing: Any = [None] * 3
share, share_detached, share_copy = adapter.compiled_export_host() or nothing
adopt, _, adopt_copy = adapter.compiled_adopt_host() or nothing

BEYOND_MEMORY = {
    "beyond memory": lambda: as_strided(np.ones(8), (6, 2), (2**62, 8)),
    "beyond memory, one axis": lambda: as_strided(np.ones(8), (3,), (2**62,)),
    "beyond memory, bytes": lambda: as_strided(np.ones(8, "u1"), (3, 2), (2**62, 1)),
    "beyond memory, complex": lambda: as_strided(np.ones(8, "c16"), (9,), (2**61,)),
}
TENSORS = {
    **NOT_PLAIN,
    "gradient inside torch.func": lambda: torch.ones(3, requires_grad=True).expand(2, 3),
    "parameter": lambda: torch.nn.Parameter(torch.ones(3)),
    "plain": lambda: torch.ones(3),
    "no elements": lambda: torch.ones(0, 3),
}
NDARRAYS = {
    **NOT_PLAIN_EITHER,
    "reversed": lambda: np.arange(3)[::-1],
    "unaligned complex": lambda: np.zeros(40, "u1")[8:].view("c16"),
    "nine axes": lambda: np.ones([1] * 9),
    "plain": lambda: np.ones(3),
    "no elements": lambda: np.ones((0, 3)),
}
CASES = {
    f"{function.__name__}, {name}": (function, make)
    for functions, makes in (
        ((share, share_detached, share_copy), TENSORS),
        ((adopt, adopt_copy), NDARRAYS),
        ((adopt, adopt_copy), BEYOND_MEMORY),
    )
    for function in functions
    if function is not None
    for name, make in makes.items()
}


def counts(x: Any) -> list[int]:
    """Return the counts of references to all objects concerned, and of all allocated blocks."""
    objects = x, type(x), None, NotImplemented, np.dtype("f8"), np.dtype("f4"), np.ndarray
    return [*(sys.getrefcount(one) for one in objects), sys.getallocatedblocks()]


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_compiled_function_called_200_times_keeps_no_reference(case: Any) -> None:
    function, make = case
    x = make()
    for _ in range(50):  # until the storage is frozen, and torch has made its caches
        function(x)
    before = counts(x)
    for _ in range(200):
        function(x)
    grown = [b - a for a, b in zip(before, counts(x), strict=True)]
    assert grown[0] == 0
    assert max(grown) < 50


@pytest.mark.parametrize("make", BEYOND_MEMORY.values(), ids=BEYOND_MEMORY)
def test_adopt_with_strides_that_torch_refuses_returns_not_implemented(make: Any) -> None:
    assert adopt(make()) is NotImplemented


class Refusing(TorchFunctionMode):
    """A torch function mode in which each function of torch raises an error."""

    def __init__(self, error: BaseException) -> None:
        super().__init__()
        self.error = error

    def __torch_function__(self, *_: Any) -> Any:
        raise self.error


@pytest.mark.parametrize("error", [RuntimeError, TypeError, NotImplementedError, ZeroDivisionError])
def test_share_after_a_refusal_of_a_mode_returns_not_implemented(
    error: type[Exception],
) -> None:
    tensor = torch.ones(3)
    with Refusing(error("no")):
        assert share(tensor) is share_detached(tensor) is share_copy(tensor) is NotImplemented


@pytest.mark.parametrize("error", [MemoryError, KeyboardInterrupt, SystemExit, GeneratorExit])
def test_share_after_a_failed_allocation_or_an_interrupt_raises_it(
    error: type[BaseException],
) -> None:
    tensor = torch.ones(3)
    expected = error("stop")
    before = sys.getrefcount(tensor)
    with Refusing(expected):
        for call in (share, interop.to_numpy):
            with pytest.raises(error) as caught:
                call(tensor)
            assert caught.value is expected
            # The traceback has the frames of the mode, whose arguments include the tensor.
            expected.__traceback__ = None
            del caught
    gc.collect()
    assert sys.getrefcount(tensor) == before


def test_functions_of_native_without_bind_return_not_implemented() -> None:
    said = run_child("""
        import numpy as np, torch
        from interop.adapters.torch import _native
        tensor, array = torch.ones(3), np.ones(3)
        print(_native.share(tensor), _native.share_detached(tensor), _native.share_copy(tensor))
        print(_native.adopt(array), _native.adopt(array[::-1]), _native.adopt_copy(array))
    """)
    assert set(said.split()) == {"NotImplemented"}


def test_bind_twice_keeps_nothing_and_a_failed_bind_disables_the_functions() -> None:
    said = run_child("""
        import sys
        import numpy as np, torch
        from interop.adapters.torch import host
        names = torch.Tensor, torch.nn.Parameter, torch.UntypedStorage
        others = torch._C._is_torch_function_mode_enabled, torch.int8, torch.uint8

        def counts():
            capsule = torch.Tensor.__dict__["__dlpack_c_exchange_api__"]
            return [sys.getrefcount(one) for one in (*names, *others, capsule)]

        host.compiled.bind(*names, *others)
        before = counts()
        for _ in range(100):
            host.compiled.bind(*names, *others)
        assert counts() == before, (before, counts())
        print(host.compiled.adopt(np.ones(2)).tolist())

        for wrong in (type("NoTensor", (), {}), type("Other", (torch.Tensor,), {"is_neg": None}), 3):
            for _ in range(100):
                try:
                    host.compiled.bind(wrong, *names[1:], *others)
                except (AttributeError, TypeError):
                    pass
        print(host.compiled.share(torch.ones(2)))
    """)
    assert said.split("\n")[0] == "[1.0, 1.0]"
