"""Optional methods of an adapter: the fast path for plain arrays, without `describe` and planner.

An array is plain if its class is exactly one of `FastPathMixin.plain_types`. A function of the fast
path either does what the plan for such an array would do, or refuses.
"""

from __future__ import annotations

import os
import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from interop.errors import Reason, quote

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable
    from types import ModuleType

    Call = Callable[[Any], Any]

__all__ = ["CompiledPath", "FastPath", "FastPathMixin", "find_compiled", "why_no_module"]

_TURNED_OFF: Final = Reason("INTEROP_COMPILED=0 is set", "Unset this environment variable.")
_REINSTALL: Final = "pip install --force-reinstall --no-cache-dir --no-deps array-interop"
_NOT_BUILT: Final = Reason(
    "the extension modules were not built when interop was installed",
    f"Install a wheel, or install a C compiler and run `{_REINSTALL}`.",
)
_UNSUPPORTED: Final = Reason(
    "the extension modules support CPython with the GIL only", "Use CPython without free threading."
)


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
    if _is_turned_off():
        return None
    try:
        return import_module(module)
    # A module that was built for another Python or NumPy raises this error, too.
    except ImportError:
        return None


def why_no_module(module: str) -> Reason | None:
    """Return why `find_compiled` returns None for an extension module, or None if it finds it."""
    # Imported here, because only reports need them.
    import sysconfig  # noqa: PLC0415
    from importlib.util import find_spec  # noqa: PLC0415

    # The variable comes last, because to unset it has no effect without the module.
    if sysconfig.get_config_var("Py_GIL_DISABLED") or sys.implementation.name != "cpython":
        return _UNSUPPORTED
    if find_spec(module) is None:
        return _NOT_BUILT
    if _is_turned_off():
        return _TURNED_OFF
    try:
        import_module(module)
    except ImportError as error:
        hint = f"Build it for this Python and this NumPy: `{_REINSTALL}`."
        return Reason(f"an extension module cannot be imported ({quote(error)})", hint)
    return None


def _is_turned_off() -> bool:
    return os.environ.get("INTEROP_COMPILED") == "0"


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

    def why_not_compiled(self) -> str | None:
        """Return why this process has no functions in C, and what to do, or None.

        The default suits a framework that never has such functions. `why_no_module` gives the
        reason if an extension module is missing.
        """
        return None
