"""Conversions to and from Dask: lazy results, and results that are computed."""

import interop

from . import keywords as kw
from .checks import Fuzz, check_unchanged, check_values, expect_error
from .makers import dask_array
from .oracle import Promise, promise
from .results import state_of
from .single import make_source


def to_dask(fuzz: Fuzz) -> None:
    """Convert to a lazy array, and compute it."""
    source = make_source(fuzz)
    if source.error or source.device != "cpu" or source.gradient:
        return
    chunks = fuzz.random.choice((None, 1, 2, -1, "auto"))
    fuzz.say(f"convert(x, 'dask', chunks={chunks!r})")
    result = fuzz.attempt(lambda: interop.convert(source.x, "dask", chunks=chunks))
    check_unchanged(source)
    assert not isinstance(result, interop.InteropError), repr(result)
    assert interop.framework_of(result) == "dask"
    check_values(state_of(result), source, source.dtype)
    fuzz.counts["lazy arrays"] += 1


def from_dask(fuzz: Fuzz) -> None:
    """Convert a lazy array, and compute it before or afterwards."""
    source = dask_array(fuzz.random)
    fuzz.say(source)
    target = fuzz.random.choice(("numpy", "torch", "jax"))
    keywords, asked = kw.draw(fuzz.random, source)
    if asked.device not in (None, "cpu"):
        return  # blocks are put together on a device by a kernel
    compute = fuzz.random.choice((True, False))
    fuzz.say(f"convert(x, {target!r}, compute={compute}, {keywords})")
    expected = promise(source, target, asked)
    result = fuzz.attempt(lambda: interop.convert(source.x, target, compute=compute, **keywords))
    if not compute:
        if isinstance(result, interop.InteropError):
            return
        assert interop.framework_of(result) == "dask"
        result = fuzz.attempt(lambda: interop.convert(result, target, compute=True))
    elif isinstance(expected, type):
        expect_error(fuzz, result, expected)
        return
    if isinstance(expected, Promise) and not expected.needs_kernel:
        assert not isinstance(result, interop.InteropError), repr(result)
        state = state_of(result)
        fuzz.note((state.framework, state.dtype, state.data))
        assert (state.framework, state.dtype) == (target, expected.dtype)
        check_values(state, source, expected.dtype)
        fuzz.counts["computed arrays"] += 1
