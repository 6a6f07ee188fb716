"""`copyto`, `export`, `implemented_in` with results, and the functions that only ask."""

from typing import Any, Final

import numpy as np
import torch
from torch.utils.dlpack import from_dlpack

import interop

from .checks import Fuzz, check_unchanged, check_values, expect_error, lacks_numbers
from .layouts import any_layout, layout_of
from .makers import placed
from .oracle import DEVICES, Asked, Error, Promise, cast, loses_kind, promise
from .results import data_of, state_of
from .single import make_source
from .sources import DTYPES, PLAIN, SMALL, Source, memory, numpy_dtype

# -- copyto ------------------------------------------------------------------------------------------


def loses_numbers(start: str, end: str) -> bool:
    """Return whether `copyto` needs casting="unsafe": the table in docs/getting_started.md."""
    if loses_kind(start, end) or (end == "float8_e8m0fnu" and start != end):
        return True
    integers = start in PLAIN and end in PLAIN and "int" in start and "int" in end
    return integers and not np.can_cast(start, end, "safe")


def copyto(fuzz: Fuzz) -> None:
    """Write a source, or parts of it, into a view of guarded memory."""
    source = make_source(fuzz)
    if source.framework == "array_api_strict" or source.device != "cpu":
        return
    if source.error is interop.NotAnArrayError:
        return  # an iterable of arrays, or not: the first fault that is found is reported
    dtype = fuzz.random.choice((source.dtype, *DTYPES))
    shape = source.values.shape
    gaps = np.arange(2 * int(np.prod(shape))).reshape(*shape, 2)
    layout = layout_of(gaps[..., 0])
    if fuzz.random.random() < 0.3:
        layout = any_layout(fuzz.random)
    root = memory(fuzz.random, dtype, max(layout.length, 1))
    before = root.copy()
    view = placed(root, layout) if layout.length else root[:0].reshape(layout.shape)
    readonly = layout.overlaps or fuzz.random.random() < 0.1
    dst: Any = view
    if fuzz.random.random() < 0.5 and not any(stride < 0 for stride in layout.strides):
        dst = torch.from_numpy(root.view(np.uint8)).view(getattr(torch, dtype))
        dst = dst.as_strided(layout.shape, layout.strides, layout.offset)
        readonly = layout.overlaps
    else:
        view.flags.writeable = not readonly
    casting = fuzz.random.choice(("same_kind", "unsafe"))
    detach = fuzz.random.choice((True, False))
    fuzz.say(f"copyto({type(dst).__name__} {dtype} {layout}, x, casting={casting!r}, {detach})")
    expected = copyto_error(source, dtype, layout.shape, readonly, casting, detach)
    call: dict[str, Any] = {
        "casting": casting,
        "detach": detach,
        "batch_bytes": fuzz.random.choice((None, 1, 16)),
    }
    outcome = fuzz.attempt(lambda: interop.copyto(dst, source.x, **call))
    check_unchanged(source)
    if expected:
        expect_error(fuzz, outcome, expected)
        assert data_of(root) == data_of(before), "a refused source was written"
        return
    assert outcome is None, repr(outcome)
    wanted = before
    placed(wanted, layout)[...] = cast(source.values, dtype) if layout.length else 0
    if not lacks_numbers(source, dtype):
        assert data_of(root) == data_of(wanted), "wrong values, or written beside the array"
    fuzz.counts["written arrays"] += 1


def copyto_error(  # noqa: PLR0913, PLR0917 - facts of a call
    source: Source,
    dtype: str,
    shape: tuple[int, ...],
    readonly: bool,
    casting: str,
    detach: bool,
) -> Error | None:
    """Return the promised error, or None."""
    if readonly or source.error:
        return interop.UnsupportedArrayError
    if source.values.shape != shape:
        return interop.ShapeError
    if casting == "same_kind" and loses_numbers(source.dtype, dtype):
        return interop.UnsupportedArrayError
    if source.gradient and not detach:
        return interop.GradientError
    return None


# -- export ------------------------------------------------------------------------------------------


def export(fuzz: Fuzz) -> None:
    """Let NumPy or torch consume the DLPack of an exported array."""
    source = make_source(fuzz)
    detach = fuzz.random.choice((True, False))
    consumer = fuzz.random.choice((np.from_dlpack, from_dlpack, np.asarray))
    if source.device != "cpu" or (source.dtype in SMALL and source.framework != "torch"):
        return
    if source.dtype in SMALL:
        consumer = from_dlpack
    fuzz.say(f"{consumer}(export(x)) within options(detach={detach})")
    with interop.options(detach=detach):
        outcome = fuzz.attempt(lambda: consumer(interop.export(source.x)))
    check_unchanged(source)
    if source.error or (source.gradient and not detach):
        expect_error(fuzz, outcome, source.error or interop.GradientError)
        return
    assert not isinstance(outcome, interop.InteropError), repr(outcome)
    state = state_of(outcome)
    check_values(state, source, source.dtype)
    shares = source.low <= state.address < source.high and source.nbytes > 0
    copies = source.unshareable or source.read or not source.nbytes
    if consumer is np.from_dlpack:
        copies = copies or source.reverses
        assert shares != copies
    if consumer is not from_dlpack and shares:
        assert source.overlaps or state.writable != source.readonly
    if consumer is from_dlpack and (source.overlaps or source.readonly):
        return  # torch reads no flag, or warns: nothing is promised beyond the values
    fuzz.counts["exports"] += 1


# -- implemented_in ----------------------------------------------------------------------------------


BODIES: Final = {
    "numpy": lambda x, n: [x.copy(), n, {"again": x}],
    "torch": lambda x, n: [x.clone(), n, {"again": x}],
    "jax": lambda x, n: [x.copy(), n, {"again": x}],
}


def decorated(fuzz: Fuzz) -> None:
    """Call a decorated function. Its results are of the caller's framework, on the same device."""
    source = make_source(fuzz)
    framework = fuzz.random.choice(list(BODIES))
    detach = fuzz.random.choice((True, False))
    if source.framework not in DEVICES or source.device != "cpu" or source.lazy:
        return
    fuzz.say(f"implemented_in({framework!r}, detach={detach})")
    function = interop.implemented_in(framework, detach=detach)(BODIES[framework])
    outcome = fuzz.attempt(lambda: function(source.x, n=3))
    check_unchanged(source)
    if source.error:
        return
    expected = promise(source, framework, Asked(detach=detach))
    if not isinstance(expected, Promise):
        assert expected is not None
        expect_error(fuzz, outcome, expected)
        return
    assert not isinstance(outcome, interop.InteropError), repr(outcome)
    copied, number, inner = outcome
    assert number == 3
    for result in (copied, inner["again"]):
        state = state_of(result)
        fuzz.note((state.framework, state.dtype, state.data))
        assert (state.framework, state.dtype) == (source.framework, source.dtype)
        check_values(state, source, source.dtype)
    fuzz.counts["decorated calls"] += 1


# -- questions ---------------------------------------------------------------------------------------


def bytes_of(x: np.ndarray[Any, Any]) -> set[int]:
    """Return the address of every byte of every element, by enumeration."""
    firsts = np.full(x.shape, x.ctypes.data, np.int64)
    for axis, stride in enumerate(x.strides):
        steps = np.arange(x.shape[axis]) * stride
        firsts += steps.reshape((-1,) + (1,) * (x.ndim - 1 - axis))
    return {address + i for address in firsts.ravel().tolist() for i in range(x.itemsize)}


def questions(fuzz: Fuzz) -> None:
    """Ask what an array is, where it is, and whether two arrays have a byte in common."""
    source = make_source(fuzz)
    name = fuzz.attempt(lambda: interop.framework_of(source.x))
    fuzz.note(str(name) if isinstance(name, str) else type(name).__name__)
    if source.error is interop.NotAnArrayError:
        assert isinstance(name, interop.NotAnArrayError), name
        return
    if source.framework in DEVICES and source.framework != "array_api_strict":
        assert name == source.framework
    else:
        assert isinstance(name, interop.UnknownFrameworkError), name
    if not source.error:
        assert str(interop.device_of(source.x)) == source.device
    if not (isinstance(source.x, np.ndarray) and source.dtype in PLAIN) or source.error:
        return
    compare_views(fuzz, source)
    fuzz.counts["questions"] += 1


def compare_views(fuzz: Fuzz, source: Source) -> None:
    """Compare `shares_memory` of two random views with the addresses of all bytes."""
    root = source.owner
    views = []
    for _ in range(2):
        layout = any_layout(fuzz.random)
        if layout.length > root.size or not layout.length:
            return
        start = fuzz.random.randrange(root.size - layout.length + 1)
        views.append(placed(root[start : start + layout.length], layout))
    fuzz.say(f"shares_memory of {[view.__array_interface__ for view in views]}")
    common = bool(bytes_of(views[0]) & bytes_of(views[1]))
    first: Any = views[0]
    if views[0].dtype.isnative and not any(stride < 0 for stride in views[0].strides):
        first = fuzz.random.choice((views[0], interop.to_torch(views[0], readonly="share")))
        common = common and interop.shares_memory(first, views[0])
    assert interop.shares_memory(first, views[1]) == common
    assert numpy_dtype(source.dtype).itemsize == root.itemsize


def wrong_batches(fuzz: Fuzz) -> None:
    """Pass a size, an axis or a progress that is wrong."""
    source = make_source(fuzz)
    if source.error or not source.values.ndim or source.device != "cpu":
        return
    wrong: dict[str, Any] = fuzz.random.choice(
        ({"size": 0}, {"size": -1}, {"size": 1.5}, {"size": 2, "axis": 9}, {"size": True})
    )
    fuzz.say(f"batches(x, 'numpy', {wrong})")
    outcome = fuzz.attempt(lambda: interop.batches(source.x, "numpy", **wrong))
    expect_error(fuzz, outcome, interop.InvalidOptionError)
