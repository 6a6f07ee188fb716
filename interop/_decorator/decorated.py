"""The decoration of a function: its wrapper, and how the wrapper is pickled.

With an ``@`` above the definition, the name of the function leads to its wrapper, so pickle
finds the wrapper. The name of a function of another library still leads to that function. So its
wrapper is a `Decorated`, which is pickled as the function and the settings.
"""

from __future__ import annotations

import functools
import sys
from types import FunctionType, MethodType
from typing import TYPE_CHECKING, Any, Self

from interop._decorator import wire
from interop._decorator.argument_converter import ArgumentConverter
from interop._decorator.namespace_injector import NamespaceInjector
from interop._decorator.per_block import per_block as run_per_block
from interop._decorator.settings import ARRAY_API
from interop._decorator.signature import Parameters
from interop._decorator.wrap import wrap

if TYPE_CHECKING:
    from collections.abc import Callable

    from interop._decorator.settings import Settings
    from interop._decorator.wrap import Boundary


def decorate_by_call(settings: Settings, function: Any) -> Decorated:
    """Decorate a function that is still reachable by name without the decorator."""
    return Decorated(_make_wrapper(settings, function), function, settings)


def make_boundary(settings: Settings, parameters: Parameters) -> Boundary:
    """Make the boundary between a function and the callers."""
    if settings.framework == ARRAY_API:
        return NamespaceInjector(settings, parameters)
    return ArgumentConverter(settings, parameters)


class Decorated(functools.partial[Any]):
    """A wrapper of a function that can be pickled if the function can be pickled.

    It is a `functools.partial` without arguments, because `inspect` looks through one: the wrapper
    of a coroutine function is recognised as one. Like a plain function, it binds as a method and is
    never copied.

    Parameters
    ----------
    wrapper : callable
        The plain wrapper, which converts arguments and results.
    function : callable
        The original function.
    settings : Settings
        The arguments of the decorator.
    """

    __slots__ = ("_settings",)
    _settings: Settings
    __qualname__: str
    __wrapped__: Any

    def __new__(cls, wrapper: Callable[..., Any], function: Any, settings: Settings) -> Self:
        """Make the wrapper, with the attributes that `functools.wraps` copied to `wrapper`."""
        self = super().__new__(cls, wrapper)
        functools.update_wrapper(self, wrapper)
        self.__wrapped__ = function
        self._settings = settings
        return self

    # `functools.partial` is not a descriptor in all versions of Python.
    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        return self if instance is None else MethodType(self, instance)

    def __reduce__(self) -> Any:
        """Reduce to the qualified name if that leads to this object, else to a new decoration."""
        if find_by_name(self) is self:
            return self.__qualname__
        return wire.decorate, (self._settings._asdict(), self.__wrapped__)

    def __copy__(self) -> Decorated:
        return self

    def __deepcopy__(self, _: dict[int, Any]) -> Decorated:
        return self

    def __repr__(self) -> str:
        return f"<decorated function {self.__module__}.{self.__qualname__}>"


def is_being_defined(function: Any) -> bool:
    """Return whether a plain function is being decorated by an ``@``.

    While a decorator runs, the name of the function is not assigned yet: it leads to nothing, or to
    the object that had the name before. A local function, to which no name leads, counts as being
    defined.
    """
    return isinstance(function, FunctionType) and find_by_name(function) is not function


def find_by_name(function: Any) -> Any:
    """Return the object at the module and qualified name of a function, or None."""
    module = getattr(function, "__module__", None) or ""
    found: Any = sys.modules.get(module)
    # No attribute has a name in angle brackets, so the search of a local function finds None.
    for part in getattr(function, "__qualname__", "<nameless>").split("."):
        found = getattr(found, part, None)
    return found


def decorate(settings: Settings, function: Any) -> Any:
    # Above `staticmethod`, the decorator gets a descriptor, which holds the function.
    if isinstance(function, (staticmethod, classmethod)):
        return type(function)(decorate(settings, function.__func__))
    _check_is_function(function)
    if is_being_defined(function):
        return _make_wrapper(settings, function)
    return decorate_by_call(settings, function)


def _make_wrapper(settings: Settings, function: Any) -> Any:
    parameters = Parameters.of(function, settings.only)
    wrapper = wrap(function, make_boundary(settings, parameters))
    # Outside of the boundary, so that a lazy array is split before its blocks are converted.
    if settings.per_block:
        wrapper = run_per_block(wrapper, parameters)
    return wrapper


def _check_is_function(function: Any) -> None:
    if isinstance(function, type):
        kind = f"the class {function.__name__}"
    elif not callable(function):
        kind = f"a {type(function).__name__}"
    else:
        return
    raise TypeError(
        f"implemented_in decorates functions and methods, not {kind}. Write it directly above "
        "the def."
    )
