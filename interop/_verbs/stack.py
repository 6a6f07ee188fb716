"""The public function `stack`: many arrays become one array of a framework."""

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
    """Stack arrays of one shape along a new axis, and convert the result to a framework.

    Arrays of one framework, device and dtype are stacked first, and the result is converted. Other
    arrays are converted first, to the device where the first array goes, and then stacked.

    Parameters
    ----------
    arrays : iterable of arrays
        Arrays of any frameworks. One array with rows is refused.
    to : str, module or class
        The target framework: ``"torch"``, ``torch`` or ``torch.Tensor``.
    axis : int, default 0
        Position of the new axis in the result.
    **keywords
        Keywords of `convert`. ``copy=False`` raises an error, because stacking copies the arrays.

    Returns
    -------
    array
        Array of the target framework in new memory.

    Raises
    ------
    ShapeError
        The shapes differ, or there is no array.
    UnsupportedArrayError
        The dtypes differ and `dtype` is not given, or `arrays` is one array, or an array has no
        plain numbers.
    InvalidOptionError
        `axis` is out of range.
    CopyRequiredError
        ``copy=False``.
    InteropError
        Any error of `convert`, with a note that gives the position of the array.

    Examples
    --------
    >>> import numpy as np, interop
    >>> interop.stack([np.arange(3), np.ones(3, int)], "torch", axis=1)
    tensor([[0, 1],
            [1, 1],
            [2, 1]])
    """
    # Stacking makes the copy, so the conversion before or after needs no copy=True.
    rest = {name: value for name, value in keywords.items() if name != "copy"}
    job = _Job(to, registry.find(to), parse_request(keywords), rest)
    facts, alike, items = common_facts(_listed(arrays, job.target), job.request)
    # The shape of an object that is read first is certain only after the read, and so is the
    # range of the axis. `_stack_at_target` checks the axis then.
    if not _is_any_read(items):
        axis = _parse_axis(axis, facts)
    if job.request.copy is False:
        reason = "stacking copies the arrays, and copy=False forbids a copy"
        hint = "Leave copy=False out to allow it."
        raise errors.CopyRequiredError(reason, target=job.target.name, hint=hint)
    if alike:
        result = _stack_at_source(items, axis, facts.device, job)
        if result is not NotImplemented:
            return result
    return _stack_at_target(items, axis, facts.device, job)


def _listed(arrays: Iterable[Any], to: Adapter) -> list[Any]:
    """Return the arrays as a list, or raise an error if `arrays` is an array, a dict or empty."""
    if adapter := registry.adapter_of(type(arrays)):
        # An array is an iterable of its rows, but a call that stacks the rows again is a mistake.
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


def _is_any_read(items: list[Any]) -> bool:
    """Return whether any of the objects may have a different shape than stated."""
    return any(isinstance(x, Operand) for x in items)


def _parse_axis(axis: Any, facts: Facts) -> int:
    ndim = len(facts.shape)
    return parse_axis(axis, range(-ndim - 1, ndim + 1), f"arrays of shape {facts.shape}")


class _Job(NamedTuple):
    """The target and the keywords of one call.

    Attributes
    ----------
    to, target : object, Adapter
        The target as the caller named it, and the adapter.
    request, keywords : Request, dict
        The checked keywords, and the keywords for `convert`.
    """

    to: Any
    target: Adapter
    request: Request
    keywords: dict[str, Any]

    def ends_on_host(self, here: Device) -> bool:
        """Return whether the result is on the host if the arrays are on a given device."""
        if self.request.device:
            return self.request.device.is_host
        if here.kind in self.target.device_kinds:
            return here.is_host
        return self.target.default_device.is_host


def _stack_at_source(items: list[Any], axis: int, here: Device, job: _Job) -> Any:
    """Stack in the framework of the arrays, and convert the result.

    The result is NotImplemented if the framework cannot stack.
    """
    source = registry.identify(items[0]).adapter
    if not here.is_host and job.ends_on_host(here):
        # A download follows the work on the stream of the caller, so the stacking before it must.
        _wait_for_request(source, here, job.request)
    stacked = _stack(source, items, axis)
    if stacked is NotImplemented:
        return NotImplemented
    keywords = job.keywords
    if source.immutable:
        # Nobody else has the new memory, so the result may write to it.
        keywords = {**keywords, "readonly": "share"}
    result = convert_computed(stacked, job.to, keywords)
    if result is stacked:
        # No conversion took place, which would have ordered the two streams.
        _let_request_wait(result, job)
    return result


def _stack_at_target(items: list[Any], axis: int, here: Device, job: _Job) -> Any:
    """Convert each array to the device where the first array goes, and stack there."""
    # The converted arrays are only read, so read-only memory needs no copy.
    keywords = {**job.keywords, "readonly": "share"}
    # The current stream of the target stacks. The stream of the request waits for the result.
    if not job.ends_on_host(here):
        keywords.pop("stream", None)

    def convert_next(x: Any) -> Any:
        result = convert_computed(x, job.to, keywords)
        # The first result decides about the device of all further arrays.
        keywords["device"] = device_of(result)
        return result

    results = list(annotate_each(convert_next, items))
    if _is_any_read(items):
        axis = _parse_axis(axis, check_results(results, job.request))
    stacked = _stack(job.target, results, axis)
    if stacked is NotImplemented:
        raise _no_namespace(job.target.name)
    _let_request_wait(stacked, job)
    return stacked


def _no_namespace(target: str) -> errors.UnsupportedArrayError:
    reason = f"array-api-compat has no namespace for arrays of {target}, which could stack them"
    code = 'interop.stack(arrays, "numpy")'
    hint = f"Stack in another framework, and convert the result: {code}."
    return errors.UnsupportedArrayError(reason, target=target, hint=hint)


def _stack(adapter: Adapter, items: list[Any], axis: int) -> Any:
    """Stack in one framework, and notify the observers of the copy."""
    start = perf_counter()
    stacked = adapter.stack(items, axis)
    if events.watches and stacked is not NotImplemented:
        name, shape, dtype, device, _, nbytes, *_ = adapter.describe(stacked)
        step = Step(Verb.COPY, "source", device, dtype, nbytes)
        plan = Plan(name, name, shape, device, device, dtype, (step,), "stacking copies")
        events.notify(plan, perf_counter() - start)
    return stacked


# Arrays on a device are stacked on the current stream of the framework. If the caller names another
# stream, one of the two streams waits for the other.


def _wait_for_request(adapter: Adapter, device: Device, request: Request) -> None:
    """Let the current stream wait for the stream of the request."""
    if request.stream is None or request.stream.handle == UNORDERED:
        return
    adapter.wait_stream(request.stream, adapter.current_stream(device), device)


def _let_request_wait(result: Any, job: _Job) -> None:
    """Let the stream of the request wait for the result."""
    asked = job.request.stream
    if asked is None or asked.handle == UNORDERED:
        return
    device = device_of(result)
    if not device.is_host:
        job.target.wait_stream(job.target.current_stream(device), asked, device)
