"""Lazy arrays: what is computed later is converted later, block by block; what is computed now is converted now.

A lazy array is planned as the array that it will be: its blocks' framework is asked, by the facts of a block without
elements. `Plan.later` is what will then be done. Above the planner, which plans for the blocks, and below the flow.
"""

from __future__ import annotations

import math
from functools import partial
from itertools import accumulate
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from interop import errors
from interop._engine import planner, policy, reading
from interop._engine.sliced import Sliced
from interop._identify import registration, registry
from interop._identify.datasets import is_dataset
from interop._identify.operand import Operand
from interop._model import dtypes, text
from interop._model.plan import Plan, Step
from interop._model.request import Request
from interop._model.verb import Verb
from interop.adapter.device import Device

if TYPE_CHECKING:
    from collections.abc import Callable

    from interop._model.conversion import Conversion
    from interop.adapter import Adapter, Facts
    from interop.adapter.lazy import LazyAdapter

    Convert = Callable[[Any, str, Request], Any]
    ConvertNow = Callable[[Any, str, Request], tuple[Any, Plan]]


class LazyConversion(NamedTuple):
    """A conversion that starts or ends with a lazy array.

    Attributes
    ----------
    whole : Conversion
        As of any other array.
    block : Conversion
        Of what is in the lazy array: its facts are those of the whole, as if it were computed; its target is the
        framework of the blocks that come out.
    meta : array
        A block without elements.
    origin : object
        What is converted, as it was passed.
    """

    whole: Conversion
    block: Conversion
    meta: Any = None
    origin: Any = None


# -- who and what --------------------------------------------------------------------------------------------------


def make_lazy_conversion(conversion: Conversion, x: Any, array: Any) -> LazyConversion:
    """Find out what the blocks are.

    Raises
    ------
    UnsupportedArrayError, InvalidOptionError
    """
    _check_keywords(conversion)
    request = conversion.request._replace(chunks=None, compute=False)
    if not conversion.source.lazy:
        within = (
            conversion.source
            if conversion.source.name in registration.known_names()
            else registry.adapter_named("numpy")
        )
        return LazyConversion(
            conversion, conversion._replace(target=within, request=request), origin=x
        )
    inner, meta = block_of(cast("LazyAdapter", conversion.source), array)
    target = inner if conversion.target.lazy else conversion.target
    facts = _as_computed(inner.describe(meta), conversion.facts)
    lazy = cast("LazyAdapter", conversion.source)
    if lost := inner.describe(
        lazy.meta(array)
    ).unsupported:  # a subclass may have a unit, which `view` drops
        facts = facts._replace(unsupported=lost)
    return LazyConversion(
        conversion,
        conversion._replace(facts=facts, source=inner, target=target, request=request),
        meta,
        x,
    )


def block_of(lazy: LazyAdapter, x: Any) -> tuple[Adapter, Any]:
    """Return the framework of a lazy array's blocks, and a block without elements.

    Raises
    ------
    UnsupportedArrayError
        No adapter knows their class.
    """
    meta = lazy.meta(x)
    inner = registry.adapter_of(type(meta))
    if inner is None or inner.lazy:
        kind = f"{type(meta).__module__}.{type(meta).__qualname__}"
        raise errors.UnsupportedArrayError(
            f"its blocks are of the class {kind}, which no adapter knows",
            attempt="cannot convert {source}",
            source=lazy.describe(x),
            hint="interop.register adds one.",
        )
    return inner, inner.view(meta, ...)


def _as_computed(meta: Facts, whole: Facts) -> Facts:
    """Return the facts of the array that all blocks make together: in one piece, and nobody else's."""
    if meta.unsupported:
        return meta._replace(shape=whole.shape)
    if not is_known(whole):
        return meta._replace(
            shape=whole.shape, strides=(), nbytes=0, readonly=False, not_shareable=None
        )
    size = dtypes.itemsize(meta.dtype)
    strides = (
        tuple(accumulate(reversed((*whole.shape[1:], size)), lambda a, b: a * b))[::-1]
        if whole.shape
        else ()
    )
    nbytes = math.prod(whole.shape) * size
    return meta._replace(
        shape=whole.shape, strides=strides, nbytes=nbytes, readonly=False, not_shareable=None
    )


def is_known(facts: Facts) -> bool:
    """Whether the shape is known before anything is computed."""
    return not any(map(math.isnan, facts.shape))


def check_chunks(conversion: Conversion) -> None:
    """Refuse chunks that are for nobody."""
    chunks = conversion.request.chunks
    if chunks is not None and not conversion.target.lazy:
        target = conversion.target.name
        reason = f"chunks= applies to lazy targets only, and arrays of {target} have no chunks"
        raise errors.InvalidOptionError(
            reason, source=conversion.facts, target=target, hint="Remove it."
        )


def _check_keywords(conversion: Conversion) -> None:
    request = conversion.request
    if request.stream is not None and not (conversion.source.lazy and request.compute):
        reason = "stream= does not apply to an array that stays lazy: its workers have their own"
        raise errors.InvalidOptionError(
            reason, source=conversion.facts, target=conversion.target.name, hint="Remove it."
        )


# -- plan ----------------------------------------------------------------------------------------------------------


def plan_lazy(conversion: LazyConversion) -> Plan:
    """Decide, and check the policy for all that will be done, now and later.

    Raises
    ------
    InteropError
        As `_planner.make_plan`.
    """
    whole, block = conversion.whole, conversion.block
    if not whole.source.lazy:
        return _plan_split(conversion)
    if whole.request.compute and not whole.target.lazy:
        return _plan_computed(conversion)
    later = planner.make_plan(block)
    plan = later._replace(
        source=whole.source.name, target=whole.target.name, readonly=False, later=later
    )
    if not (whole.target.lazy and later.steps[-1].verb is Verb.KEEP):
        step = Step(Verb.MAP, "source", later.device, later.dtype)
        return plan._replace(steps=(step,), reason="it is lazy, and stays so")
    if whole.request.chunks is not None:
        return plan._replace(reason="it is rechunked, and stays lazy")
    return plan._replace(reason=f"it is {plan.target}'s already", later=None)


def _plan_split(conversion: LazyConversion) -> Plan:
    whole, block, facts = conversion.whole, conversion.block, conversion.whole.facts
    planner.check_numbers(whole)
    if facts.device.kind not in block.target.device_kinds:
        hint = (
            "Move it to the host first: interop.to_numpy(x)."
            if facts.needs_read
            else "Convert it to one first."
        )
        reason = f"blocks of it need a framework of {facts.device}"
        raise whole.refusal(errors.UnsupportedArrayError, reason, hint)
    planner.check_gradient(whole)
    plan = reading.plan_with_read(block)
    share, target = Step(Verb.SHARE, "target", plan.device, plan.dtype), whole.target.name
    if facts.needs_read and is_dataset(conversion.origin):
        return plan._replace(
            target=target, steps=(share,), reason="it is read block by block", later=plan
        )
    writing = [step for step in plan.steps if step.writes]
    reason = plan.reason if writing else "its blocks are parts of its memory"
    if block.target.immutable and not writing:  # such share all of an array, but not parts of it
        writing = [Step(Verb.COPY, "source", plan.device, plan.dtype, facts.nbytes)]
        reason = f"{plan.source} shares no parts of its memory"
        _check_copy(whole, reason)
    return plan._replace(target=target, steps=(*writing, share), reason=reason)


def _plan_computed(conversion: LazyConversion) -> Plan:
    whole, block = conversion.whole, conversion.block
    reading.check_copy(whole)
    limits = whole.request.host_copy == "error" or whole.request.max_host_bytes < math.inf
    if limits and not is_known(whole.facts):
        reason = f"its shape {whole.facts.shape} is not known, and the policy asks for its size"
        hint = "Call its compute_chunk_sizes() first."
        raise whole.refusal(errors.HostCopyError, reason, hint)
    rest = planner.make_plan(block._replace(request=request_after_computing(conversion)))
    plan = reading.join(whole.facts, rest, block.facts, Verb.COMPUTE)
    policy.check(plan, whole.request)
    return plan


def _check_copy(whole: Conversion, reason: str) -> None:
    if whole.request.copy is False:
        refusal = f"it takes a copy, because {reason}"
        hint = "Leave copy=False out to allow it."
        raise whole.refusal(errors.CopyRequiredError, refusal, hint)


def request_after_computing(conversion: LazyConversion) -> Request:
    """Return what is left to wish for: the policy has been asked, and what is put together of several blocks is new."""
    request, lazy = conversion.block.request, cast("LazyAdapter", conversion.whole.source)
    copy = None if lazy.blocks(conversion.origin) > 1 else request.copy
    return request._replace(copy=copy, host_copy="allow", max_host_bytes=math.inf)


# -- execute -------------------------------------------------------------------------------------------------------


def execute_lazy(
    conversion: LazyConversion, plan: Plan, x: Any, convert: Convert, now: ConvertNow
) -> tuple[Any, Plan]:
    """Execute a plan that computes nothing now; return the result and the plan as executed.

    `convert` is pickled, to be called for each block; `now` converts as a part of this, and returns its plan, too.
    """
    whole, chunks, target = (
        conversion.whole,
        conversion.whole.request.chunks,
        conversion.block.target,
    )
    request = conversion.block.request
    request = (
        request._replace(host_copy="allow") if request.host_copy == "warn" else request
    )  # the caller has been warned
    lazy = cast("LazyAdapter", whole.source if whole.source.lazy else whole.target)
    register_blocks(lazy.name, target.name, convert)
    if not whole.source.lazy:
        if plan.later:
            return _checked(
                lazy.split_later, Sliced(conversion.origin, whole.target.name), chunks
            ), plan
        foreign_class = (
            None if whole.facts.framework == whole.source.name else whole.facts.framework
        )
        array, done = now(Operand(whole.source, x, foreign_class), target.name, request)
        result = _checked(
            lazy.split, array, partial(target.view, array), meta_of(target, array), chunks
        )
        if whole.facts.needs_read:
            plan = done._replace(
                target=plan.target
            )  # what was read counts, and not what was stated
        return result, plan
    if plan.steps[-1].verb is Verb.MAP:
        function = partial(
            convert_block, convert=convert, lazy=lazy.name, to=target.name, request=request
        )
        x = lazy.map(function, [x], meta_of(target, now(conversion.meta, target.name, request)[0]))
    return (x if chunks is None else _checked(lazy.rechunk, x, chunks)), plan


def convert_block(block: Any, *, convert: Convert, lazy: str, to: str, request: Request) -> Any:
    """Convert a block, in whatever process: what the caller permits has come with it."""
    register_blocks(lazy, to, convert)
    return convert(block, to, request)


def register_blocks(lazy: str, to: str, convert: Convert) -> None:
    """Tell a lazy framework, in this process, of one that blocks are of."""
    host, adapter = cast("LazyAdapter", registry.adapter_named(lazy)), registry.adapter_named(to)
    host.register_block_type(
        adapter, partial(pack, convert=convert), partial(register_blocks, lazy, to, convert)
    )


def meta_of(adapter: Adapter, x: Any) -> Any:
    """Return an array without elements (without axes, it has one), with NumPy's dtype, as lazy frameworks want it."""
    return adapter.with_numpy_dtype(
        adapter.view(x, (slice(0, 0),) * len(adapter.describe(x).shape) or ...)
    )


def _checked(function: Callable[..., Any], *args: Any) -> Any:
    """Call what reads `chunks`, the last of its arguments."""
    try:
        return function(*args)
    except (ValueError, TypeError, ZeroDivisionError) as error:
        msg = f"chunks={text.short_repr(args[-1])} does not fit an array of shape {tuple(args[0].shape)}: {error}"
        raise errors.InvalidOptionError(msg) from error


# -- across processes ----------------------------------------------------------------------------------------------


def pack(x: Any, convert: Convert) -> tuple[Callable[..., Any], tuple[Any, ...]]:
    """Return a function that makes an equal array in another process, and its arguments.

    One of them is the memory, as an ndarray of a dtype that pickles leave where it is; the last one is a device.
    """
    adapter = cast("Adapter", registry.adapter_of(type(x)))
    array = convert(x, "numpy", Request(detach=True, readonly="share"))
    array = array if array.flags.c_contiguous else array.copy("C")
    bits = array if array.dtype.isbuiltin == 1 else array.view(f"u{array.dtype.itemsize}")
    return unpack, (bits, array.dtype, convert, adapter.name, str(adapter.describe(x).device))


def unpack(bits: Any, dtype: Any, convert: Convert, to: str, device: str) -> Any:
    """Make the array that `pack` was given, over the memory that has come."""
    return convert(bits.view(dtype), to, Request(device=Device.parse(device), readonly="share"))
