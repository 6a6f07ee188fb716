"""The public function `unify`: arrays of several frameworks go to one framework and one device."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, TypeVar, Unpack, overload

from interop import errors
from interop._engine.parse import parse_request
from interop._identify import registry
from interop._model import text
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
    """Convert arrays of any frameworks to one framework and one device.

    The leading array decides for all arrays. This is the first array of a known framework, or of
    `to` if `to` is given. NumPy scalars do not lead. If there is no such array, the first array
    with an array-API namespace leads.

    Parameters
    ----------
    *arrays : arrays
        Arrays as in `convert`. An array that is passed twice is converted once.
    to : str, module or class, optional
        The target framework: ``"torch"``, ``torch`` or ``torch.Tensor``. By default the framework
        or the namespace of the leading array.
    **keywords
        Keywords of `convert` for each array. By default, all arrays go to the device of the
        converted leading array. This is the device of the leading array if the target framework
        supports it.

    Returns
    -------
    tuple of arrays
        Arrays of one framework on one device in the order of the arguments, with unchanged shapes
        and dtypes. Empty without arguments.

    Raises
    ------
    UnknownFrameworkError
        No array has a known framework or a namespace, and `to` is not given.
    UnsupportedArrayError
        An array keeps a mask or a unit in a class of its own, beside an array of another class.
    InteropError
        Any error of `convert`, with a note that gives the position of the array.

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

    def convert_next(x: Any) -> Any:
        return convert_computed(x, to, keywords)

    # The leader is converted first, because only the result tells the device for all.
    first = annotate(convert_next, arrays[leader], leader)
    # The tuple `arrays` keeps all objects alive, so an id stands for one object.
    results = {id(arrays[leader]): first}
    keywords["device"] = device_of(first)  # for all further arrays
    for i, x in enumerate(arrays):
        if id(x) not in results:
            results[id(x)] = annotate(convert_next, x, i)
    unified = tuple([results[id(x)] for x in arrays])
    # Arrays of one class can be used together with their masks and units (decision 0026).
    if len({id(type(x)) for x in unified}) > 1:
        # `annotate_each` is lazy, so `list` makes the calls.
        list(annotate_each(_check_class, list(unified)))
    return unified


def _check_class(x: Any) -> None:
    """Raise an error for a masked array, or for an array with a unit.

    Beside arrays of another class, the mask or the unit would be ignored.
    """
    facts = registry.identify(x).describe()
    if facts.unsupported:
        raise errors.UnsupportedArrayError(
            facts.unsupported,
            attempt="cannot unify {source} with arrays of another class",
            source=facts,
        )


def _leader_of(arrays: tuple[Any, ...], target: Adapter | None) -> int:
    """Return the position of the leading array: see `unify`."""
    for i, x in enumerate(arrays):
        if registry.is_array(type(x)) or (target and isinstance(x, target.array_type)):
            return i
    named = (i for i, x in enumerate(arrays) if registry.namespace_of(x))
    return next(named, 0)


def _framework_of(arrays: tuple[Any, ...], leader: int) -> str | ModuleType:
    """Return the framework of the leading array, or the namespace, or raise an error."""
    adapter = registry.adapter_of(type(arrays[leader]))
    if adapter and registry.is_array(type(arrays[leader])):
        return adapter.name
    if namespace := registry.namespace_of(arrays[leader]):
        return namespace
    # Raises an error with a better hint if an argument is not an array.
    list(annotate_each(registry.identify, list(arrays)))
    classes = ", ".join(dict.fromkeys(text.full_name(type(x)).rpartition(".")[2] for x in arrays))
    raise errors.UnknownFrameworkError(
        f"no array here is of a known framework, which would decide for all ({classes})",
        hint='Say where they go: interop.unify(*arrays, to="numpy").',
    )
