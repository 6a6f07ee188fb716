"""Containers of torch: arrays that hold indices, and arrays that must stay on the host."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from torch.nn.utils.rnn import PackedSequence

from interop.adapter import CPU, INDEX

if TYPE_CHECKING:
    from collections.abc import Mapping

_ON_HOST: Final = {**INDEX, "device": CPU}
_PACKED: Final[Mapping[str, Mapping[str, Any]]] = {
    "batch_sizes": _ON_HOST,  # torch's kernels read them there
    "sorted_indices": INDEX,
    "unsorted_indices": INDEX,
}
_INDICES: Final = ("indices", "info", "pivots", "rank")


def fixed_keywords(container: type) -> Mapping[str, Mapping[str, Any]]:
    """Return the fixed keywords of a `PackedSequence` and of the classes in `torch.return_types`.

    The keys of the result are names of fields.
    """
    if issubclass(container, PackedSequence):
        return _PACKED
    if container.__module__ == "torch.return_types":
        return {name: INDEX for name in _INDICES if hasattr(container, name)}
    return {}
