"""What several arrays have in common."""

from __future__ import annotations

from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from interop import errors
from interop._identify import registry

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from interop._identify.operand import Operand
    from interop._model.request import Request
    from interop.adapter import Adapter, Facts

_SHOWN: Final = 5  # of the shapes or dtypes that differ
_likeness: Final = attrgetter("dtype", "shape", "device")


class CommonFacts(NamedTuple):
    """A description of several arrays: the facts of the first array, and all arrays, opened.

    `alike` tells whether all are of one framework, device and dtype.
    """

    facts: Facts
    alike: bool
    items: list[Any]


def common_facts(items: list[Any], request: Request) -> CommonFacts:
    """Describe several arrays, and check that stacking is possible.

    Raises
    ------
    UnsupportedArrayError, ShapeError
    """
    adapter = registry.adapter_of(type(items[0]))
    if adapter and _are_plain(items, adapter):
        return CommonFacts(adapter.describe(items[0]), alike=True, items=items)
    operands = list(annotate_each(registry.identify, items))
    facts = [one.describe() for one in operands]
    _check_numbers(facts)
    _check_alike(
        {i: fact for i, fact in enumerate(facts) if not _is_stated(operands[i], fact)}, request
    )
    kinds = {(fact.framework, fact.device, fact.dtype) for fact in facts}
    alike = len(kinds) == 1 and not any(one.foreign_class for one in operands)
    return CommonFacts(
        facts[0], alike, [one if one.foreign_class else one.array for one in operands]
    )


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
    """Insist on one shape and, unless all are cast, on one dtype; the keys tell where the arrays are."""
    shapes = {i: fact.shape for i, fact in facts.items()}
    _insist_on_one("shape", shapes, "Pad or crop them first.", errors.ShapeError)
    if request.dtype is None:
        dtypes = {i: fact.dtype for i, fact in facts.items()}
        _insist_on_one(
            "dtype",
            dtypes,
            "Pass dtype=, and each is converted to it.",
            errors.UnsupportedArrayError,
        )


def _are_plain(items: list[Any], adapter: Adapter) -> bool:
    """Whether the first array can speak for all; to describe each may take longer than to stack them."""
    if {adapter.array_type} != set(map(type, items)):
        return False
    try:
        likeness = list(map(_likeness, items))
    except (
        AttributeError,
        RuntimeError,
    ):  # no such attribute, or a nested array, which has no shape
        return False
    return likeness.count(likeness[0]) == len(items)


def _insist_on_one(
    what: str, values: Mapping[int, Any], hint: str, error: type[errors.InteropError]
) -> None:
    first: dict[Any, int] = {}
    for i, value in values.items():
        first.setdefault(value, i)
    if len(first) <= 1:
        return
    distinct = list(first.items())
    where = ", ".join(f"{value} at {i}" for value, i in distinct[:_SHOWN])
    more = " and others" if len(distinct) > _SHOWN else ""
    reason = f"arrays of one {what} can be stacked, and these are of several: {where}{more}"
    raise error(reason, hint=hint)


def annotate_each(verb: Callable[[Any], Any], items: list[Any]) -> Iterator[Any]:
    """Apply a verb; its refusal says which array it was."""
    return (annotate(verb, x, i) for i, x in enumerate(items))


def annotate(verb: Callable[[Any], Any], x: Any, i: int) -> Any:
    """Apply a verb to one of several arrays."""
    try:
        return verb(x)
    except errors.InteropError as error:
        error.add_note(f"at arrays[{i}]")
        raise
