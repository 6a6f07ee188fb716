"""A conversion is: who is it, what is it, which route, do it.

    array in -> identify -> describe -> plan -> execute -> array out

That is `_prepare` and `_convert`. In front of them lies a table of routes by target and exact class, filled on first
use, because plain arrays without keywords should cost one look-up more than the framework's own call.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final, Literal, TypeVar, Unpack, overload

from interop import _registry, errors
from interop._execute import execute
from interop._options import Keywords, make_wish
from interop._questions import native
from interop._planner import Route, make_plan

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import ModuleType

    import cupy
    import torch
    from numpy.typing import NDArray

    from interop._plan import Plan

T = TypeVar("T")
_routes: Final = _registry.routes
_numpy_routes: Final = _routes["numpy"]
_torch_routes: Final = _routes["torch"]


@overload
def convert(x: object, to: Literal["numpy"], /, **keywords: Unpack[Keywords]) -> NDArray[Any]: ...
@overload
def convert(x: object, to: Literal["torch"], /, **keywords: Unpack[Keywords]) -> torch.Tensor: ...
@overload
def convert(x: object, to: Literal["cupy"], /, **keywords: Unpack[Keywords]) -> cupy.ndarray: ...
@overload
def convert(x: object, to: type[T], /, **keywords: Unpack[Keywords]) -> T: ...
@overload
def convert(x: object, to: str | ModuleType, /, **keywords: Unpack[Keywords]) -> Any: ...
def convert(x: Any, to: Any, /, **keywords: Any) -> Any:
    """Convert an array to a framework: the same memory where that can be, an explicit copy where it can't.

    Parameters
    ----------
    x : array
        Of any known framework, or anything that speaks `__dlpack__`, `__cuda_array_interface__`,
        `__array_interface__`, the buffer protocol or `__array__`.
    to : str, module or class
        ``"torch"``, ``torch`` or ``torch.Tensor``.
    device : str, pair, framework's device or Device, optional
        Where the result is to live. By default where `x` is, if the target framework can be there, else at home.
    dtype : str or framework's dtype, optional
        Of the result. By default that of `x`.
    copy : bool, optional
        None copies only when needed, True always, False never.
    stream : int or object with `__cuda_stream__`, optional
        The stream on which the result will be used. By default the target framework's current one; -1 orders nothing.
    detach : bool, default False
        Whether a tensor that requires grad may leave its framework without its gradient.
    readonly : {"copy", "share", "error"}, default "copy"
        What happens to read-only memory when the target can't protect it.
    casting : {"same_kind", "unsafe"}, default "same_kind"
        Whether `dtype` may lose the kind of number (complex to real, float to integer).

    Returns
    -------
    array
        Of the target framework: same shape, same values. `x` itself if nothing has to change.

    Raises
    ------
    InteropError
        One of its subclasses: `interop.errors` draws the tree.

    Examples
    --------
    >>> import numpy as np, interop
    >>> a = np.arange(3.0)
    >>> t = interop.convert(a, "torch")
    >>> t
    tensor([0., 1., 2.], dtype=torch.float64)
    >>> interop.shares_memory(a, t)
    True
    """
    if keywords:
        return _convert(x, to, keywords)
    try:
        route = _routes[to][type(x)]
    except (KeyError, TypeError):
        route = None  # so that an error of what follows is not shown as one during this
    return (route or _route(x, to))(x)


def to_numpy(x: object, /, **keywords: Unpack[Keywords]) -> NDArray[Any]:
    """Convert an array to a `numpy.ndarray`. As ``convert(x, "numpy", **keywords)``, see `convert`."""
    if keywords:
        return _convert(x, "numpy", keywords)
    try:
        route = _numpy_routes[type(x)]
    except KeyError:
        route = None
    return (route or _route(x, "numpy"))(x)


def to_torch(x: object, /, **keywords: Unpack[Keywords]) -> torch.Tensor:
    """Convert an array to a `torch.Tensor`. As ``convert(x, "torch", **keywords)``, see `convert`."""
    if keywords:
        return _convert(x, "torch", keywords)
    try:
        route = _torch_routes[type(x)]
    except KeyError:
        route = None
    return (route or _route(x, "torch"))(x)


def to_cupy(x: object, /, **keywords: Unpack[Keywords]) -> cupy.ndarray:
    """Convert an array to a `cupy.ndarray`. As ``convert(x, "cupy", **keywords)``, see `convert`."""
    return convert(x, "cupy", **keywords)


def convert_like(x: object, ref: object, /, **keywords: Unpack[Keywords]) -> Any:
    """Convert an array to the framework and the device of another one. See `convert`.

    Raises
    ------
    NotAnArrayError, UnknownFrameworkError
        `ref` is of no known framework.
    """
    adapter, ref, _ = native(ref)
    return convert(x, adapter.name, **{"device": adapter.describe(ref).device, **keywords})


def explain(x: object, to: str | ModuleType | type, /, **keywords: Unpack[Keywords]) -> Plan:
    """Tell what `convert` would do with the same arguments, without doing it: steps, bytes, reason.

    Returns
    -------
    Plan
        Readable as text, as HTML in a notebook, and by its fields.

    Raises
    ------
    InteropError
        What `convert` would raise.

    Examples
    --------
    >>> import numpy as np, interop
    >>> print(interop.explain(np.arange(4, dtype="int16")[::-1], "torch"))
    numpy -> torch, int16 (4,) on cpu: 8 bytes copied, because torch has no negative strides
      copy by the source's framework: int16 on cpu, 8 bytes
      share: int16 on cpu
    """
    return _prepare(x, to, keywords)[0]


# -- the flow ----------------------------------------------------------------------------------------------------


def _convert(x: Any, to: Any, keywords: Mapping[str, Any]) -> Any:
    """Convert by a plan. A consumer's limits that show only on the attempt are planned around, once."""
    plan, x, route = _prepare(x, to, keywords)
    try:
        return execute(plan, x, route)
    except BufferError as refusal:
        if isinstance(refusal, errors.InteropError) or route.facts.obstacle:
            raise
        route = route._replace(facts=route.facts._replace(obstacle=str(refusal)))
        return execute(make_plan(route), x, route)


def _prepare(x: Any, to: Any, keywords: Mapping[str, Any]) -> tuple[Plan, Any, Route]:
    """Find out who and what, and decide how. Nothing is copied, and nothing waits."""
    target = _registry.find(to)
    wish = make_wish(keywords)
    source, array, label = _registry.identify(x)
    facts = source.describe(array)
    route = Route(facts._replace(framework=label) if label else facts, source, target, wish)
    return make_plan(route), array, route


# -- the hot path --------------------------------------------------------------------------------------------------


def _route(x: Any, to: Any) -> Callable[[Any], Any]:
    """Find what converts arrays of this class to `to` when there are no keywords; remember it for exact classes."""
    target, slow = _registry.find(to), partial(_convert, to=to, keywords={})
    source = _registry.adapter_of(type(x))
    if source is None or type(x) is not source.array_type:
        return slow
    if source is target:
        route: Callable[[Any], Any] | None = _same
    elif target.ndarray_native:
        route = source.quick_export_host(slow)
    else:
        route = target.quick_adopt_host(slow) if source.ndarray_native else None
    _routes.setdefault(to, {})[type(x)] = route or slow
    return route or slow


def _same(x: T) -> T:
    return x
