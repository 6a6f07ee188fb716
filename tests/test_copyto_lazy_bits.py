"""copyto and casts of tensors with a pending conjugation or negation."""

from collections.abc import Callable
from itertools import product
from typing import Any, Final

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

import interop
from interop import copyto

pytestmark = pytest.mark.requires("torch", "ml_dtypes")

DTYPES: Final = (
    "bool", "uint8", "uint16", "uint32", "uint64", "int8", "int16", "int32", "int64", "float16", "float32", "float64",
    "complex64", "complex128", "bfloat16", "float8_e4m3fn", "float8_e5m2",
)  # fmt: skip
HUGE: Final = 4 * 1024 * 1024  # bytes: from here on copies go another way


def negated(x: Any) -> Any:
    import torch

    return torch._neg_view(x)  # pyright: ignore[reportPrivateImportUsage]


VIEWS: Final[dict[str, Callable[[Any], Any]]] = {
    "conjugate": lambda z: z.conj(),
    "negative": negated,
    "negative conjugate": lambda z: negated(z.conj()),
    "imaginary part": lambda z: z.imag,
    "imaginary part of the conjugate": lambda z: z.conj().imag,
    "real part of the conjugate": lambda z: z.conj().real,
    "real part of the negative": lambda z: negated(z).real,
    "imaginary part of the negative conjugate": lambda z: negated(z.conj()).imag,
    "transposed": lambda z: z.conj().T.imag,
    "sliced": lambda z: z.conj()[::2, 1:].imag,
}


def resolved(x: Any) -> Any:
    return x.resolve_conj().resolve_neg().numpy()


def cast(values: Any, dtype: str) -> Any:
    """Cast as NumPy does, without the imaginary part."""
    wanted = interop.to_numpy(np.zeros(0), dtype=dtype, casting="unsafe").dtype
    if values.dtype.kind == "c" and wanted.kind not in "bc":
        values = values.real
    return values.astype(wanted)


def numbers(view: str, *, wide: bool, signs: int, device: str = "cpu") -> Any:
    """Return a view of complex numbers with small integers as parts.

    All real parts have one sign, and so have all imaginary parts. `signs` has a bit for each.
    """
    import torch

    parts = torch.arange(1, 13, dtype=torch.float64 if wide else torch.float32).reshape(3, 4)
    z = torch.complex(parts * (-1 if signs & 1 else 1), (parts + 2) * (-1 if signs & 2 else 1))
    return VIEWS[view](z.to(device))


def fits(values: Any, dtype: str) -> bool:
    """Return whether a dtype can store the numbers, which may be negative."""
    return not dtype.startswith("uint") or bool((values.real >= 0).all())


sources = st.builds(
    numbers, st.sampled_from(list(VIEWS)), wide=st.booleans(), signs=st.integers(0, 3)
)


@given(sources, st.sampled_from(DTYPES), st.sampled_from([None, 1, 40]))
@pytest.mark.parametrize("to", ["torch", "numpy"])
def test_copyto_with_lazy_bits_writes_resolved_values(
    to: str, source: Any, dtype: str, batch_bytes: int | None
) -> None:
    assume(fits(resolved(source), dtype))
    expected = cast(resolved(source), dtype)
    dst = interop.convert(np.zeros_like(expected), to, copy=True)
    copyto(dst, source, casting="unsafe", batch_bytes=batch_bytes)
    np.testing.assert_array_equal(interop.to_numpy(dst), expected, strict=True)


@given(sources, st.sampled_from(DTYPES))
@pytest.mark.parametrize("to", ["torch", "numpy"])
def test_copyto_with_lazy_bits_refuses_the_same_casts_as_plain_values(
    to: str, source: Any, dtype: str
) -> None:
    lazily, plainly = (
        interop.convert(cast(np.zeros_like(resolved(source)), dtype), to, copy=True)
        for _ in range(2)
    )
    try:
        copyto(plainly, resolved(source))
    except interop.UnsupportedArrayError:
        with pytest.raises(interop.UnsupportedArrayError):
            copyto(lazily, source)
        return
    copyto(lazily, source)
    np.testing.assert_array_equal(interop.to_numpy(lazily), interop.to_numpy(plainly), strict=True)


@given(sources, st.sampled_from(DTYPES))
@pytest.mark.parametrize("to", ["torch", "numpy"])
def test_convert_with_lazy_bits_casts_resolved_values(to: str, source: Any, dtype: str) -> None:
    values = resolved(source)
    assume(fits(values, dtype))
    result = interop.convert(source, to, dtype=dtype, casting="unsafe")
    np.testing.assert_array_equal(interop.to_numpy(result), cast(values, dtype), strict=True)


@pytest.mark.parametrize(
    "dtype", ["bool", "uint16", "float16", "float64", "complex64", "float8_e5m2"]
)
@pytest.mark.parametrize("to", ["torch", "numpy"])
def test_convert_of_a_huge_tensor_with_lazy_bits_casts_resolved_values(to: str, dtype: str) -> None:
    import torch

    source = torch.full((HUGE // 4,), -2j, dtype=torch.complex64).conj().imag
    result = interop.convert(source, to, dtype=dtype, casting="unsafe")
    ends = interop.to_numpy(result)[[0, -1]]
    np.testing.assert_array_equal(ends, cast(np.array([2, 2], "f4"), dtype), strict=True)


def test_stack_of_huge_tensors_with_lazy_bits_has_resolved_values() -> None:
    import torch

    source = torch.full((HUGE // 4,), -2j, dtype=torch.complex64).conj().imag
    stacked = interop.stack([source, source], "torch", dtype="float16")
    assert (stacked == 2).all()


@pytest.mark.requires("cupy", "gpu", "kernels")
@pytest.mark.parametrize("dtype", ["bool", "uint16", "int32", "float16", "float64", "complex64"])
@pytest.mark.parametrize("to", ["cupy", "torch", "numpy"])
@pytest.mark.parametrize("start", ["cpu", "cuda"])
def test_copyto_with_lazy_bits_on_a_gpu_writes_resolved_values(
    start: str, to: str, dtype: str
) -> None:
    place = None if to == "numpy" else "cuda"
    for view, signs in product(VIEWS, range(4)):
        source = numbers(view, wide=False, signs=signs, device=start)
        values = resolved(source.cpu())
        if fits(values, dtype):
            dst = interop.convert(np.zeros_like(cast(values, dtype)), to, device=place, copy=True)
            copyto(dst, source, casting="unsafe", batch_bytes=64)
            np.testing.assert_array_equal(interop.to_numpy(dst), cast(values, dtype), strict=True)
