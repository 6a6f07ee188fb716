"""The facts that several arrays have in common, and notes for errors of one of several arrays."""

from __future__ import annotations

from itertools import repeat
from operator import attrgetter, is_
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from interop import errors
from interop._identify import registry

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from interop._identify.operand import Operand
    from interop._model.request import Request
    from interop.adapter import Adapter, Facts

_SHOWN: Final = 5
"""Maximum number of different shapes or dtypes in a message."""
_likeness: Final = attrgetter("dtype", "shape", "device")


class CommonFacts(NamedTuple):
    """A description of several arrays.

    Attributes
    ----------
    facts : Facts
        Facts of the first array.
    alike : bool
        Whether all arrays are of one framework, device and dtype.
    items : list
        The arrays. An array in a wrapper is replaced by the array, and an object of a foreign class
        by the `Operand`.
    """

    facts: Facts
    alike: bool
    items: list[Any]


def common_facts(items: list[Any], request: Request) -> CommonFacts:
    """Describe several arrays, and check that stacking is possible.

    Raises
    ------
    UnsupportedArrayError
        An array has no plain numbers, or the dtypes differ and the request has no dtype.
    ShapeError
        The shapes differ.
    """
    adapter = registry.adapter_of(type(items[0]))
    if adapter and _are_plain(items, adapter):
        return CommonFacts(adapter.describe(items[0]), alike=True, items=items)
    operands = list(annotate_each(registry.identify, items))
    facts = [one.describe() for one in operands]
    _check_numbers(facts)
    # Stated facts may be wrong. `check_results` checks the facts after the read.
    certain = {i: fact for i, fact in enumerate(facts) if not _is_stated(operands[i], fact)}
    _check_alike(certain, request)
    kinds = {(fact.framework, fact.device, fact.dtype) for fact in facts}
    alike = len(kinds) == 1 and not any(one.foreign_class for one in operands)
    opened = [one if one.foreign_class else one.array for one in operands]
    return CommonFacts(facts[0], alike, opened)


def check_results(arrays: list[Any], request: Request) -> Facts:
    """Check arrays that were converted for stacking, and return the facts of the first array.

    The check is needed because an object may give a different array than it states.
    """
    facts = [registry.identify(x).describe() for x in arrays]
    _check_numbers(facts)
    _check_alike(dict(enumerate(facts)), request)
    return facts[0]


def _is_stated(operand: Operand, facts: Facts) -> bool:
    """Return whether the facts are only stated, and a read may give a different array."""
    return operand.foreign_class is not None and facts.needs_read is not None


def _check_numbers(facts: list[Facts]) -> None:
    for i, fact in enumerate(facts):
        if fact.unsupported:
            raise errors.UnsupportedArrayError(
                fact.unsupported,
                attempt=f"cannot stack {{source}}, the array at {i}",
                source=fact,
            )


def _check_alike(facts: Mapping[int, Facts], request: Request) -> None:
    """Raise an error if the shapes differ, or the dtypes if the request has no dtype.

    The keys of `facts` are the positions of the arrays.
    """
    shapes = {i: fact.shape for i, fact in facts.items()}
    _insist_on_one("shape", shapes, "Pad or crop them first.", errors.ShapeError)
    if request.dtype is None:
        dtypes = {i: fact.dtype for i, fact in facts.items()}
        hint = "Pass dtype=, and each is converted to it."
        _insist_on_one("dtype", dtypes, hint, errors.UnsupportedArrayError)


def _are_plain(items: list[Any], adapter: Adapter) -> bool:
    """Return whether all arrays have the class, the dtype, the shape and the device of the first.

    This is faster than a description of each array, which may take longer than the stacking.
    """
    if not all(map(is_, map(type, items), repeat(adapter.array_type))):
        return False
    try:
        likeness = list(map(_likeness, items))
    except (AttributeError, RuntimeError):  # no such attribute, or a nested tensor without a shape
        return False
    return likeness.count(likeness[0]) == len(items)


def _insist_on_one(
    what: str, values: Mapping[int, Any], hint: str, error: type[errors.InteropError]
) -> None:
    """Raise an error that names the different values, and the first position of each value."""
    first: dict[Any, int] = {}
    for i, value in values.items():
        first.setdefault(value, i)
    if len(first) <= 1:
        return
    distinct = list(first.items())
    where = ", ".join(f"{value} at {i}" for value, i in distinct[:_SHOWN])
    if len(distinct) > _SHOWN:
        where += " and others"
    reason = f"arrays of one {what} can be stacked, and these are of several: {where}"
    raise error(reason, hint=hint)


def annotate_each(function: Callable[[Any], Any], items: list[Any]) -> Iterator[Any]:
    """Call a function for each array. A note in the error gives the position of the array."""
    return (annotate(function, x, i) for i, x in enumerate(items))


def annotate(function: Callable[[Any], Any], x: Any, i: int) -> Any:
    """Call a function for one of several arrays. A note in the error gives the position."""
    try:
        return function(x)
    except errors.InteropError as error:
        error.add_note(f"at arrays[{i}]")
        raise
