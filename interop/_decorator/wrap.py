"""A function's wrapper: of the same kind (plain, coroutine, generator), with a boundary between it and its callers.

What goes in or comes out passes the boundary, which may put something else in its place. Generators are relayed as
``yield from`` would (PEP 380), and asynchronous ones, for which there is no such thing, likewise.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable


class Boundary(Protocol):
    """What stands between a function and its callers."""

    def convert_arguments(
        self, args: tuple[Any, ...], kwargs: dict[str, Any], /
    ) -> tuple[Any, dict[str, Any], Any]:
        """Return what the function gets in the place of its arguments, and a ticket for the way back."""
        ...

    def convert_result(self, value: Any, context: Any, role: str, /) -> Any:
        """Return what the caller gets in the place of a result; `role` says in a message what it is."""
        ...

    def convert_sent(self, value: Any, /) -> Any:
        """Return what a generator gets in the place of a value that was sent."""
        ...


def wrap(function: Callable[..., Any], boundary: Boundary) -> Any:
    """Return the wrapper of a function: `inspect` finds it of the same kind, and with the same signature."""
    import inspect  # noqa: PLC0415 - takes longer to import than all of interop

    def is_kind(test: Callable[[Any], bool]) -> bool:
        return test(function) or test(
            type(function).__call__
        )  # an object that is called has a method for that

    if is_kind(inspect.isasyncgenfunction):
        wrapper: Any = _async_generator(function, boundary)
    elif is_kind(inspect.isgeneratorfunction):
        wrapper = _generator(function, boundary)
    elif is_kind(inspect.iscoroutinefunction):
        wrapper = _coroutine(function, boundary)
    else:
        wrapper = _plain(function, boundary)
    return functools.wraps(function)(wrapper)


def _plain(function: Callable[..., Any], boundary: Boundary) -> Any:
    convert_arguments, convert_result = boundary.convert_arguments, boundary.convert_result

    def wrapper(*args: Any, **kwargs: Any) -> Any:
        args, kwargs, context = convert_arguments(args, kwargs)
        return convert_result(function(*args, **kwargs), context, "result")

    return wrapper


def _coroutine(function: Callable[..., Any], boundary: Boundary) -> Any:
    async def wrapper(*args: Any, **kwargs: Any) -> Any:
        args, kwargs, context = boundary.convert_arguments(args, kwargs)
        return boundary.convert_result(await function(*args, **kwargs), context, "result")

    return wrapper


# -- generators: values pass through `held`, because a name would keep them alive while the generator rests ------------


def _generator(function: Callable[..., Any], boundary: Boundary) -> Any:
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        args, kwargs, context = boundary.convert_arguments(args, kwargs)
        source, held = function(*args, **kwargs), list[Any]([None])
        del args, kwargs
        step = source.send
        try:
            while True:
                try:
                    held.append(step(held.pop()))
                except StopIteration as stop:
                    held.append(stop.value)
                    break
                held.append(boundary.convert_result(held.pop(), context, "value"))
                try:
                    held.append((yield held.pop()))
                except GeneratorExit:  # the source is closed below
                    raise
                except BaseException as error:  # noqa: BLE001 - whatever is thrown is the source's
                    step = source.throw
                    held.append(error)
                else:
                    step = source.send
                    held.append(boundary.convert_sent(held.pop()))
        finally:
            source.close()
        return boundary.convert_result(held.pop(), context, "result")

    return wrapper


def _async_generator(function: Callable[..., Any], boundary: Boundary) -> Any:
    async def wrapper(*args: Any, **kwargs: Any) -> Any:
        args, kwargs, context = boundary.convert_arguments(args, kwargs)
        source, held = function(*args, **kwargs), list[Any]([None])
        del args, kwargs
        step = source.asend
        try:
            while True:
                try:
                    held.append(await step(held.pop()))
                except StopAsyncIteration:
                    return
                held.append(boundary.convert_result(held.pop(), context, "value"))
                try:
                    held.append((yield held.pop()))
                except GeneratorExit:  # the source is closed below
                    raise
                except BaseException as error:  # noqa: BLE001 - whatever is thrown is the source's
                    step = source.athrow
                    held.append(error)
                else:
                    step = source.asend
                    held.append(boundary.convert_sent(held.pop()))
        finally:
            await source.aclose()

    return wrapper
