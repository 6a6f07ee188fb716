"""A conversion is: who is it, what is it, which route, do it.

    array in -> identify -> describe -> plan -> execute -> array out

That is `prepare` and `convert_by_plan`. In front of them lies what `interop._engine.fastpath` remembers.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from interop import errors
from interop._engine import fastpath, lazy_planner, plan_cache, policy, reading
from interop._engine.context import defaults, scope
from interop._engine.executor import execute, make_calls
from interop._engine.parse import parse_request
from interop._engine.planner import make_plan
from interop._identify import registry
from interop._model.conversion import Conversion
from interop._model.reasons import misalignment
from interop._model.verb import Verb

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from interop._model.plan import Plan
    from interop._model.request import Request
    from interop.adapter import Adapter, Facts

_REFUSED: Final = fastpath.REFUSED
_fingerprints: Final = plan_cache.FINGERPRINTS
_calls: Final = plan_cache.CALLS
_SMALL: Final = 64 * 1024  # bytes: done twice at the first time, and later the quicker way counts


def convert_any(x: Any, to: Any, keywords: Mapping[str, Any], *, compute: bool = False) -> Any:
    """Convert by calls that are remembered, if the same has been asked of the like before.

    A lazy array is computed if `compute` is true.
    """
    key: Any = None
    try:
        key = (to, type(x), _fingerprints[type(x)](x), defaults())
        for item in keywords.items():
            key += (item, type(item[1]))  # 1 is equal to True, but no choice of copy=
        result = x
        for call in _calls[key]:
            result = call(result)
    except (
        *_REFUSED,
        BufferError,
    ):  # asked for the first time, not hashable, or sharing failed this time
        pass
    else:
        return result
    if compute:
        keywords = {"compute": True, **keywords}
    return flow(x, to, keywords, key)[0]  # out here, so that its errors have no context of ours


def convert_by_plan(x: Any, to: Any, keywords: Mapping[str, Any], key: Any) -> tuple[Any, Plan]:
    """Convert by a plan. A consumer's limits that show only on the attempt are planned around, once."""
    plan, array, conversion = prepare(x, to, keywords, strict=False)
    if isinstance(conversion, lazy_planner.LazyConversion):
        return _convert_lazily(plan, array, conversion)
    if reading.is_read_first(conversion.source, conversion.facts):
        return _convert_when_read(
            conversion, array, reading.request_after_reading(conversion.request)
        )
    policy.warn(plan, conversion.request)
    calls = make_calls(plan, conversion)
    if type(x) in conversion.source.plain_types:
        fastpath.register(conversion.source, conversion.target, to)
    try:
        result = execute(calls, array)
    except BufferError as refusal:
        if isinstance(refusal, errors.InteropError) or (
            conversion.facts.not_shareable and not conversion.target.copies_ndarrays
        ):
            raise
        conversion = conversion._replace(refused=errors.without_stop(str(refusal)))
        plan = make_plan(conversion)
        return execute(make_calls(plan, conversion), array), plan
    if _is_lasting(key, plan, conversion):
        plan_cache.remember(key, _shortened(calls, plan, conversion, array))
    return result, plan


def _convert_lazily(
    plan: Plan, x: Any, conversion: lazy_planner.LazyConversion
) -> tuple[Any, Plan]:
    """Convert now, what is computed now; else see that each block is converted when it is computed."""
    whole = conversion.whole
    policy.warn(plan, whole.request)
    if plan.steps[0].verb is not Verb.COMPUTE:
        return lazy_planner.execute_lazy(conversion, plan, x, convert_by_request, _unwatched)
    result, done = _convert_when_read(whole, x, lazy_planner.request_after_computing(conversion))
    if not lazy_planner.is_known(whole.facts):
        policy.warn(done, whole.request)
    return result, done


def _convert_when_read(conversion: Conversion, x: Any, request: Request) -> tuple[Any, Plan]:
    """Read or compute an object, and convert the array that results.

    The facts of that array count, even if the object has stated different ones.
    """
    operand = reading.read(conversion.source, x, conversion.facts.framework, conversion.target)
    facts = operand.describe()
    result, rest = _unwatched(operand, conversion.target.name, request)
    verb = Verb.COMPUTE if conversion.source.lazy else Verb.READ
    return result, reading.join(conversion.facts, rest, facts, verb)


def convert_by_request(x: Any, to: str, request: Request) -> Any:
    """Convert by keywords that are checked already, in whatever process."""
    with scope(request):
        return convert_any(x, to, {})


def _unwatched(x: Any, to: str, request: Request) -> tuple[Any, Plan]:
    """Convert as a part of another conversion, which is the one that is seen."""
    with scope(request):
        return convert_by_plan(x, to, {}, None)


flow: Callable[[Any, Any, Mapping[str, Any], Any], tuple[Any, Plan]] = convert_by_plan
"""What is called above: `interop._watch.watch` puts another function in its place while somebody watches."""


def _is_lasting(key: Any, plan: Plan, conversion: Conversion) -> bool:
    """Whether the plan holds for all with this key: no device's state has decided, and no stream."""
    known = key is not None and key[2] is not None
    if misalignment(conversion) and not conversion.target.why_not_adoptable(
        conversion.facts
    ):  # no fingerprint tells an address
        return False
    return (
        known
        and conversion.request.stream is None
        and conversion.facts.device.is_host
        and plan.device.is_host
    )


def _shortened(
    calls: tuple[Any, ...], plan: Plan, conversion: Conversion, x: Any
) -> tuple[Any, ...]:
    """Share by the framework's own call, where it takes such an array: tried once, on a small one."""
    native, facts = fastpath.native_call(conversion.source, conversion.target), conversion.facts
    # The native call minds neither read-only memory nor an address.
    guarded = facts.readonly or plan.readonly or conversion.target.alignment(facts.dtype) > 1
    if native is None or guarded or plan.steps[-1].verb is not Verb.SHARE or facts.nbytes >= _SMALL:
        return calls
    shortened = (*calls[:-2], native)
    with suppress(*_REFUSED):
        execute(shortened, x)
        return shortened
    return calls


def prepare(
    x: Any, to: Any, keywords: Mapping[str, Any], *, strict: bool = True
) -> tuple[Plan, Any, Conversion | lazy_planner.LazyConversion]:
    """Identify the source and the target, and plan the conversion.

    Nothing is copied, and nothing waits. `strict` has the same meaning as in `_reading`.
    """
    target = registry.find(to)
    request = parse_request(keywords)
    operand = registry.identify(x, target)
    source, array = operand.adapter, operand.array
    facts = operand.describe()
    address = _address(source, array, facts, target)
    conversion = Conversion(facts, source, target, request, address=address)
    lazy_planner.check_chunks(conversion)
    if source.lazy or target.lazy:
        lazy_conversion = lazy_planner.make_lazy_conversion(conversion, registry.unwrap(x), array)
        return lazy_planner.plan_lazy(lazy_conversion), array, lazy_conversion
    return reading.plan_with_read(conversion, strict=strict), array, conversion


def _address(source: Adapter, x: Any, facts: Facts, target: Adapter) -> int | None:
    """Return the address of an array on the host if the target may refuse that address, else None.

    It is not asked for otherwise, since this takes longer than to describe the array.
    """
    unshareable = facts.unsupported or facts.not_shareable or facts.needs_read
    if source is target or unshareable or not (facts.device.is_host and facts.nbytes):
        return None
    if target.alignment(facts.dtype) == 1:
        return None
    with suppress(NotImplementedError):  # then the target finds out, when it is to share the memory
        return source.address(x)
    return None
