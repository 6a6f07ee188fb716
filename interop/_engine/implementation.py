"""The functions that convert one array: the fast path first, then the cached or planned conversion.

`implement_conversion` implements them. The look-up in `fastpath.TABLE` is written once in Python
and once in C (`_fastpath.c`). The compiled look-up stands in front of the look-up in Python, so a
plain array is converted before Python makes a frame.
"""

from __future__ import annotations

from functools import update_wrapper, wraps
from typing import TYPE_CHECKING, Any, Final, TypeVar

from interop._engine.fastpath import REFUSED, TABLE, compiled_module
from interop._engine.pipeline import convert_any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

F = TypeVar("F", bound="Callable[..., Any]")


def implement_conversion(to: str | None = None) -> Callable[[F], F]:
    """Implement a declared function that converts one array.

    The function gives the name, the types and the docstring, and is not called. To call the
    function would pack the keywords twice (6 % of a cached conversion).

    Parameters
    ----------
    to : str, optional
        The target framework. A function with a fixed target promises an array of that framework, so
        the function computes a lazy array. None takes the target from the second argument of each
        call.
    """

    def implement(declared: F) -> F:
        if to is None:
            return _compiled(wraps(declared)(_for_any_target(convert_any)), None)
        return _compiled(wraps(declared)(_for_target(to)), to)

    return implement


def _compiled(function: Any, to: str | None) -> Any:
    """Put the compiled look-up in front of a function, if there is one."""
    function = _with_own_code(function)
    if compiled_module is None:
        return function
    # torch.compile traces the `__call__` of a compiled function, which leads to the function.
    return update_wrapper(compiled_module.wrap(function, to), function)


def _with_own_code(function: Any) -> Any:
    """Copy the code object of a function, with the name for tracebacks and profiles.

    CPython adapts the instructions of a code object to the classes that it meets. Functions for
    different targets meet different classes, and would undo the adaptions of each other (7 %).
    """
    name = function.__qualname__
    function.__code__ = function.__code__.replace(co_name=name, co_qualname=name)
    return function


# The next two functions have one body, for two signatures. To share the body would cost one more
# frame (5 % of a conversion). An optional second argument would cost one more look-up (4 %), and
# `to_numpy(x, "torch")` would not be an error.


def _for_target(to: str) -> Callable[..., Any]:
    row = TABLE.setdefault(to, {})  # one look-up less in each call

    # Each array passes here, so the body is dense.
    def convert(x: Any, /, **keywords: Any) -> Any:
        # detach=True is the only keyword that has a native call.
        if not keywords or (len(keywords) == 1 and keywords.get("detach") is True):
            try:
                cls = type(x)
                known, is_plain, share, share_detached = row[cls]
                if known is cls:
                    # The entry says that the array is of the target framework already.
                    if is_plain is None:
                        return x
                    if is_plain(x):
                        return share_detached(x) if keywords else share(x)
            except MemoryError:
                raise
            except REFUSED:
                pass
        return convert_any(x, to, keywords, compute=True)

    return convert


def _for_any_target(otherwise: Callable[..., Any]) -> Callable[..., Any]:
    def convert(x: Any, to: Any, /, **keywords: Any) -> Any:
        if not keywords or (len(keywords) == 1 and keywords.get("detach") is True):
            try:
                cls = type(x)
                known, is_plain, share, share_detached = TABLE[to][cls]
                if known is cls:
                    if is_plain is None:
                        return x
                    if is_plain(x):
                        return share_detached(x) if keywords else share(x)
            except MemoryError:
                raise
            except REFUSED:
                pass
        return otherwise(x, to, keywords)

    return convert


def _refuse(_x: Any, to: Any, _keywords: Mapping[str, Any]) -> Any:
    raise KeyError(to)


share_plain: Final = _compiled(_for_any_target(_refuse), None)
"""As `interop.convert`, but an array that is not plain raises an error of `REFUSED`."""
