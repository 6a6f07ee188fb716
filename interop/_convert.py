"""A conversion is: who is it, what is it, which route, do it.

    array in -> identify -> describe -> plan -> execute -> array out

That is `_prepare` and `_convert`. In front of them lies what `interop._quick` remembers.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, Literal, TypeVar, Unpack, cast, overload

from interop import _lazy, _policy, _quick, _registry, errors
from interop._execute import execute, make_calls
from interop._options import Keywords, defaults, make_wish, scope
from interop._planner import Route, make_plan
from interop._questions import native

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import ModuleType

    import cupy
    import jax
    import torch
    from numpy.typing import NDArray

    from interop._options import Wish
    from interop._plan import Plan
    from interop.lazy import LazyAdapter

T = TypeVar("T")
_table: Final = _quick.TABLE
_to_numpy: Final = _quick.TABLE["numpy"]
_to_torch: Final = _quick.TABLE["torch"]
_REFUSED: Final = _quick.REFUSED
_fingerprints: Final = _quick.FINGERPRINTS
_calls: Final = _quick.CALLS
_SMALL: Final = 64 * 1024  # bytes: done twice at the first time, and later the quicker way counts


@overload
def convert(x: object, to: Literal["numpy"], /, **keywords: Unpack[Keywords]) -> NDArray[Any]: ...
@overload
def convert(x: object, to: Literal["torch"], /, **keywords: Unpack[Keywords]) -> torch.Tensor: ...
@overload
def convert(x: object, to: Literal["cupy"], /, **keywords: Unpack[Keywords]) -> cupy.ndarray: ...
@overload
def convert(x: object, to: Literal["jax"], /, **keywords: Unpack[Keywords]) -> jax.Array: ...
@overload
def convert(x: object, to: str | ModuleType, /, **keywords: Unpack[Keywords]) -> Any: ...
@overload
def convert(x: object, to: type[T], /, **keywords: Unpack[Keywords]) -> T: ...
@_quick.verb()
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
    compute : bool, default False
        Whether a lazy array (Dask's) is computed. If not, it stays lazy, and each of its blocks is converted when it is
        computed, by these same keywords. `to_numpy` and its kin, which promise an array of theirs, compute.
    chunks : int, tuple, str or other, optional
        How an array is cut into blocks, where the target is lazy (``"dask"``), as Dask spells it. By default "auto".

    Returns
    -------
    array
        Of the target framework: same shape, same values. `x` itself if nothing has to change. For a lazy array that is
        not computed: a lazy array whose blocks are the target's.

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
    if not keywords:
        try:
            plain, native, _ = _table[to][type(x)]
            if plain is None:
                return x
            if plain(x):
                return native(x)
        except _REFUSED:
            pass
    return _convert(x, to, keywords)


@_quick.verb("numpy")
def to_numpy(x: Any, /, **keywords: Unpack[Keywords]) -> NDArray[Any]:
    """Convert an array to a `numpy.ndarray`. As ``convert(x, "numpy", **keywords)``, see `convert`."""
    if not keywords:  # as in convert; one frame less
        try:
            plain, native, _ = _to_numpy[type(x)]
            if plain is None:
                return x
            if plain(x):
                return native(x)
        except _REFUSED:
            pass
    return _convert(x, "numpy", keywords, whole=True)


@_quick.verb("torch")
def to_torch(x: Any, /, **keywords: Unpack[Keywords]) -> torch.Tensor:
    """Convert an array to a `torch.Tensor`. As ``convert(x, "torch", **keywords)``, see `convert`.

    A tensor over memory that torch did not allocate, copies from other frameworks included, can't be resized in place.
    """
    if not keywords:  # as in convert; one frame less
        try:
            plain, native, _ = _to_torch[type(x)]
            if plain is None:
                return x
            if plain(x):
                return native(x)
        except _REFUSED:
            pass
    return _convert(x, "torch", keywords, whole=True)


@_quick.verb("cupy")
def to_cupy(x: Any, /, **keywords: Unpack[Keywords]) -> cupy.ndarray:
    """Convert an array to a `cupy.ndarray`. As ``convert(x, "cupy", **keywords)``, see `convert`."""
    return _convert(x, "cupy", keywords, whole=True)


@_quick.verb("jax")
def to_jax(x: Any, /, **keywords: Unpack[Keywords]) -> jax.Array:
    """Convert an array to a `jax.Array`. As ``convert(x, "jax", **keywords)``, see `convert`.

    JAX takes its arrays for immutable: memory that is shared with it should not be written to any more.
    """
    return _convert(x, "jax", keywords, whole=True)


def convert_like(x: Any, ref: Any, /, **keywords: Unpack[Keywords]) -> Any:
    """Convert an array to the framework and the device of another one. See `convert`.

    Raises
    ------
    NotAnArrayError, UnknownFrameworkError
        `ref` is of no known framework.
    """
    adapter, ref, _ = native(ref)
    return _convert(x, adapter.name, {"device": adapter.describe(ref).device, **keywords})


def explain(x: Any, to: str | ModuleType | type, /, **keywords: Unpack[Keywords]) -> Plan:
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


def convert_whole(x: Any, to: Any, keywords: Mapping[str, Any]) -> Any:
    """Convert to an array of just that framework: a lazy one is computed."""
    keywords = {"compute": True, **keywords} if _registry.is_lazy(type(x)) else keywords
    return convert(x, to, **keywords)


def convert_by_wish(x: Any, to: str, wish: Wish) -> Any:
    """Convert by keywords that are checked already, in whatever process."""
    with scope(wish):
        return _convert(x, to, {})


def _convert(x: Any, to: Any, keywords: Mapping[str, Any], *, whole: bool = False) -> Any:
    """Convert by calls that are remembered, if the same has been asked of the like before.

    A lazy array is computed if the `whole` is asked for.
    """
    key: Any = None
    if "detach" in keywords and len(keywords) == 1 and keywords["detach"] is True:
        try:
            plain, _, detached = _table[to][type(x)]
            if plain is None:
                return x
            if plain(x):
                return detached(x)
        except _REFUSED:
            pass
    try:
        key = (to, type(x), _fingerprints[type(x)](x), defaults())
        for item in keywords.items():
            key += (item, type(item[1]))  # 1 is equal to True, but no choice of copy=
        result = x
        for call in _calls[key]:
            result = call(result)
    except (*_REFUSED, BufferError):  # asked for the first time, not hashable, or sharing failed this time
        pass
    else:
        return result
    if whole:
        keywords = {"compute": True, **keywords}
    return flow(x, to, keywords, key)[0]  # out here, so that its errors have no context of ours


def convert_by_plan(x: Any, to: Any, keywords: Mapping[str, Any], key: Any) -> tuple[Any, Plan]:
    """Convert by a plan. A consumer's limits that show only on the attempt are planned around, once."""
    plan, array, route = _prepare(x, to, keywords)
    if isinstance(route, _lazy.LazyRoute):
        return _convert_lazily(plan, array, route)
    _policy.warn(plan, route.wish)
    calls = make_calls(plan, route)
    if type(x) in route.source.plain_types:
        _quick.learn(route.source, route.target, to)
    try:
        result = execute(calls, array)
    except BufferError as refusal:
        if isinstance(refusal, errors.InteropError) or (route.facts.obstacle and not route.target.copies_ndarrays):
            raise
        route = route._replace(refused=str(refusal))
        plan = make_plan(route)
        return execute(make_calls(plan, route), array), plan
    if _is_lasting(key, plan, route):
        _quick.remember(key, _shortened(calls, plan, route, array))
    return result, plan


def _convert_lazily(plan: Plan, x: Any, route: _lazy.LazyRoute) -> tuple[Any, Plan]:
    """Convert now, what is computed now; else see that each block is converted when it is computed."""
    whole = route.whole
    _policy.warn(plan, whole.wish)
    if plan.steps[0].verb != "compute":
        return _lazy.execute(route, plan, x, convert_by_wish, _unwatched), plan
    computed = cast("LazyAdapter", whole.source).compute(x)
    with scope(_lazy.wish_when_computed(route)):
        result, rest = convert_by_plan(computed, whole.target.name, {}, None)
    source, array, _ = _registry.identify(computed)
    done = _lazy.computed(route, rest, source.describe(array))  # its meta may have lied, and its size was not known
    if not _lazy.is_known(whole.facts):
        _policy.warn(done, whole.wish)
    return result, done


def _unwatched(x: Any, to: str, wish: Wish) -> Any:
    """Convert as a part of another conversion, which is the one that is seen."""
    with scope(wish):
        return convert_by_plan(x, to, {}, None)[0]


flow: Callable[[Any, Any, Mapping[str, Any], Any], tuple[Any, Plan]] = convert_by_plan
"""What is called above: `interop._watch` puts another function in its place while somebody watches."""


def _is_lasting(key: Any, plan: Plan, route: Route) -> bool:
    """Whether the plan holds for all with this key: no device's state has decided, and no stream."""
    known = key is not None and key[2] is not None
    return known and route.wish.stream is None and route.facts.device.is_host and plan.device.is_host


def _shortened(calls: tuple[Any, ...], plan: Plan, route: Route, x: Any) -> tuple[Any, ...]:
    """Share by the framework's own call, where it takes such an array: tried once, on a small one."""
    native, facts = _quick.native_call(route.source, route.target), route.facts
    guarded = facts.readonly or plan.readonly  # the native call knows no such thing
    if native is None or guarded or plan.steps[-1].verb != "share" or facts.nbytes >= _SMALL:
        return calls
    shortened = (*calls[:-2], native)
    with suppress(*_REFUSED):
        execute(shortened, x)
        return shortened
    return calls


def _prepare(x: Any, to: Any, keywords: Mapping[str, Any]) -> tuple[Plan, Any, Route | _lazy.LazyRoute]:
    """Find out who and what, and decide how. Nothing is copied, and nothing waits."""
    target = _registry.find(to)
    wish = make_wish(keywords)
    source, array, label = _registry.identify(x, target)
    facts = source.describe(array)
    route = Route(facts._replace(framework=label) if label else facts, source, target, wish)
    _lazy.check_chunks(route)
    if source.lazy or target.lazy:
        lazily = _lazy.open_route(route, x, array)
        return _lazy.make_plan(lazily), array, lazily
    return make_plan(route), array, route


_quick.learn_all(_registry.loaded_adapters())
