"""Take slices of any array: of a framework, of a foreign library, or of a dataset."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from interop import errors
from interop._engine import reading
from interop._identify import registry
from interop._identify.datasets import is_dataset
from interop._verbs.convert import convert_computed
from interop.adapter import LIBRARY

if TYPE_CHECKING:
    from collections.abc import Callable

    from interop._identify.operand import Operand
    from interop.adapter import Facts


def open_for_slicing(
    x: Any, to: Any, keywords: dict[str, Any]
) -> tuple[tuple[int, ...], Callable[[Any], Any]]:
    """Return the shape of an array, and a function that takes a slice of the array.

    Parameters
    ----------
    x : array
    to, keywords
        The target and the keywords of `convert`, for an array that must be converted before it can
        be sliced.

    Raises
    ------
    NotAnArrayError, UnsupportedArrayError
    """
    x = registry.unwrap(x)
    # The adapter comes first, because a Dask array would pass the test for datasets.
    if registry.adapter_of(type(x)) is None and is_dataset(x):
        return x.shape, x.__getitem__
    operand = registry.identify(x)
    facts = operand.describe()
    if reading.is_read_first(operand.adapter, facts) and not operand.adapter.lazy:
        # An object that is read as a whole must not be read again for each batch.
        array = convert_computed(operand, "numpy", {})
        return array.shape, array.__getitem__
    if operand.foreign_class and facts.unsupported and not hasattr(x, "__getitem__"):
        raise errors.UnsupportedArrayError(
            facts.unsupported, attempt="cannot split {source} into batches", source=facts
        )
    take_slice = _slicer(x, operand, facts)
    if take_slice is None:
        take_slice = _convert_first(x, to, keywords).__getitem__
    return facts.shape, take_slice


def _slicer(x: Any, operand: Operand, facts: Facts) -> Callable[[Any], Any] | None:
    """Return a function that takes slices of an array in memory, or None if there is no such one.

    Slices are views if the array has views.
    """
    array = operand.array
    if hasattr(array, "__getitem__") and registry.adapter_of(type(array)):
        return array.__getitem__
    # The order matters: the slices of a framework are known to be views.
    if operand.foreign_class and facts.device.kind == LIBRARY:
        return partial(_slice_all_axes, x)
    if operand.foreign_class and hasattr(x, "__getitem__"):
        return x.__getitem__  # slices of a foreign array support the same protocol as the array
    if facts.device.kind in operand.adapter.device_kinds:
        return partial(operand.adapter.view, array)
    return None


def _slice_all_axes(x: Any, index: Any) -> Any:
    """Take a slice with an index for every axis, as the array API standard requires."""
    if isinstance(index, tuple):
        return x[(*index, ...)]
    return x[index, ...]


def _convert_first(x: Any, to: Any, keywords: dict[str, Any]) -> Any:
    """Convert an array that cannot be sliced, sharing the memory.

    The batches are slices of the result. Keywords that need a copy (dtype, device, copy) are
    applied to each batch, so that the copies are small.
    """
    kept: dict[str, Any] = {
        name: keywords[name] for name in ("readonly", "stream", "detach") if name in keywords
    }
    if keywords.get("copy") is False:
        kept["copy"] = False
    return convert_computed(x, to, kept)
