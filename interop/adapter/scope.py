"""Context managers that an interrupt cannot leave open.

Ctrl-C runs a signal handler, which may raise an exception. CPython runs handlers between two
instructions of Python code, and never between the return of a C function and the block of the
``with`` statement that has called the C function. So `__enter__` and `__exit__` are C functions
here, and the only Python code is a generator in which ``try`` covers every change of state.
`contextlib.contextmanager` has Python code of its own around the generator: an interrupt there
leaves the state changed for ever (decision 0041).
"""

from __future__ import annotations

import io
from functools import partial, wraps
from operator import methodcaller
from typing import TYPE_CHECKING, Any, Final, ParamSpec, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from contextlib import AbstractContextManager

    P = ParamSpec("P")
    T = TypeVar("T")

__all__ = ["scoped"]


def scoped(
    function: Callable[P, Generator[T, None, None]],
) -> Callable[P, AbstractContextManager[T]]:
    """Make context managers from a generator function, as `contextlib.contextmanager` does.

    The function changes the state inside ``try`` by one call of a C function, yields once, and
    restores the state inside ``finally`` by one call of a C function or one assignment, before any
    other call. Several changes take several blocks, one in the other. The function does not see an
    exception of the ``with`` block, and cannot suppress one: at the end of the block, the generator
    is closed.

    >>> from contextvars import ContextVar
    >>> level = ContextVar("level", default=0)
    >>> @scoped
    ... def raised(new):
    ...     tokens = []
    ...     try:
    ...         tokens.extend(map(level.set, [new]))  # `level.set(new)` could lose the token
    ...         yield new
    ...     finally:
    ...         for token in tokens:
    ...             level.reset(token)
    >>> with raised(3):
    ...     level.get()
    3
    >>> level.get()
    0
    """

    @wraps(function)
    def make(*args: P.args, **kwargs: P.kwargs) -> Any:
        return _Scope(partial(function, *args, **kwargs))

    return make


class _Enter:
    """The method `__enter__` of a scope: the method ``__next__`` of the generator, which is in C.

    The check that the scope is new runs before, while the ``with`` statement looks up the method.
    """

    def __get__(self, scope: _Scope | None, cls: type) -> Any:
        if scope is None:  # `contextlib.ExitStack` calls the method of the class
            return _enter
        generator = scope.generator
        if generator.gi_suspended or generator.gi_frame is None:
            reason = "this context manager was entered before. Make a new one for each with block."
            raise RuntimeError(reason)
        return generator.__next__


_enter: Final = methodcaller("__enter__")


# The inherited `__exit__` is in C, accepts the exception of the block, and calls `self.close()`.
# `IOBase` is the public class of the standard library with such a method.
class _Scope(io.IOBase):
    """A context manager that is a generator. A call decorates a function, as `ContextDecorator`."""

    __enter__: Any = _Enter()

    def __init__(self, start: Callable[[], Generator[Any, None, None]]) -> None:
        self._start = start
        self.generator: Any = start()
        # The method of the generator raises GeneratorExit at the `yield`, without Python code.
        self.close = self.generator.close  # type: ignore[method-assign]

    def __call__(self, function: Callable[P, T]) -> Callable[P, T]:
        """Run each call of a function inside a ``with`` block of its own."""

        @wraps(function)
        def call(*args: P.args, **kwargs: P.kwargs) -> T:
            with _Scope(self._start):
                return function(*args, **kwargs)

        return call
