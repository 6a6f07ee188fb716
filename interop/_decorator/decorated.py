"""The wrapper of a function that was decorated by a call, not by an ``@`` above the definition.

An ``@`` puts the wrapper where its name leads, so pickle finds it. The name of a function of another library still leads
to that function, so its wrapper is pickled as the function and what the decorator was given.
"""

from __future__ import annotations

import functools
import sys
from types import FunctionType, MethodType
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Callable


class Decorated(functools.partial[Any]):
    """The wrapper of a function, picklable if the function is.

    It is a `functools.partial` without arguments because `inspect` looks through one, so that a coroutine function
    stays one. As a plain function, it binds as a method and is never copied.

    Parameters
    ----------
    wrapper : callable
        What is called.
    function : callable
        What was decorated.
    decorate : callable
        From `settings` and `function` to another wrapper: a function that pickle finds by its name.
    settings : object
        What the decorator was given; picklable.
    """

    __slots__ = ("_parts",)
    _parts: tuple[Callable[[Any, Any], Any], Any, Any]
    __qualname__: str
    __wrapped__: Any

    def __new__(
        cls,
        wrapper: Callable[..., Any],
        function: Any,
        decorate: Callable[[Any, Any], Any],
        settings: Any,
    ) -> Self:
        """Make the wrapper, with the attributes that `functools.wraps` has given to the inner one."""
        self = super().__new__(cls, wrapper)
        functools.update_wrapper(self, wrapper)
        self.__wrapped__ = function
        self._parts = decorate, settings, function
        return self

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        return self if instance is None else MethodType(self, instance)

    def __reduce__(self) -> Any:
        """Reduce to the qualified name if that finds this object, else to the parts of a new one."""
        if find_by_name(self) is self:
            return self.__qualname__
        decorate, settings, function = self._parts
        return decorate, (settings, function)

    def __copy__(self) -> Decorated:
        return self

    def __deepcopy__(self, _: dict[int, Any]) -> Decorated:
        return self

    def __repr__(self) -> str:
        return f"<decorated function {self.__module__}.{self.__qualname__}>"


def is_being_defined(function: Any) -> bool:
    """Return whether a plain function is being decorated by an ``@``.

    If so, its wrapper replaces it. A function that no name leads to counts as such. While a decorator runs, the name is
    not assigned yet: it leads nowhere, or to what had the name before.
    """
    return isinstance(function, FunctionType) and find_by_name(function) is not function


def find_by_name(function: Any) -> Any:
    """Return the object at the module and qualified name of a function, or None."""
    found = sys.modules.get(getattr(function, "__module__", None) or "")
    for part in getattr(function, "__qualname__", "<nameless>").split("."):
        found = getattr(found, part, None)
    return found
