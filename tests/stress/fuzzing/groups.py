"""Calls with several arrays: `unify`, `stack` and `batches`."""

from typing import Any, Final

import jax
import numpy as np

import interop

from . import keywords as kw
from .checks import Fuzz, check_plan, check_result, check_unchanged, check_values, expect_error
from .oracle import DEVICES, Asked, Error, Promise, promise
from .results import state_of
from .single import make_source
from .sources import WIDE, Source

Promises = list[Promise | Error | None]


def group_of_sources(fuzz: Fuzz) -> list[Source]:
    """Return one to four sources, some of them twice."""
    sources = [make_source(fuzz) for _ in range(fuzz.random.randrange(1, 4))]
    if fuzz.random.random() < 0.4:
        sources.append(fuzz.random.choice(sources))
    return sources


def first_error(promises: Promises) -> Error | None:
    """Return the first promised error, or None if all arrays can be converted."""
    return next((found for found in promises if isinstance(found, type)), None)


def is_open(promises: Promises) -> bool:
    """Return whether the outcome of a group is not promised, or needs a kernel."""
    return any(
        found is None or (isinstance(found, Promise) and found.needs_kernel) for found in promises
    )


def expect_first_error(
    fuzz: Fuzz,
    result: Any,
    sources: list[Source],
    promises: Promises,
    note: str,
) -> bool:
    """Check that a call raises the error of one of its arrays, if there is one, with a note."""
    for source in sources:
        check_unchanged(source)
    expected = first_error(promises)
    if not expected:
        assert not isinstance(result, interop.InteropError), repr(result)
        return False
    fuzz.note(type(result).__name__)
    assert type(result) is expected, f"expected {expected.__name__}, got {result!r}"
    assert any(note in line for line in result.__notes__), result.__notes__
    return True


def check_member(  # noqa: PLR0913, PLR0917 - facts of one conversion
    fuzz: Fuzz, result: Any, source: Source, expected: Any, target: str, keywords: kw.Keywords
) -> None:
    """Check the result of one array in a group."""
    plan = fuzz.attempt(lambda: interop.explain(source.x, target, **keywords))
    check_plan(plan, source, expected)
    check_result(fuzz, result, source, expected, plan)
    fuzz.counts["conversions"] += 1


# -- unify -------------------------------------------------------------------------------------------


def unify(fuzz: Fuzz) -> None:
    """Unify several arrays. The first one of a known framework leads."""
    sources = [source for source in group_of_sources(fuzz) if source.framework in LEADERS]
    to = fuzz.random.choice((None, None, "numpy", "torch", "jax"))
    if not sources or any(source.error for source in sources):
        return
    known = [i for i, source in enumerate(sources) if source.framework != "foreign"]
    keywords, asked = kw.draw(fuzz.random, sources[0])
    fuzz.say(f"unify(to={to!r}, {keywords})")
    leader = known[0] if known else 0
    target = to or sources[leader].framework
    if target == "foreign":
        result = fuzz.attempt(lambda: interop.unify(*(s.x for s in sources)))
        expect_error(fuzz, result, interop.UnknownFrameworkError)
        return
    promises: Promises = [promise(sources[leader], target, asked)]
    if isinstance(promises[0], Promise):
        asked = asked._replace(device=promises[0].device)
        promises = [promise(source, target, asked) for source in sources]
    if is_open(promises):
        return
    result = fuzz.attempt(lambda: interop.unify(*(s.x for s in sources), to=to, **keywords))
    keywords["device"] = asked.device
    if expect_first_error(fuzz, result, sources, promises, "at arrays["):
        return
    for result_of, source, expected in zip(result, sources, promises, strict=True):
        check_member(fuzz, result_of, source, expected, target, keywords)


LEADERS: Final = ("numpy", "torch", "jax", "foreign")


# -- stack -------------------------------------------------------------------------------------------


def like(fuzz: Fuzz, source: Source) -> Any:
    """Return an array of any framework with the values of a source."""
    values = source.values.copy()
    makes: list[Any] = [lambda: values, lambda: interop.to_torch(values, copy=True)]
    if source.dtype not in WIDE:
        makes.append(lambda: jax.device_put(values))
    return fuzz.random.choice(makes)()


def stack(fuzz: Fuzz) -> None:
    """Stack arrays of one shape and dtype from several frameworks."""
    source = make_source(fuzz)
    if source.error or source.device != "cpu" or source.framework == "array_api_strict":
        return
    target = fuzz.random.choice(("numpy", "torch", "jax"))
    keywords, asked = kw.draw(fuzz.random, source)
    count = fuzz.random.randrange(3)
    axis = fuzz.random.randrange(-source.values.ndim - 2, source.values.ndim + 2)
    fuzz.say(f"stack(x and {count} more, {target!r}, axis={axis}, {keywords})")
    arrays = [source.x, *(like(fuzz, source) for _ in range(count))]
    promises = [
        promise(source, target, asked._replace(copy=None, readonly="share")),
        promise(plain(source), target, asked._replace(copy=None, readonly="share")),
    ]
    if is_open(promises) or any(getattr(found, "device", "cpu") != "cpu" for found in promises):
        return  # stacking on a device needs a kernel
    result = fuzz.attempt(lambda: interop.stack(iter(arrays), target, axis, **keywords))
    errors = {found for found in promises if isinstance(found, type)}
    if asked.copy is False:
        errors.add(interop.CopyRequiredError)
    if not -source.values.ndim - 1 <= axis <= source.values.ndim:
        errors.add(interop.InvalidOptionError)
    check_unchanged(source)
    if errors or isinstance(result, Exception):
        fuzz.note(type(result).__name__)
        assert type(result) in errors, f"{errors}, but {result!r}"
        return
    stacked = np.stack([source.values] * (count + 1), axis)
    state = state_of(result)
    check_values(state, source._replace(values=stacked), asked.dtype or source.dtype)
    assert not source.low <= state.address < source.high or not source.nbytes
    fuzz.counts["stacked arrays"] += count + 1


def plain(source: Source) -> Source:
    """Return the facts of a plain array with the values of a source."""
    return Source(source.x, source.values, source.dtype, "numpy")


# -- batches -----------------------------------------------------------------------------------------


def batches(fuzz: Fuzz) -> None:
    """Convert in batches along an axis, and put the batches together again."""
    source = make_source(fuzz)
    if source.error or not source.values.ndim or source.kind == "cuda interface":
        return
    target = fuzz.random.choice(kw.targets(source))
    keywords, asked = kw.draw(fuzz.random, source)
    axis = 0 if source.device != "cpu" else fuzz.random.randrange(source.values.ndim)
    size = fuzz.random.randrange(1, 4)
    rows = source.values.shape[axis]
    fuzz.say(f"batches(x, {target!r}, size={size}, axis={axis}, {keywords})")
    expected = promise(source, target, asked)
    if is_open([expected]) or target == "cupy":
        return
    if isinstance(expected, Promise) and size < rows and slices_need_kernel(source, expected):
        check_plan(
            fuzz.attempt(lambda: interop.explain(source.x, target, **keywords)), source, expected
        )
        fuzz.counts["plans only, because a kernel is needed"] += 1
        return
    result = fuzz.attempt(
        lambda: list(interop.batches(source.x, target, size=size, axis=axis, **keywords))
    )
    check_unchanged(source)
    if not rows or is_uncertain(source, asked):
        return
    if not isinstance(expected, Promise):
        fuzz.note(type(result).__name__)
        assert expected
        assert isinstance(result, expected), f"expected {expected.__name__}, got {result!r}"
        return
    assert not isinstance(result, interop.InteropError), repr(result)
    assert len(result) == -(-rows // size)
    parts = np.array_split(source.values, range(size, rows, size), axis)
    for batch, values in zip(result, parts, strict=True):
        check_values(state_of(batch), source._replace(values=values), expected.dtype)
        assert state_of(batch).device == expected.device
    fuzz.counts["batches"] += len(result)


def slices_need_kernel(source: Source, expected: Promise) -> bool:
    """Return whether slices of an array may be uploaded by a kernel, although the array is not.

    A slice across the columns of an array in F order has gaps, and torch keeps its order.
    """
    uploads = source.device == "cpu" and expected.device != "cpu"
    return uploads and source.order == "F"


def is_uncertain(source: Source, asked: Asked) -> bool:
    """Return whether a part of the array may be shared where the whole array is not, or the reverse."""
    return asked.copy is False or asked.readonly == "error" or source.read or not DEVICES
