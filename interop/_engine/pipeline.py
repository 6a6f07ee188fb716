"""The pipeline of one conversion, from an array to the result.

    array in -> identify -> describe -> plan -> execute -> array out

`prepare` identifies, describes and plans. `convert_by_plan` executes. In front of both,
`convert_any` looks into `interop._engine.plan_cache`, and `interop._engine.implementation` tries
the fast path.
"""

from __future__ import annotations

from contextlib import suppress
from time import perf_counter
from typing import TYPE_CHECKING, Any

from interop import errors
from interop._engine import (
    events,
    fastpath,
    lazy_executor,
    lazy_planner,
    plan_cache,
    reading,
)
from interop._engine.executor import execute, make_calls
from interop._engine.fastpath import REFUSED
from interop._engine.parse import parse_request
from interop._engine.plan_cache import CALLS, FINGERPRINTS
from interop._engine.planner import make_plan
from interop._identify import registration, registry
from interop._model import policy
from interop._model.context import defaults, using_defaults
from interop._model.conversion import Conversion
from interop._model.verb import Verb

if TYPE_CHECKING:
    from collections.abc import Mapping

    from interop._engine.lazy_planner import LazyConversion
    from interop._model.plan import Plan
    from interop._model.request import Request
    from interop.adapter import Adapter, Facts


def convert_any(x: Any, to: Any, keywords: Mapping[str, Any], *, compute: bool = False) -> Any:
    """Convert one array by the cached calls of a plan, or else by a new plan.

    Parameters
    ----------
    x : array
    to : str, module or class
    keywords : mapping
        Keywords of `interop.convert`, not checked yet.
    compute : bool, default False
        Whether a lazy array is computed if the keywords do not say so.
    """
    # Before the key, because the adapter makes a part of it.
    tables = registration.tables
    key: Any = None
    # Every array that is not plain passes here. So the look-up is inline, and has no function.
    try:
        cls, fingerprint = FINGERPRINTS[type(x)]
        # A metaclass may say that its class equals another one.
        if cls is not type(x):
            raise KeyError(cls)
        # `interop._engine.plan_cache` explains the key.
        key = (to, cls, fingerprint(x), defaults())
        # Sorting would slow down each call. So each order of the keywords has its own entry.
        for item in keywords.items():
            key += (item, type(item[1]))
        result = x
        for call in CALLS[key]:
            result = call(result)
    except MemoryError:
        raise
    except REFUSED:
        # Not in the cache, a keyword that is not hashable, or memory that is not shareable now.
        pass
    else:
        return result
    # Outside the `except` block, so that errors for the user do not show the KeyError of the cache.
    if compute:
        # This default is not in the key, because conversions of lazy arrays are never cached.
        keywords = {"compute": True, **keywords}
    if events.watches:
        return _convert_observed(x, to, keywords)
    return convert_by_plan(x, to, keywords, key, tables)[0]


def _convert_observed(x: Any, to: Any, keywords: Mapping[str, Any]) -> Any:
    """Convert one array by a plan, and notify the observers."""
    # A compiler that traces the program converts nothing yet, and cannot trace a plan.
    if fastpath.is_traced():
        return fastpath.share_traced(x, to)
    start = perf_counter()
    # There is no key, because nothing is cached while somebody observes.
    result, plan = convert_by_plan(x, to, keywords)
    events.notify(plan, perf_counter() - start)
    return result


def convert_by_plan(
    x: Any,
    to: Any,
    keywords: Mapping[str, Any],
    key: Any = None,
    tables: registration.Tables | None = None,
) -> tuple[Any, Plan]:
    """Convert one array by a new plan, and cache the plan.

    Parameters
    ----------
    x : array
    to : str, module or class
    keywords : mapping
    key : hashable, optional
        Key of the plan cache. None caches nothing.
    tables : Tables, optional
        The tables of adapters when the key was made, by default those of now.

    Returns
    -------
    result : array
    plan : Plan
        The plan that was carried out.
    """
    tables = tables or registration.tables
    # A plan that is not strict allows a cast of a stated dtype. The dtype that is read is checked.
    plan, array, conversion = prepare(x, to, keywords, strict=False)
    if isinstance(conversion, lazy_planner.LazyConversion):
        return _convert_lazy(plan, array, conversion)
    if reading.is_read_first(conversion.source, conversion.facts):
        request = reading.request_after_reading(conversion.request)
        return _convert_read(conversion, array, request)
    # The warning comes first. A filter that turns the warning into an error prevents the copy.
    policy.warn(plan, conversion.request)
    calls = make_calls(plan, conversion)
    # From now on, plain arrays of this class take the fast path.
    if any(cls is type(x) for cls in conversion.source.plain_types):
        fastpath.register(conversion.source, conversion.target, to, tables)
    try:
        result = execute(calls, array)
    except BufferError as refusal:
        return _convert_again(conversion, array, refusal)
    if key is not None and plan_cache.is_cacheable(key, plan, conversion):
        calls = fastpath.use_native_call(calls, plan, conversion, array)
        plan_cache.remember(key, calls, tables)
    return result, plan


def _convert_again(conversion: Conversion, x: Any, refusal: BufferError) -> tuple[Any, Plan]:
    """Make a new plan, with a copy, after a framework has refused to share memory.

    Raises
    ------
    UnsupportedArrayError
        A framework has refused the copy, too.
    """
    # Some errors of interop are BufferErrors, too. The message is complete, and a copy is no help.
    if isinstance(refusal, errors.InteropError):
        raise refusal
    reason = errors.without_stop(str(refusal))
    # The planner knew already that the memory cannot be shared. So the copy was refused.
    if conversion.facts.not_shareable and not conversion.target.copies_ndarrays:
        raise conversion.refusal(errors.UnsupportedArrayError, reason) from refusal
    conversion = conversion._replace(refused=reason)
    plan = make_plan(conversion)
    try:
        return execute(make_calls(plan, conversion), x), plan
    except errors.InteropError:
        raise
    except BufferError as again:
        reason = errors.without_stop(str(again))
        raise conversion.refusal(errors.UnsupportedArrayError, reason) from again


def _convert_lazy(plan: Plan, x: Any, conversion: LazyConversion) -> tuple[Any, Plan]:
    """Compute a lazy array and convert the result, or plan the conversion of each block."""
    whole = conversion.whole
    policy.warn(plan, whole.request)
    if plan.steps[0].verb is not Verb.COMPUTE:
        return lazy_executor.execute_lazy(conversion, plan, x, _convert_part)
    request = lazy_planner.request_after_computing(conversion)
    result, done = _convert_read(whole, x, request)
    # The size of the result was not known for the first warning.
    if not lazy_planner.is_known(whole.facts):
        policy.warn(done, whole.request)
    return result, done


def _convert_read(conversion: Conversion, x: Any, request: Request) -> tuple[Any, Plan]:
    """Read or compute an object, and convert the resulting array.

    The facts of the resulting array count, even if the object has stated other facts.
    """
    target = conversion.target
    stated = conversion.facts
    operand = reading.read(conversion.source, x, stated.framework, target)
    facts = operand.describe()
    result, rest = _convert_part(operand, target.name, request)
    verb = Verb.COMPUTE if conversion.source.lazy else Verb.READ
    return result, reading.join(stated, rest, facts, verb)


def _convert_part(x: Any, to: str, request: Request) -> tuple[Any, Plan]:
    """Convert an array as a part of another conversion, without a notice to the observers."""
    # As defaults, the values of the request are not parsed and checked again.
    with using_defaults(request):
        return convert_by_plan(x, to, {})


def convert_by_request(x: Any, to: str, request: Request) -> Any:
    """Convert an array with keywords that are checked already.

    Another process of a Dask cluster may call this, for a block.
    """
    with using_defaults(request):
        return convert_any(x, to, {})


def prepare(
    x: Any, to: Any, keywords: Mapping[str, Any], *, strict: bool = True
) -> tuple[Plan, Any, Conversion | LazyConversion]:
    """Identify the source and the target, describe the array, and plan the conversion.

    Nothing is copied, and nothing waits.

    Parameters
    ----------
    x : array
    to : str, module or class
    keywords : mapping
    strict : bool, default True
        See `interop._engine.reading.plan_with_read`.

    Returns
    -------
    plan : Plan
    array : array
        `x`, or the array that `x` wraps.
    conversion : Conversion or LazyConversion
        The facts that the plan was made of.
    """
    # A wrong target is reported first, then a wrong keyword, then a wrong array.
    target = registry.find(to)
    request = parse_request(keywords)
    operand = registry.identify(x, target)
    source = operand.adapter
    array = operand.array
    facts = operand.describe()
    address = _address(source, array, facts, target)
    conversion = Conversion(facts, source, target, request, address=address)
    lazy_planner.check_chunks(conversion)
    if source.lazy or target.lazy:
        # `array` may be an opened object. A dataset is recognised by the object of the caller.
        lazy_conversion = lazy_planner.make_lazy_conversion(conversion, registry.unwrap(x), array)
        return lazy_planner.plan_lazy(lazy_conversion), array, lazy_conversion
    return reading.plan_with_read(conversion, strict=strict), array, conversion


def _address(source: Adapter, x: Any, facts: Facts, target: Adapter) -> int | None:
    """Return the address of an array if the target may refuse the address, else None."""
    # To ask for an address takes longer than to describe an array. So first come all reasons not to
    # ask.
    if facts.unsupported or facts.not_shareable or facts.needs_read:
        return None
    if source is target or not facts.device.is_host or not facts.nbytes:
        return None
    if target.alignment(facts.dtype) == 1:
        return None
    # Without an address, the target refuses the memory by a BufferError if necessary.
    with suppress(NotImplementedError):
        return source.address(x)
    return None
