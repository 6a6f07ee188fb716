"""The sources of `copyto`: parts of `dst` in row-major order, with the array for each part.

A source is one array, a lazy array, a dataset, or an iterable of arrays.
"""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from interop import errors
from interop._identify import registry
from interop._identify.datasets import is_dataset
from interop._transfer.chunks import format_index, iter_chunks, merge_slices

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from interop._transfer.destination import Destination
    from interop._transfer.operand import DescribedOperand
    from interop._transfer.staging import StagedCopier
    from interop.adapter import Facts
    from interop.adapter.lazy import LazyAdapter


class Part(NamedTuple):
    """A part of `dst`, and the array that is written there."""

    target: DescribedOperand
    source: DescribedOperand


def iter_parts(destination: Destination, src: Any, copier: StagedCopier) -> Iterator[Part]:
    """Return an iterator over the parts of a source.

    The source is checked before this function returns. The arrays of an iterable are checked when
    the iterator reaches them.

    Raises
    ------
    NotAnArrayError
        The source is neither an array nor an iterable.
    UnsupportedArrayError, ShapeError, GradientError, HostCopyError
    """
    src = registry.unwrap(src)
    # Before `identify`, which would treat a dataset as one array that is read as a whole.
    if registry.adapter_of(type(src)) is None and is_dataset(src):
        return _read_slices(destination, src, copier)
    if registry.is_lazy(type(src)):
        return _compute_rows(destination, src, copier)
    try:
        # Before iter(src), because most arrays are iterables of their rows.
        operand = registry.identify(src)
    except errors.NotAnArrayError:
        arrays = _iterator_or_none(src)
        if arrays is None:
            raise
        return _join_arrays(destination, arrays, f"an iterable ({type(src).__name__})")
    target = destination.full()
    return iter([Part(target, destination.validate_source(operand, target))])


def _iterator_or_none(src: Any) -> Iterator[Any] | None:
    with errors.ignored_refusals:
        return iter(src)
    return None


# -- datasets --------------------------------------------------------------------------------------


def _read_slices(destination: Destination, src: Any, copier: StagedCopier) -> Iterator[Part]:
    """Check a dataset, then read one chunk after the other."""
    facts = destination.validate_dataset(src)

    # A generator function would run the check above only at its first step.
    def parts() -> Iterator[Part]:
        for chunk in iter_chunks(facts.shape, copier.limit(facts, destination.facts)):
            operand = registry.identify(src[chunk.index])
            shape = operand.adapter.describe(operand.array).shape
            if shape != chunk.shape:
                index = format_index(chunk.index)
                reason = f"its slice {index} has the shape {shape} instead of {chunk.shape}"
                raise destination.refusal(errors.ShapeError, facts, reason)
            target = destination.view(chunk.index)
            yield Part(target, destination.validate_source(operand, target))

    return parts()


# -- lazy arrays -----------------------------------------------------------------------------------


def _compute_rows(destination: Destination, src: Any, copier: StagedCopier) -> Iterator[Part]:
    """Check a lazy array, then compute runs of rows that end with a block.

    So no block is computed twice.
    """
    operand = registry.identify(src)
    facts = destination.validate_lazy(operand)
    indices: list[Any] = [...]
    if facts.shape:
        ends = cast("LazyAdapter", operand.adapter).rows(src)
        rows = copier.limit(facts, destination.facts) // max(prod(facts.shape[1:]), 1)
        indices = [slice(*bounds) for bounds in merge_slices(ends, rows)]

    # A generator function would run the checks above only at its first step.
    def parts() -> Iterator[Part]:
        for index in indices:
            target = destination.view(index)
            source = destination.validate_source(registry.identify(src[index]), target)
            yield Part(target, source)

    return parts()


# -- iterables -------------------------------------------------------------------------------------


def _join_arrays(destination: Destination, arrays: Iterable[Any], name: str) -> Iterator[Part]:
    """Check `dst`, then write the arrays of an iterable one after the other along axis 0."""
    destination.check_writable(name)
    if not destination.facts.shape:
        reason = "dst has no axis 0, along which the arrays of an iterable are written"
        raise destination.refusal(errors.ShapeError, name, reason)
    return _iter_joined(destination, arrays, name)


def _iter_joined(destination: Destination, arrays: Iterable[Any], name: str) -> Iterator[Part]:
    total = destination.facts.shape[0]
    row = 0
    for x in arrays:
        operand = registry.identify(x)
        facts = operand.adapter.describe(operand.array)
        _check_rows(destination, facts)
        end = row + facts.shape[0]
        if end > total:
            room = f"only {total - row} of {total} rows of dst are not yet written"
            reason = f"its next array has {_count_rows(facts.shape[0])}, but {room}"
            raise destination.refusal(errors.ShapeError, name, reason, "Pass fewer rows.")
        target = destination.view(slice(row, end))
        yield Part(target, destination.validate_source(operand, target))
        row = end
        # Free the array before the iterable makes the next one, which may be as large.
        del x, operand, target
    if row < total:
        reason = f"it ended after {row} of {total} rows"
        hint = f"Pass more rows, or write to a part of dst: dst[:{row}]."
        raise destination.refusal(errors.ShapeError, name, reason, hint)


def _check_rows(destination: Destination, facts: Facts) -> None:
    """Insist on rows of the shape of a row of `dst`."""
    destination.check_shape_is_known(facts)
    shape = destination.facts.shape
    if facts.shape[1:] != shape[1:] or len(facts.shape) != len(shape):
        row = "".join(f", {length}" for length in shape[1:])
        expected = f"(n{row or ','})"
        reason = f"each array of an iterable must have the shape {expected}"
        raise destination.refusal(errors.ShapeError, facts, reason)


def _count_rows(number: int) -> str:
    if number == 1:
        return "1 row"
    return f"{number} rows"
