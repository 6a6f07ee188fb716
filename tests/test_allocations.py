"""Failed allocations, each one in turn. The stress kind `allocations` lets several fail at random."""

from pathlib import Path

import pytest

from child import run_child
from stress import allocations

TESTS = str(Path(__file__).parent)
pytestmark = [
    pytest.mark.requires("torch"),
    pytest.mark.skipif(not allocations.AVAILABLE, reason="this Python has no module _testcapi"),
]


@pytest.mark.slow
@pytest.mark.parametrize("fresh", [True, False], ids=["planned", "fast or cached"])
def test_convert_with_each_allocation_failed_leaves_no_state_and_does_not_crash(
    fresh: bool,
) -> None:
    said = run_child(f"""
        import sys
        sys.path.insert(0, {TESTS!r})
        from stress.allocations import ROUTES, attempt_each
        print(*(attempt_each(route, fresh={fresh})["failed with MemoryError"] for route in ROUTES))
    """)
    failures = [int(word) for word in said.split()]
    assert len(failures) == len(allocations.ROUTES)
    assert min(failures) > 0


@pytest.mark.requires("compiled")
def test_compiled_functions_with_each_allocation_failed_keep_no_reference() -> None:
    said = run_child("""
        import gc, sys
        import _testcapi, interop, numpy as np, torch
        interop.to_torch(np.ones(3))
        from interop.adapters.torch import _native

        arrays = np.ones(3), np.ones((4, 3)).T, np.ones((2, 3))[:, ::-1], np.zeros(40, "u1")[8:24].view("c16")
        tensors = torch.ones(3), torch.ones(3, requires_grad=True), torch.ones(3, dtype=torch.complex64)
        tensors += tensors[2].conj(), torch.ones(3, dtype=torch.int8), torch.nn.Parameter(torch.ones(3))
        cases = [(f, x) for f in (_native.adopt, _native.adopt_copy) for x in arrays]
        cases += [(f, x) for f in (_native.share, _native.share_detached, _native.share_copy) for x in tensors]
        kinds = np.dtype("f8"), np.dtype("f4"), np.dtype("c8"), np.dtype("i1"), NotImplemented, torch.Tensor
        failures = 0
        for function, x in cases:
            for _ in range(30):
                function(x)  # until the storage is frozen
            for start in range(12):
                for _ in range(3):
                    result = None
                    before = [sys.getrefcount(one) for one in (x, *kinds)]
                    try:
                        _testcapi.set_nomemory(start, start + 1)
                        try:
                            result = function(x)
                        finally:
                            _testcapi.remove_mem_hooks()
                    except MemoryError:
                        failures += 1
                    result = None
                    after = [sys.getrefcount(one) for one in (x, *kinds)]
                    assert after == before, (function, x, start, before, after)
                again = function(x)
                assert again is NotImplemented or again.tolist() == x.tolist()
        print(failures)
    """)
    assert int(said) > 0
