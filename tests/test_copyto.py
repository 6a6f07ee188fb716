"""copyto on the host: values between all frameworks, layouts, shapes and dtypes."""

from collections.abc import Iterator
from typing import Any, cast

import numpy as np
import pytest
from numpy.typing import NDArray

import foreign
import interop
from foreign import Lazy
from interop import copyto

VALUES = np.arange(24, dtype="f4").reshape(6, 4)
MAKE: dict[str, Any] = {
    "numpy": np.array,
    "torch": lambda values: interop.to_torch(np.array(values)),
    "memoryview": lambda values: memoryview(cast("Any", np.array(values))),
    "bytearray": lambda values: memoryview(bytearray(values.tobytes())).cast("f", values.shape),
    "DLPack": lambda values: foreign.DLPack(np.array(values)),
    "array interface": lambda values: foreign.ArrayInterface(np.array(values)),
}
SOURCES: dict[str, Any] = {
    **MAKE,
    "read-only": lambda values: memoryview(values.tobytes()).cast("f", values.shape),
    "__array__": foreign.Array,
    "lazy": Lazy,
    "a generator": iter,
    "a list": lambda values: [
        values[:1],
        interop.to_torch(values[1:5].copy()),
        values[5:5],
        values[5:],
    ],
}
LAYOUTS: dict[str, Any] = {
    "contiguous": lambda x: x,
    "transposed": lambda x: np.ascontiguousarray(x.T).T,
    "sliced": lambda x: np.repeat(x, 2, 1)[:, ::2],
    "reversed": lambda x: np.ascontiguousarray(x[::-1, ::-1])[::-1, ::-1],
    "big-endian": lambda x: x.astype(">f4"),
    "not aligned": lambda x: np.ndarray(x.shape, x.dtype, b"\0" + x.tobytes(), 1),
}


def rows(values: NDArray[Any]) -> Iterator[Any]:
    return (values[i : i + 1] for i in range(len(values)))


def case(name: str) -> Any:
    """Return a target as a parameter. Capsules without flags give read-only memory."""
    marks = [pytest.mark.requires("numpy-dlpack")] if name == "DLPack" else []
    return pytest.param(name, marks=marks)


def value(x: Any) -> NDArray[Any]:
    return interop.to_numpy(x, detach=True)


@pytest.mark.requires("torch")
@pytest.mark.parametrize("batch_bytes", [None, 1, 20, 40])
@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("target", [case(name) for name in MAKE])
def test_copyto_between_any_source_and_target_writes_the_values(
    source: str, target: str, batch_bytes: int | None
) -> None:
    dst = MAKE[target](np.zeros_like(VALUES))
    values = rows(VALUES) if source == "a generator" else VALUES
    copyto(dst, SOURCES[source](values), batch_bytes=batch_bytes)
    np.testing.assert_array_equal(value(dst), VALUES)


@pytest.mark.requires("torch")
@pytest.mark.parametrize("batch_bytes", [None, 4, 24])
@pytest.mark.parametrize("start", LAYOUTS)
@pytest.mark.parametrize(
    ("end", "to"),
    [*((end, "numpy") for end in LAYOUTS), *((end, "torch") for end in list(LAYOUTS)[:3])],
)
def test_copyto_between_any_layouts_writes_the_values(
    start: str, end: str, to: str, batch_bytes: int | None
) -> None:
    memory = LAYOUTS[end](np.zeros_like(VALUES))
    if not memory.flags.writeable:
        memory = np.ndarray(VALUES.shape, VALUES.dtype, bytearray(VALUES.nbytes + 1), 1)
    dst = interop.convert(memory, to, copy=False)
    copyto(dst, LAYOUTS[start](VALUES), batch_bytes=batch_bytes)
    np.testing.assert_array_equal(memory, VALUES)


@pytest.mark.parametrize("shape", [(), (0,), (3, 0), (1,), (1, 1, 1), (2, 3, 4, 5)])
@pytest.mark.parametrize("batch_bytes", [1, 64, None])
def test_copyto_of_any_shape_writes_the_values(
    shape: tuple[int, ...], batch_bytes: int | None
) -> None:
    values = np.arange(np.prod(shape, dtype=int), dtype="i2").reshape(shape)
    dst = np.full(shape, -1, "i2")
    copyto(dst, values, batch_bytes=batch_bytes)
    np.testing.assert_array_equal(dst, values)


@pytest.mark.requires("torch")
@pytest.mark.parametrize("to", ["numpy", "torch"])
@pytest.mark.parametrize(
    ("start", "end", "casting"),
    [
        ("f4", "f8", "same_kind"),
        ("f8", "f2", "same_kind"),
        ("i8", "f4", "same_kind"),
        ("?", "c16", "same_kind"),
        ("f4", "i2", "unsafe"),
        ("c8", "f4", "unsafe"),
        ("c8", "?", "unsafe"),
    ],
)
def test_copyto_casts_values_like_numpy(start: str, end: str, casting: Any, to: str) -> None:
    values: Any = np.array([[0, 1, 2], [3, 100, 127]]).astype(start)
    for source in (values, interop.to_torch(values)):
        dst = interop.convert(np.zeros((2, 3), end), to)
        copyto(dst, source, casting=casting, batch_bytes=16)
        expected = (values.real if values.dtype.kind == "c" and end != "?" else values).astype(end)
        np.testing.assert_array_equal(value(dst), expected, strict=True)


@pytest.mark.requires("torch", "ml_dtypes")
@pytest.mark.parametrize("start", ["bfloat16", "float8_e5m2", "float32"])
@pytest.mark.parametrize("end", ["bfloat16", "float8_e4m3fn", "float32"])
def test_copyto_of_small_floats_writes_the_values(start: str, end: str) -> None:
    import torch

    values = torch.tensor([[0, 1, 2], [3, 4, 5]]).to(getattr(torch, start))
    for source in (values, interop.to_numpy(values)):
        for dst in (
            torch.zeros(2, 3).to(getattr(torch, end)),
            interop.to_numpy(torch.zeros(2, 3), dtype=end),
        ):
            copyto(dst, source)
            assert interop.to_torch(dst).float().equal(values.float())


@pytest.mark.requires("torch")
def test_copyto_from_conjugated_or_negated_tensor_resolves_lazy_bits() -> None:
    import torch

    x = torch.tensor([[1 + 2j, 3 - 1j], [5j, 6]])
    values: Any = x.numpy()
    for source, expected in ((x.conj(), values.conj()), (x.conj().imag, -values.imag)):
        for dst in (np.zeros((2, 2), expected.dtype), torch.zeros(2, 2, dtype=source.dtype)):
            copyto(dst, source, batch_bytes=8)
            np.testing.assert_array_equal(value(dst), expected)
