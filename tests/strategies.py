"""Hypothesis strategies for arrays: any shape, strides, dtype, byte order and alignment.

Each array is a view of a separate byte buffer, the `root`, which stays writable even if the array
is read-only. So a test can change the memory through the root and see which arrays share it.
"""

import itertools
from math import prod
from typing import Any, Final, NamedTuple

import ml_dtypes
import numpy as np
import torch
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy
from numpy.typing import NDArray

import foreign
from interop.adapter import capsule

SPEAKERS: Final[list[type[Any]]] = [
    memoryview,
    foreign.OldDLPack,
    foreign.ArrayInterface,
    foreign.Array,
]
if capsule.numpy_reads_flags():  # DLPack 1.0, which these objects take from NumPy
    SPEAKERS.append(foreign.DLPack)
PLAIN: Final = (
    "bool", "uint8", "uint16", "uint32", "uint64", "int8", "int16", "int32", "int64",
    "float16", "float32", "float64", "complex64", "complex128",
)  # fmt: skip
NEW_IN_TORCH: Final = ("float8_e8m0fnu",)  # in some supported releases
EXOTIC: Final = (
    "bfloat16",
    "float8_e4m3fn",
    "float8_e4m3fnuz",
    "float8_e5m2",
    "float8_e5m2fnuz",
    *filter(lambda name: hasattr(torch, name), NEW_IN_TORCH),
)
DTYPES: Final = PLAIN + EXOTIC


class Layout(NamedTuple):
    """The positions of the elements: index 0 is at `offset`, and all are below `length`."""

    shape: tuple[int, ...]
    strides: tuple[int, ...]
    offset: int
    length: int

    @property
    def places(self) -> set[int]:
        """Return the position of every element, found by enumeration."""
        indices = itertools.product(*map(range, self.shape))
        return {
            self.offset + sum(i * s for i, s in zip(index, self.strides, strict=True))
            for index in indices
        }

    @property
    def overlaps(self) -> bool:
        return len(self.places) < prod(self.shape)

    @property
    def interleaves(self) -> bool:
        """Return whether an axis steps into the span of a smaller one, so elements may overlap."""
        axes = sorted((abs(s), n) for s, n in zip(self.strides, self.shape, strict=True) if n > 1)
        spans = itertools.accumulate((s * (n - 1) for s, n in axes), initial=0)
        return bool(prod(self.shape)) and any(
            s <= span for (s, _), span in zip(axes, spans, strict=False)
        )

    @property
    def is_reversed(self) -> bool:
        return bool(prod(self.shape)) and any(
            s < 0 and n > 1 for s, n in zip(self.strides, self.shape, strict=True)
        )


class Case(NamedTuple):
    """An array to convert, and the properties known without interop."""

    x: Any
    array: Any
    """The ndarray or tensor that owns the memory: `x`, unless `x` only speaks a protocol."""
    root: NDArray[np.uint8]
    layout: Layout
    dtype: str
    framework: str
    readonly: bool = False
    gradient: bool = False
    not_shareable: bool = False
    """True for swapped bytes, misaligned memory or a lazy bit, which other frameworks lack."""
    read: bool = False
    """True if the memory is created by a read."""


def numpy_dtype(name: str) -> np.dtype[Any]:
    return np.dtype(getattr(ml_dtypes, name) if name in EXOTIC else name)


def torch_dtype(name: str) -> torch.dtype:
    dtype: torch.dtype = getattr(torch, name)
    return dtype


@st.composite
def layouts(draw: DrawFn, *, may_reverse: bool = True) -> Layout:
    """Generate layouts: 0-d to 5-d, empty, permuted, stepped, or overlapping as by as_strided."""
    shape = draw(st.lists(st.sampled_from([2, 1, 3, 0]), max_size=5))
    steps = [1, 1, 1, 2, 0, "sliding", "interleaved"] + [-1] * may_reverse
    strides, span = [0] * len(shape), 1
    for axis in reversed(draw(st.permutations(range(len(shape))))):
        step = draw(st.sampled_from(steps))
        strides[axis] = (
            step * span if isinstance(step, int) else 1 if step == "sliding" else span // 2 + 1
        )
        span += abs(strides[axis]) * (max(shape[axis], 1) - 1)
    back = sum(-s * (n - 1) for s, n in zip(strides, shape, strict=True) if s < 0 and n)
    before = draw(st.integers(0, 2))
    return Layout(tuple(shape), tuple(strides), before + back, before + span)


def any_bytes(draw: DrawFn, size: int, dtype: str) -> NDArray[np.uint8]:
    """Return arbitrary bytes, NaN patterns included. A bool has only two values."""
    random = np.random.default_rng(draw(st.integers(0, 9)))
    return random.integers(0, 2 if dtype == "bool" else 256, size, np.uint8)


def write_numbers(x: Any) -> None:
    """Write numbers that every dtype can represent exactly, float8_e8m0fnu included."""
    numbers: Any = np.resize([1, 2, 4], x.shape)
    if isinstance(x, torch.Tensor):
        x.copy_(torch.from_numpy(numbers))  # `x[...] =` may be `fill_`, which 8-bit floats lack
    else:
        x[...] = numbers


@st.composite
def numpy_cases(
    draw: DrawFn, dtypes: tuple[str, ...] = DTYPES, *, may_hinder: bool = True, of: str = "bytes"
) -> Case:
    """Generate ndarrays, also as fields of packed structs (a gap) and misaligned (a skew)."""
    name, layout = draw(st.sampled_from(dtypes)), draw(layouts())
    dtype, defect = (
        numpy_dtype(name),
        draw(st.sampled_from(["", "", "order", "gap", "skew"] if may_hinder else [""])),
    )
    if defect == "order" and name in PLAIN:
        dtype = dtype.newbyteorder()
    pitch, skew = dtype.itemsize + (defect == "gap"), int(defect == "skew")
    root, strides = (
        any_bytes(draw, layout.length * pitch + skew, name),
        [pitch * s for s in layout.strides],
    )
    x = np.ndarray(layout.shape, dtype, root, skew + pitch * layout.offset, strides)
    if of == "numbers":
        write_numbers(x)
    x.flags.writeable = not draw(st.booleans())
    whole = all(
        s % dtype.itemsize == 0 for s, n in zip(strides, layout.shape, strict=True) if n > 1
    )
    not_shareable = not (dtype.isnative and x.flags.aligned and whole)
    return Case(
        x,
        x,
        root,
        layout,
        name,
        "numpy",
        readonly=not x.flags.writeable,
        not_shareable=not_shareable,
    )


@st.composite
def torch_cases(draw: DrawFn, dtypes: tuple[str, ...] = DTYPES, *, of: str = "bytes") -> Case:
    """Generate tensors in torch's own memory, some with a gradient or a lazy bit."""
    name, layout = draw(st.sampled_from(dtypes)), draw(layouts(may_reverse=False))
    dtype = torch_dtype(name)
    owner = torch.from_numpy(any_bytes(draw, layout.length * dtype.itemsize, name)).clone()
    flat = owner.view(dtype)
    if dtype.is_complex:
        flat = draw(st.sampled_from([flat, flat.conj(), torch._neg_view(flat)]))  # pyright: ignore[reportPrivateImportUsage]
    if of == "numbers":
        write_numbers(flat)
    x = flat.as_strided(layout.shape, layout.strides, layout.offset)
    if dtype.is_floating_point or dtype.is_complex:
        x.requires_grad_(draw(st.booleans()))
    lazy = x.is_conj() or x.is_neg()
    return Case(
        x, x, owner.numpy(), layout, name, "torch", gradient=x.requires_grad, not_shareable=lazy
    )


def lacks_versions(x: Any) -> bool:
    """Return whether the framework of an array is older than DLPack 1.0."""
    try:
        x.__dlpack__(max_version=(1, 0))
    except (TypeError, NotImplementedError):
        return True
    return False


@st.composite
def foreign_cases(draw: DrawFn, *, of: str = "bytes") -> Case:
    """Generate objects of no framework over an array's memory, with one protocol each."""
    speak = draw(st.sampled_from(SPEAKERS))
    over_dlpack = issubclass(speak, foreign.DLPack)
    cases = numpy_cases(PLAIN, may_hinder=not over_dlpack, of=of)
    if over_dlpack:
        cases |= torch_cases(PLAIN, of=of).filter(
            lambda case: not (case.gradient or case.not_shareable)
        )
    case = draw(
        cases.filter(lambda case: not case.readonly) if speak is foreign.OldDLPack else cases
    )
    # An unversioned capsule does not say whether memory is read-only.
    unversioned = speak is foreign.OldDLPack or (
        speak is foreign.DLPack and lacks_versions(case.array)
    )
    return case._replace(
        x=speak(case.array),
        framework="foreign",
        readonly=case.readonly or unversioned,
        read=speak is foreign.Array,
    )


def cases(of: str) -> SearchStrategy[Case]:
    return numpy_cases(of=of) | torch_cases(of=of) | foreign_cases(of=of)


def keywords(**more: SearchStrategy[Any]) -> SearchStrategy[dict[str, Any]]:
    """Generate combinations of conversion keywords, each present or absent."""
    return st.fixed_dictionaries(
        {},
        optional={
            "copy": st.sampled_from([None, True, False]),
            "readonly": st.sampled_from(["copy", "share", "error"]),
            "detach": st.booleans(),
            **more,
        },
    )
