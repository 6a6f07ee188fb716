"""The planner for conversions that start or end with a lazy array.

A lazy array is planned like the array that it will become: the planner gets facts about a block
without elements, with the shape of the whole. `Plan.later` holds the plan for the blocks. An array
that is computed now is planned like an object that is read (`interop._engine.reading`).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from interop import errors
from interop._engine import planner, reading
from interop._identify import registration, registry
from interop._identify.datasets import is_dataset
from interop._model import dtypes, policy
from interop._model.plan import Plan, Step
from interop._model.text import full_name
from interop._model.verb import Verb

if TYPE_CHECKING:
    from collections.abc import Iterator

    from interop._model.conversion import Conversion
    from interop._model.request import Request
    from interop.adapter import Adapter, Facts
    from interop.adapter.lazy import LazyAdapter


class LazyConversion(NamedTuple):
    """A conversion that starts or ends with a lazy array.

    Attributes
    ----------
    whole : Conversion
        The conversion as it is for any other array.
    block : Conversion
        The conversion of the contents. The facts are those of the whole as if it were computed,
        and the target is the framework of the resulting blocks.
    meta : array
        A block without elements. None if the source is not lazy.
    origin : object
        The argument of the caller.
    """

    whole: Conversion
    block: Conversion
    meta: Any = None
    origin: Any = None


# -- what the blocks are -----------------------------------------------------------------------


def make_lazy_conversion(conversion: Conversion, x: Any, array: Any) -> LazyConversion:
    """Find the framework of the blocks, and describe the array that the blocks make together.

    `x` is the argument of the caller, and `array` is the identified array.

    Raises
    ------
    UnsupportedArrayError, InvalidOptionError
    """
    _check_stream(conversion)
    # These two keywords are done with: blocks have no chunks, and nothing more is lazy.
    request = conversion.request._replace(chunks=None, compute=False)
    if not conversion.source.lazy:
        target = conversion.source
        if target.name not in registration.known_names():
            target = registry.adapter_named("numpy")  # foreign objects become blocks of NumPy
        block = conversion._replace(target=target, request=request)
        return LazyConversion(conversion, block, origin=x)
    lazy = cast("LazyAdapter", conversion.source)
    inner, meta = block_of(lazy, array)
    facts = _as_computed(inner.describe(meta), conversion.facts)
    # `block_of` drops a subclass, and a subclass may have a unit that must not get lost.
    lost = inner.describe(lazy.meta(array)).unsupported
    if lost:
        facts = facts._replace(unsupported=lost)
    target = inner if conversion.target.lazy else conversion.target
    block = conversion._replace(facts=facts, source=inner, target=target, request=request)
    return LazyConversion(conversion, block, meta, x)


def block_of(lazy: LazyAdapter, x: Any) -> tuple[Adapter, Any]:
    """Return the framework of the blocks of a lazy array, and a block without elements.

    Raises
    ------
    UnsupportedArrayError
        No adapter knows the class of the blocks.
    """
    meta = lazy.meta(x)
    inner = registry.adapter_of(type(meta))
    if inner is None or inner.lazy:
        raise errors.UnsupportedArrayError(
            f"its blocks are of the class {full_name(type(meta))}, which no adapter knows",
            attempt="cannot convert {source}",
            source=lazy.describe(x),
            hint="interop.register adds one.",
        )
    return inner, inner.view(meta, ...)


def _as_computed(meta: Facts, whole: Facts) -> Facts:
    """Return the facts of the array that all blocks make together: contiguous, in new memory."""
    if meta.unsupported:
        return meta._replace(shape=whole.shape)
    strides: tuple[int, ...] = ()
    nbytes = 0
    if is_known(whole):
        size = dtypes.itemsize(meta.dtype)
        nbytes = math.prod(whole.shape) * size
        strides = tuple(_contiguous_strides(whole.shape, size))
    return meta._replace(
        shape=whole.shape, strides=strides, nbytes=nbytes, readonly=False, not_shareable=None
    )


def _contiguous_strides(shape: tuple[int, ...], size: int) -> Iterator[int]:
    """Yield the strides in bytes of a C-contiguous array with elements of `size` bytes."""
    for axis in range(len(shape)):
        yield math.prod(shape[axis + 1 :]) * size


def is_known(facts: Facts) -> bool:
    """Whether the shape is known. A lazy array can have an unknown shape until the computation."""
    # Dask states an unknown length as nan.
    return not any(map(math.isnan, facts.shape))


def check_chunks(conversion: Conversion) -> None:
    """Raise an error if ``chunks=`` is given for a target that has no chunks."""
    if conversion.request.chunks is not None and not conversion.target.lazy:
        target = conversion.target.name
        reason = f"chunks= applies to lazy targets only, and arrays of {target} have no chunks"
        raise errors.InvalidOptionError(
            reason, source=conversion.facts, target=target, hint="Remove it."
        )


def _check_stream(conversion: Conversion) -> None:
    """Raise an error if ``stream=`` is given for an array that stays lazy."""
    request = conversion.request
    if request.stream is not None and not (conversion.source.lazy and request.compute):
        reason = "stream= does not apply to an array that stays lazy: its workers have their own"
        raise errors.InvalidOptionError(
            reason, source=conversion.facts, target=conversion.target.name, hint="Remove it."
        )


# -- plans -------------------------------------------------------------------------------------


def plan_lazy(conversion: LazyConversion) -> Plan:
    """Return the plan, after a check of the policy for all steps, now and later.

    Raises
    ------
    InteropError
        As `planner.make_plan`.
    """
    whole = conversion.whole
    if not whole.source.lazy:
        return _plan_split(conversion)
    if whole.request.compute and not whole.target.lazy:
        return _plan_computed(conversion)
    return _plan_mapped(conversion)


def _plan_mapped(conversion: LazyConversion) -> Plan:
    """Plan for a lazy array that stays lazy."""
    whole = conversion.whole
    later = planner.make_plan(conversion.block)
    plan = later._replace(
        source=whole.source.name, target=whole.target.name, readonly=False, later=later
    )
    is_kept = whole.target.lazy and later.steps[-1].verb is Verb.KEEP
    if not is_kept:
        step = Step(Verb.MAP, "source", later.device, later.dtype)
        return plan._replace(steps=(step,), reason="it is lazy, and stays so")
    if whole.request.chunks is not None:
        return plan._replace(reason="it is rechunked, and stays lazy")
    return plan._replace(reason=f"it is {plan.target}'s already", later=None)


def _plan_split(conversion: LazyConversion) -> Plan:
    """Plan for an array that becomes lazy: blocks are parts of the array."""
    whole = conversion.whole
    facts = whole.facts
    planner.check_numbers(whole)
    _check_blocks(conversion)
    planner.check_gradient(whole)
    plan = reading.plan_with_read(conversion.block)
    share = Step(Verb.SHARE, "target", plan.device, plan.dtype)
    # A dataset may be larger than the memory, so it is not read as a whole.
    if facts.needs_read and is_dataset(conversion.origin):
        reason = "it is read block by block"
        return plan._replace(target=whole.target.name, steps=(share,), reason=reason, later=plan)
    writing = [step for step in plan.steps if step.writes]
    reason = plan.reason
    if not writing and conversion.block.target.immutable:
        # Such frameworks share the memory of a whole array, but copy to take a part of an array.
        reason = f"{plan.source} shares no parts of its memory"
        _refuse_copy(whole, reason)
        writing = [Step(Verb.COPY, "source", plan.device, plan.dtype, facts.nbytes)]
    elif not writing:
        reason = "its blocks are parts of its memory"
    return plan._replace(target=whole.target.name, steps=(*writing, share), reason=reason)


def _check_blocks(conversion: LazyConversion) -> None:
    """Raise an error if the framework of the blocks cannot be on the device of the array."""
    facts = conversion.whole.facts
    if facts.device.kind in conversion.block.target.device_kinds:
        return
    hint = "Convert it to one first."
    if facts.needs_read:
        hint = "Move it to the host first: interop.to_numpy(x)."
    reason = f"blocks of it need a framework of {facts.device}"
    raise conversion.whole.refusal(errors.UnsupportedArrayError, reason, hint)


def _plan_computed(conversion: LazyConversion) -> Plan:
    """Plan for a lazy array that is computed now."""
    whole = conversion.whole
    request = whole.request
    block = conversion.block._replace(request=request_after_computing(conversion))
    rest = planner.make_plan(block)
    # This comes after the errors of the device and the dtype, as for any other array.
    reading.check_copy(whole)
    # The facts of an array of unknown shape have 0 bytes, and every policy would allow that.
    limits = request.host_copy == "error" or request.max_host_bytes < math.inf
    if limits and not is_known(whole.facts):
        reason = f"its shape {whole.facts.shape} is not known, and the policy asks for its size"
        hint = "Call its compute_chunk_sizes() first."
        raise whole.refusal(errors.HostCopyError, reason, hint)
    plan = reading.join(whole.facts, rest, block.facts, Verb.COMPUTE)
    # The rest was planned without a policy, because the computed bytes must be in the sum.
    policy.check(plan, request)
    return plan


def _refuse_copy(whole: Conversion, reason: str) -> None:
    if whole.request.copy is False:
        refusal = f"it takes a copy, because {reason}"
        hint = "Leave copy=False out to allow it."
        raise whole.refusal(errors.CopyRequiredError, refusal, hint)


def request_after_computing(conversion: LazyConversion) -> Request:
    """Return the request that remains after the computation.

    The policy has been checked for the whole. An array that is put together from several blocks is
    already independent, so ``copy`` remains only for a single block. ``copy=False`` forbids the
    computation itself, and does not remain.
    """
    lazy = cast("LazyAdapter", conversion.whole.source)
    request = conversion.block.request
    copy = request.copy
    if copy is False or lazy.blocks(conversion.origin) > 1:
        copy = None
    return request._replace(copy=copy, host_copy="allow", max_host_bytes=math.inf)
