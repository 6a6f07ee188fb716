"""Wrappers of plain, coroutine and generator functions, with a boundary around each call.

The boundary converts each value that goes into the function or comes out. A generator is delegated
to as by ``yield from`` (PEP 380). Python has no such statement for asynchronous generators, so
their wrapper does the same.
"""

from __future__ import annotations

import functools
from contextlib import aclosing, closing
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable


class Boundary(Protocol):
    """The conversion of all values between a function and the callers."""

    def convert_arguments(
        self, args: tuple[Any, ...], kwargs: dict[str, Any], /
    ) -> tuple[Any, dict[str, Any], Any]:
        """Return the arguments for the function, and a context for the results.

        `kwargs` may be changed.
        """
        ...

    def convert_result(self, value: Any, context: Any, role: str, /) -> Any:
        """Return the result for the caller. `role` is "result", or "value" for a yielded value."""
        ...

    def convert_sent(self, value: Any, /) -> Any:
        """Return the value for a generator in the place of a value that the caller sent."""
        ...


def wrap(function: Callable[..., Any], boundary: Boundary) -> Any:
    """Return a wrapper with the kind and the signature of the function."""
    import inspect  # noqa: PLC0415 - takes longer to import than all of interop

    def is_kind(test: Callable[[Any], bool]) -> bool:
        # The kind of a callable object is that of its method `__call__`.
        return test(function) or test(type(function).__call__)

    # An asynchronous generator function is neither a generator nor a coroutine function.
    if is_kind(inspect.isasyncgenfunction):
        wrapper: Any = _async_generator(function, boundary)
    elif is_kind(inspect.isgeneratorfunction):
        wrapper = _generator(function, boundary)
    elif is_kind(inspect.iscoroutinefunction):
        wrapper = _coroutine(function, boundary)
    else:
        wrapper = _plain(function, boundary)
    return functools.wraps(function)(wrapper)


# The wrappers refer to `boundary` and not to its methods: a wrapper that is pickled by value would
# name the class of the boundary with each method, and the class may be renamed (see `wire`).


def _plain(function: Callable[..., Any], boundary: Boundary) -> Any:
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        args, kwargs, context = boundary.convert_arguments(args, kwargs)
        return boundary.convert_result(function(*args, **kwargs), context, "result")

    return wrapper


def _coroutine(function: Callable[..., Any], boundary: Boundary) -> Any:
    async def wrapper(*args: Any, **kwargs: Any) -> Any:
        args, kwargs, context = boundary.convert_arguments(args, kwargs)
        return boundary.convert_result(await function(*args, **kwargs), context, "result")

    return wrapper


# In generators, each value passes through the list `held`, from which it is popped. A variable
# would keep an array alive while the generator is suspended.


def _generator(function: Callable[..., Any], boundary: Boundary) -> Any:
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        args, kwargs, context = boundary.convert_arguments(args, kwargs)
        source = function(*args, **kwargs)
        del args, kwargs
        held: list[Any] = [None]
        step = source.send
        with closing(source):
            while True:
                try:
                    held.append(step(held.pop()))
                except StopIteration as stop:
                    held.append(stop.value)
                    break
                held.append(boundary.convert_result(held.pop(), context, "value"))
                try:
                    held.append((yield held.pop()))
                except GeneratorExit:  # the source is closed on the way out
                    raise
                except BaseException as error:  # noqa: BLE001 - the source handles what is thrown
                    step = source.throw
                    held.append(error)
                else:
                    step = source.send
                    held.append(boundary.convert_sent(held.pop()))
        return boundary.convert_result(held.pop(), context, "result")

    return wrapper


def _async_generator(function: Callable[..., Any], boundary: Boundary) -> Any:
    async def wrapper(*args: Any, **kwargs: Any) -> Any:
        args, kwargs, context = boundary.convert_arguments(args, kwargs)
        source = function(*args, **kwargs)
        del args, kwargs
        held: list[Any] = [None]
        step = source.asend
        async with aclosing(source):
            while True:
                try:
                    held.append(await step(held.pop()))
                except StopAsyncIteration:
                    return
                held.append(boundary.convert_result(held.pop(), context, "value"))
                try:
                    held.append((yield held.pop()))
                except GeneratorExit:  # the source is closed on the way out
                    raise
                except BaseException as error:  # noqa: BLE001 - the source handles what is thrown
                    step = source.athrow
                    held.append(error)
                else:
                    step = source.asend
                    held.append(boundary.convert_sent(held.pop()))

    return wrapper
