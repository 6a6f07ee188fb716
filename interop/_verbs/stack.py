"""Several arrays to one: stacked once where they are, and then converted once."""

from __future__ import annotations

from collections.abc import Mapping
from time import perf_counter
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeVar, Unpack, overload

from interop import errors
from interop._engine import events
from interop._engine.parse import parse_axis, parse_request
from interop._identify import registry
from interop._identify.operand import Operand
from interop._model.plan import Plan, Step
from interop._model.verb import Verb
from interop._verbs.common_facts import annotate_each, check_results, common_facts
from interop._verbs.convert import convert_computed
from interop._verbs.inspection import device_of
from interop.adapter.streams import UNORDERED

if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import ModuleType

    import cupy
    import jax
    import torch
    from numpy.typing import NDArray

    from interop._model.request import Keywords, Request
    from interop.adapter import Adapter, Device, Facts

T = TypeVar("T")


@overload
def stack(
    arrays: Iterable[Any], to: Literal["numpy"], /, axis: int = 0, **keywords: Unpack[Keywords]
) -> NDArray[Any]: ...
@overload
def stack(
    arrays: Iterable[Any], to: Literal["torch"], /, axis: int = 0, **keywords: Unpack[Keywords]
) -> torch.Tensor: ...
@overload
def stack(
    arrays: Iterable[Any], to: Literal["cupy"], /, axis: int = 0, **keywords: Unpack[Keywords]
) -> cupy.ndarray: ...
@overload
def stack(
    arrays: Iterable[Any], to: Literal["jax"], /, axis: int = 0, **keywords: Unpack[Keywords]
) -> jax.Array: ...
@overload
def stack(
    arrays: Iterable[Any], to: str | ModuleType, /, axis: int = 0, **keywords: Unpack[Keywords]
) -> Any: ...
@overload
def stack(
    arrays: Iterable[Any], to: type[T], /, axis: int = 0, **keywords: Unpack[Keywords]
) -> T: ...
def stack(arrays: Iterable[Any], to: Any, /, axis: int = 0, **keywords: Any) -> Any:
    """Stack arrays of one shape along a new axis, into one new array of a framework.

    Arrays of one framework, device and dtype are stacked there, and the result is converted. Others are converted
    first, to where the first one goes, and then stacked.

    Parameters
    ----------
    arrays : iterable of arrays
        Of any frameworks; not one array, even if it has rows.
    to : str, module or class
        ``"torch"``, ``torch`` or ``torch.Tensor``.
    axis : int, default 0
        Where the new axis is in the result.
    **keywords
        Those of `convert`. `copy` changes nothing if it is true, and is refused if it is false: to stack is to copy.

    Returns
    -------
    array
        Of the target framework, in memory of its own.

    Raises
    ------
    ShapeError
        The shapes differ, or there is no array at all.
    UnsupportedArrayError
        The dtypes differ, and no `dtype` is given; or it is one array already; or one has no plain numbers.
    InvalidOptionError
        There is no such axis.
    CopyRequiredError
        ``copy=False``.
    InteropError
        What `convert` raises.

    Examples
    --------
    >>> import numpy as np, interop
    >>> interop.stack([np.arange(3), np.ones(3, int)], "torch", axis=1)
    tensor([[0, 1],
            [1, 1],
            [2, 1]])
    """
    job = _Job(
        to,
        registry.find(to),
        parse_request(keywords),
        {k: v for k, v in keywords.items() if k != "copy"},
    )
    facts, alike, items = common_facts(_listed(arrays, job.target), job.request)
    if not _is_any_read(items):
        axis = _parse_axis(axis, facts)
    if job.request.copy is False:
        reason = "to stack is to copy, and copy=False forbids that"
        raise errors.CopyRequiredError(
            reason, target=job.target.name, hint="Leave copy=False out to allow it."
        )
    result = _stack_here(items, axis, facts.device, job) if alike else NotImplemented
    return _stack_there(items, axis, facts.device, job) if result is NotImplemented else result


def _is_any_read(items: list[Any]) -> bool:
    """Return whether any of the objects may have a different shape than stated."""
    return any(isinstance(x, Operand) for x in items)


def _parse_axis(axis: Any, facts: Facts) -> int:
    ndim = len(facts.shape)
    return parse_axis(axis, range(-ndim - 1, ndim + 1), f"arrays of shape {facts.shape}")


class _Job(NamedTuple):
    """Where the result goes: the target as it was named, its adapter, and the keywords, checked and as given."""

    to: Any
    target: Adapter
    request: Request
    keywords: dict[str, Any]

    def ends_on_host(self, here: Device) -> bool:
        """Whether the result of arrays that are `here` is on the host."""
        return (
            self.request.device
            or (here if here.kind in self.target.device_kinds else self.target.default_device)
        ).is_host


def _stack_here(items: list[Any], axis: int, here: Device, job: _Job) -> Any:
    """Stack in the arrays' own framework, and convert the result; NotImplemented where it can't stack."""
    source = registry.identify(items[0]).adapter
    if not here.is_host and job.ends_on_host(here):
        _order(source, here, job.request, before=True)
    stacked = _join(source, items, axis)
    if stacked is NotImplemented:
        return NotImplemented
    result = convert_computed(stacked, job.to, job.keywords)
    return _ordered(result, job) if result is stacked else result


def _stack_there(items: list[Any], axis: int, here: Device, job: _Job) -> Any:
    """Convert each array to where the first one goes, and stack there."""
    keywords = {**job.keywords, "readonly": "share"}  # nobody writes to what is only stacked
    if not job.ends_on_host(here):
        keywords.pop(
            "stream", None
        )  # the target's current one stacks, and the one asked for waits for that

    def verb(x: Any) -> Any:
        result = convert_computed(x, job.to, keywords)
        keywords["device"] = device_of(result)
        return result

    results = list(annotate_each(verb, items))
    if _is_any_read(items):
        axis = _parse_axis(axis, check_results(results, job.request))
    stacked = _join(job.target, results, axis)
    if stacked is NotImplemented:
        target = job.target.name
        reason = f"array-api-compat has no namespace for arrays of {target}, which could stack them"
        code = 'interop.stack(arrays, "numpy")'
        hint = f"Stack in another framework, and convert the result: {code}."
        raise errors.UnsupportedArrayError(reason, target=target, hint=hint)
    return _ordered(stacked, job)


def _join(adapter: Adapter, items: list[Any], axis: int) -> Any:
    """Stack in one framework, and tell those who watch: all that is stacked is copied."""
    start = perf_counter()
    stacked = adapter.stack(items, axis)
    if events.observers and stacked is not NotImplemented:
        name, shape, dtype, device, _, nbytes, *_ = adapter.describe(stacked)
        step = Step(Verb.COPY, "source", device, dtype, nbytes)
        plan = Plan(name, name, shape, device, device, dtype, (step,), "to stack is to copy")
        events.notify(plan, perf_counter() - start)
    return stacked


# -- streams: what is stacked on a device is stacked on its framework's current one --------------------------------


def _order(adapter: Adapter, device: Device, request: Request, *, before: bool) -> None:
    """Order the stream that was asked for, before what is stacked now, or after it."""
    if request.stream is not None and request.stream.handle != UNORDERED:
        asked, current = request.stream, adapter.current_stream(device)
        first, second = (asked, current) if before else (current, asked)
        adapter.wait_stream(first, second, device)


def _ordered(result: Any, job: _Job) -> Any:
    """Let the stream that was asked for wait for the result."""
    if job.request.stream is not None and not (device := device_of(result)).is_host:
        _order(job.target, device, job.request, before=False)
    return result


# -- questions ---------------------------------------------------------------------------------------------------


def _listed(arrays: Iterable[Any], to: Adapter) -> list[Any]:
    if adapter := registry.adapter_of(type(arrays)):
        facts = adapter.describe(arrays)
        hint = facts.unsupported or f'Use interop.convert(x, "{to.name}") instead.'
        reason = f"stack takes a list of arrays, and {facts} is one array already"
        raise errors.UnsupportedArrayError(reason, source=facts, target=to.name, hint=hint)
    if isinstance(arrays, Mapping):
        reason = "stack takes a list of arrays, and got a dict"
        hint = f'Stack its values: interop.stack(x.values(), "{to.name}").'
        raise errors.NotAnArrayError(reason, source="dict", target=to.name, hint=hint)
    if items := list(arrays):
        return items
    reason = "there is nothing to stack: without an array, the result has no shape"
    raise errors.ShapeError(reason, target=to.name, hint="Pass at least one.")
