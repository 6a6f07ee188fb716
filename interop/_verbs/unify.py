"""Arrays of several frameworks to one framework and one device."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, TypeVar, Unpack, overload

from interop import errors
from interop._engine.parse import parse_request
from interop._identify import registry
from interop._verbs.common_facts import annotate, annotate_each
from interop._verbs.convert import convert_computed
from interop._verbs.inspection import device_of

if TYPE_CHECKING:
    from types import ModuleType

    import cupy
    import torch
    from numpy.typing import NDArray

    from interop._model.request import Keywords
    from interop.adapter import Adapter

T = TypeVar("T")


@overload
def unify(*arrays: Any, to: None = None, **keywords: Unpack[Keywords]) -> tuple[Any, ...]: ...
@overload
def unify(
    *arrays: Any, to: Literal["numpy"], **keywords: Unpack[Keywords]
) -> tuple[NDArray[Any], ...]: ...
@overload
def unify(
    *arrays: Any, to: Literal["torch"], **keywords: Unpack[Keywords]
) -> tuple[torch.Tensor, ...]: ...
@overload
def unify(
    *arrays: Any, to: Literal["cupy"], **keywords: Unpack[Keywords]
) -> tuple[cupy.ndarray, ...]: ...
@overload
def unify(*arrays: Any, to: str | ModuleType, **keywords: Unpack[Keywords]) -> tuple[Any, ...]: ...
@overload
def unify(*arrays: Any, to: type[T], **keywords: Unpack[Keywords]) -> tuple[T, ...]: ...
def unify(*arrays: Any, to: Any = None, **keywords: Any) -> tuple[Any, ...]:
    """Convert arrays of any frameworks to one framework and one device: the first array's, unless told.

    Parameters
    ----------
    *arrays : arrays
        As those of `convert`. One that is passed twice is converted once.
    to : str, module or class, optional
        ``"torch"``, ``torch`` or ``torch.Tensor``. By default the framework of the first array that is of a known one;
        NumPy's scalars don't count. If there is no such array, the array-API namespace of the first array that names
        one.
    **keywords
        Those of `convert`, for each array. By default, all go to the device where that same array goes: where it is,
        if the framework can be there.

    Returns
    -------
    tuple of arrays
        In the order given, of one framework and on one device; shapes and dtypes as they were. Empty if there are none.

    Raises
    ------
    UnknownFrameworkError
        No array is of a known framework, and `to` is not given.
    UnsupportedArrayError
        One is masked or has a unit, and stays in its class, beside one of another class.
    InteropError
        What `convert` raises, with a note that says at which array.

    Examples
    --------
    >>> import numpy as np, interop, torch
    >>> interop.unify(torch.zeros(2), np.ones(2))
    (tensor([0., 0.]), tensor([1., 1.], dtype=torch.float64))
    """
    target = None if to is None else registry.find(to)
    parse_request(keywords)
    if not arrays:
        return ()
    leader = _leader_of(arrays, target)
    to = to or _framework_of(arrays, leader)

    def verb(x: Any) -> Any:
        return convert_computed(x, to, keywords)

    first = annotate(verb, arrays[leader], leader)
    results = {id(arrays[leader]): first}
    keywords["device"] = device_of(first)
    for i, x in enumerate(arrays):
        if id(x) not in results:
            results[id(x)] = annotate(verb, x, i)
    unified = tuple([results[id(x)] for x in arrays])
    if len(set(map(type, unified))) > 1:
        list(annotate_each(_check_class, list(unified)))
    return unified


def _check_class(x: Any) -> None:
    """Refuse a masked array, or an array with a unit, beside arrays of another class.

    Such a subclass means more than its numbers.
    """
    facts = registry.identify(x).describe()
    if facts.unsupported:
        raise errors.UnsupportedArrayError(
            facts.unsupported,
            attempt="cannot unify {source} with arrays of another class",
            source=facts,
        )


def _leader_of(arrays: tuple[Any, ...], target: Adapter | None) -> int:
    """Return the position of the array that decides for all."""
    for i, x in enumerate(arrays):
        if registry.is_array(type(x)) or (target and isinstance(x, target.array_type)):
            return i
    named = (i for i, x in enumerate(arrays) if registry.namespace_of(x))
    return next(named, 0)


def _framework_of(arrays: tuple[Any, ...], leader: int) -> str | ModuleType:
    """Return the framework that decides, or the namespace; an error if there is none."""
    adapter = registry.adapter_of(type(arrays[leader]))
    if adapter and registry.is_array(type(arrays[leader])):
        return adapter.name
    if namespace := registry.namespace_of(arrays[leader]):
        return namespace
    list(annotate_each(registry.identify, list(arrays)))  # what is no array at all says so
    classes = ", ".join(dict.fromkeys(type(x).__qualname__ for x in arrays))
    raise errors.UnknownFrameworkError(
        f"no array here is of a known framework, which would decide for all ({classes})",
        hint='Say where they go: interop.unify(*arrays, to="numpy").',
    )
