"""Optional methods of an adapter: the fast path for plain arrays, without `describe` and planner.

An array is plain if its class is exactly one of `FastPathMixin.plain_types`. A function of the fast
path either does what the plan for such an array would do, or refuses.
"""

from __future__ import annotations

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable
    from types import ModuleType

    Call = Callable[[Any], Any]

__all__ = ["CompiledPath", "FastPath", "FastPathMixin", "find_compiled"]


class FastPath(NamedTuple):
    """A check for plain arrays, and native calls for the arrays that pass the check.

    Attributes
    ----------
    is_plain : callable
        ``is_plain(x)`` is False for each array that a native call would convert wrongly without an
        error.
    share : callable
        ``share(x)`` returns an array over the same memory, or raises.
    share_detached : callable
        ``share_detached(x)`` also accepts an array with a gradient (``detach=True``).
    """

    is_plain: Callable[[Any], bool]
    share: Call
    share_detached: Call


class CompiledPath(NamedTuple):
    """Functions in C, each for one set of keywords, that check and convert an array.

    A function returns NotImplemented for an array that is not plain, and for an array whose
    conversion would raise or warn.

    Attributes
    ----------
    share, share_detached, copy : callable
        For calls without keywords, with ``detach=True`` and with ``copy=True``.
    """

    share: Call
    share_detached: Call
    copy: Call


def find_compiled(module: str) -> ModuleType | None:
    """Import an optional extension module, or return None if the module was not built.

    ``INTEROP_COMPILED=0`` in the environment disables all extension modules.
    """
    if os.environ.get("INTEROP_COMPILED") == "0":
        return None
    try:
        return import_module(module)
    # A module that was built for another Python or NumPy raises this error, too.
    except ImportError:
        return None


class FastPathMixin:
    """The part of `Adapter` that makes conversions of plain arrays fast."""

    array_type: type[Any]

    @property
    def plain_types(self) -> tuple[type[Any], ...]:
        """`array_type`, and subclasses that redefine nothing that the adapter uses."""
        return (self.array_type,)

    def fingerprint(self, x: Any, /) -> Hashable | None:  # noqa: ARG002 - optional
        """Return a hashable key that identifies the result of `describe`, faster than `describe`.

        The result is None if the array alone does not determine the facts. A plan is made once for
        all arrays of one class with equal fingerprints. Host memory only.
        """
        return None

    def fast_export_host(self) -> FastPath | None:
        """Return the native calls ``array -> ndarray``, or None. Functions in C are best."""
        return None

    def fast_adopt_host(self) -> FastPath | None:
        """Return the native calls ``ndarray -> array``, or None. Functions in C are best."""
        return None

    def compiled_export_host(self) -> CompiledPath | None:
        """Return the functions in C ``array -> ndarray``, or None if there are none."""
        return None

    def compiled_adopt_host(self) -> CompiledPath | None:
        """Return the functions in C ``ndarray -> array``, or None if there are none."""
        return None
