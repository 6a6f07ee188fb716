"""Arrays whose strides reach beyond any memory: refused, and never read.

`as_strided` of NumPy and CuPy makes them, and torch's refuses to. To read them is a crash, so the
tests run in child processes.
"""

from textwrap import dedent

import pytest

import interop
from child import run_child

pytestmark = pytest.mark.requires("torch")

START = dedent("""
    import gc, sys
    import numpy as np, torch, interop
    from numpy.lib.stride_tricks import as_strided

    ONES = np.ones(8)
    BEYOND = {
        "beyond": as_strided(ONES, (3,), (2**62,)),
        "overflow": as_strided(ONES, (5,), (2**62,)),
        "two axes": as_strided(ONES, (2, 3), (2**61, 8)),
        "backwards": as_strided(ONES, (2,), (-(2**63),)),
        "complex": as_strided(np.ones(8, "c16"), (9,), (2**61,)),
        "objects": as_strided(np.array(["1"] * 8, object), (3,), (2**60,)),
        "texts": as_strided(ONES.view("S8"), (3,), (2**60,)),
    }

    def refuse(call):
        for name, x in BEYOND.items():
            try:
                call(x)
            except interop.UnsupportedArrayError as error:
                assert "beyond any memory. Pass the array that it was made from." in str(error)
            else:
                raise AssertionError(name)
""")
CALLS = [
    "interop.to_torch(x)",
    "interop.to_torch(x, copy=True)",
    "interop.to_numpy(x, copy=True)",
    "interop.explain(x, 'torch')",
    "interop.stack([x, x], 'numpy')",
    "interop.stack([x, x], 'torch')",
    "interop.copyto(np.zeros(x.shape), x)",
    "interop.copyto(x, np.zeros(x.shape))",
    "list(interop.batches(x, 'torch', size=2))",
    "np.from_dlpack(interop.export(x))",
    "interop.convert(x, 'dask')",
]


@pytest.mark.parametrize("compiled", ["0", "1"])
@pytest.mark.requires("dask")
def test_calls_with_strides_beyond_memory_are_refused(
    compiled: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INTEROP_COMPILED", compiled)
    run_child(START + "\n".join(f"refuse(lambda x: {call})" for call in CALLS))


def test_to_torch_in_python_with_strides_beyond_memory_keeps_no_reference(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("INTEROP_COMPILED", "0")
    run_child(
        START
        + dedent("""
            def count():
                refuse(interop.to_torch)
                gc.collect()
                return [sys.getrefcount(x) for x in BEYOND.values()]

            before = count()
            for _ in range(100):
                refuse(interop.to_torch)
            assert count() == before
        """)
    )


def test_to_torch_with_long_strides_of_unused_axes_shares() -> None:
    import numpy as np
    from numpy.lib.stride_tricks import as_strided

    ones = np.ones(3)
    tensor = interop.to_torch(as_strided(ones, (1, 3, 1), (2**62, 8, -(2**62))))
    tensor[0, 1, 0] = 7
    assert ones[1] == 7
    empty = as_strided(ones, (2, 0), (2**62, 8))
    assert interop.to_torch(empty).shape == (2, 0)


@pytest.mark.requires("cupy", "gpu")
def test_explain_cupy_array_with_strides_beyond_memory_is_refused() -> None:
    import cupy
    from cupy.lib.stride_tricks import as_strided

    x = as_strided(cupy.empty(8), (3,), (2**62,))
    for target in ("torch", "numpy"):
        with pytest.raises(interop.UnsupportedArrayError, match="beyond any memory"):
            interop.explain(x, target)
