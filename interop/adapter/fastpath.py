"""Optional verbs of an adapter: shortcuts for plain arrays, which skip `describe` and the planner.

An array is plain if its class is exactly one of `FastPathMixin.plain_types`. A shortcut either does
what the plan for such an array would do, or refuses.
"""

from __future__ import annotations

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable
    from types import ModuleType

    Call = Callable[[Any], Any]
    FastPath = tuple[Callable[[Any], bool], Call, Call]
    Compiled = tuple[Call, Call, Call]

__all__ = ["FastPathMixin", "find_compiled"]


def find_compiled(module: str) -> ModuleType | None:
    """Import an optional extension module, or return None if the module was not built.

    ``INTEROP_COMPILED=0`` in the environment disables all extension modules.
    """
    if os.environ.get("INTEROP_COMPILED") == "0":
        return None
    try:
        return import_module(module)
    except ImportError:
        return None


class FastPathMixin:
    """The part of `Adapter` that makes conversions of plain arrays fast."""

    array_type: type[Any]

    @property
    def plain_types(self) -> tuple[type[Any], ...]:
        """`array_type`, and its subclasses that redefine nothing that the adapter uses."""
        return (self.array_type,)

    def fingerprint(self, x: Any, /) -> Hashable | None:  # noqa: ARG002 - optional
        """Return a hashable key that identifies the result of `describe`, faster than `describe`.

        The result is None if the array alone does not determine the facts. A plan is made once for
        all arrays of one class with equal fingerprints. Host memory only.
        """
        return None

    def fast_export_host(self) -> FastPath | None:
        """Return ``(is_plain, share, share_detached)`` for arrays that become ndarrays, or None.

        ``is_plain(x)`` is False for each array that the other two would convert wrongly without an
        error. ``share(x)`` shares memory as `export_host` does, or raises. ``share_detached(x)``
        also accepts an array with a gradient (``detach=True``). Functions in C are best.
        """
        return None

    def fast_adopt_host(self) -> FastPath | None:
        """Return ``(is_plain, share, share_detached)`` for ndarrays that become arrays, or None."""
        return None

    def compiled_export_host(self) -> Compiled | None:
        """Return three functions ``array -> ndarray``: plain, ``detach=True`` and ``copy=True``.

        The functions check the array themselves. They return NotImplemented for an array that is
        not plain, and for one whose conversion would raise or warn.
        """
        return None

    def compiled_adopt_host(self) -> Compiled | None:
        """Return three functions ``ndarray -> array``, as `compiled_export_host` does."""
        return None
