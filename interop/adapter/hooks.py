"""Optional methods of an adapter: support for compilers, containers and Dask."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["INDEX", "HooksMixin"]

INDEX: Final[Mapping[str, Any]] = {"dtype": None}
"""Keywords that are fixed for arrays of indices: a ``dtype=`` for the values does not apply."""
_INDEX_FIELDS: Final = ("counts", "indices", "inverse_indices")
"""Fields of the results of ``unique_all`` and the related functions of the array API."""


class HooksMixin:
    """The part of `Adapter` that supports compilers, containers and Dask."""

    def is_tracing(self) -> bool:
        """Return whether a compiler of the framework traces the running program."""
        return False

    def fixed_keywords(self, container: type, /) -> Mapping[str, Mapping[str, Any]]:
        """Return the keywords that `convert_tree` keeps fixed, by field of a container class.

        For example, ``{"indices": INDEX}`` keeps the dtype of the indices, whichever ``dtype=`` the
        caller requests for the values. The default covers the names of the array API.
        """
        return {name: INDEX for name in _INDEX_FIELDS if hasattr(container, name)}

    def with_numpy_dtype(self, x: Any, /) -> Any:
        """Return an array without elements whose ``dtype`` is a NumPy dtype.

        The result is an instance of the class of `x`. Dask reads the dtype of blocks from it.
        """
        return x
