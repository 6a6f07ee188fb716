"""A function's double: of the same kind (plain, coroutine, generator), with a border between it and its callers.

What goes in or comes out passes the border, which may put something else in its place. Generators are relayed as
``yield from`` would (PEP 380), and asynchronous ones, for which there is no such thing, likewise.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable


class Border(Protocol):
    """What stands between a function and its callers."""

    def enter(self, args: tuple[Any, ...], kwargs: dict[str, Any], /) -> tuple[Any, dict[str, Any], Any]:
        """Return what the function gets in the place of its arguments, and a ticket for the way back."""
        ...

    def leave(self, value: Any, ticket: Any, role: str, /) -> Any:
        """Return what the caller gets in the place of a result; `role` says in a message what it is."""
        ...

    def send(self, value: Any, /) -> Any:
        """Return what a generator gets in the place of a value that was sent."""
        ...


def relay(function: Callable[..., Any], border: Border) -> Any:
    """Return the double of a function: `inspect` finds it of the same kind, and with the same signature."""
    import inspect  # noqa: PLC0415 - takes longer to import than all of interop

    def is_kind(test: Callable[[Any], bool]) -> bool:
        return test(function) or test(type(function).__call__)  # an object that is called has a method for that

    if is_kind(inspect.isasyncgenfunction):
        double: Any = _async_generator(function, border)
    elif is_kind(inspect.isgeneratorfunction):
        double = _generator(function, border)
    elif is_kind(inspect.iscoroutinefunction):
        double = _coroutine(function, border)
    else:
        double = _plain(function, border)
    return functools.wraps(function)(double)


def _plain(function: Callable[..., Any], border: Border) -> Any:
    enter, leave = border.enter, border.leave

    def double(*args: Any, **kwargs: Any) -> Any:
        args, kwargs, ticket = enter(args, kwargs)
        return leave(function(*args, **kwargs), ticket, "result")

    return double


def _coroutine(function: Callable[..., Any], border: Border) -> Any:
    async def double(*args: Any, **kwargs: Any) -> Any:
        args, kwargs, ticket = border.enter(args, kwargs)
        return border.leave(await function(*args, **kwargs), ticket, "result")

    return double


# -- generators: values pass through `held`, because a name would keep them alive while the generator rests ------------


def _generator(function: Callable[..., Any], border: Border) -> Any:
    def double(*args: Any, **kwargs: Any) -> Any:
        args, kwargs, ticket = border.enter(args, kwargs)
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
                held.append(border.leave(held.pop(), ticket, "value"))
                try:
                    held.append((yield held.pop()))
                except GeneratorExit:  # the source is closed below
                    raise
                except BaseException as error:  # noqa: BLE001 - whatever is thrown is the source's
                    step = source.throw
                    held.append(error)
                else:
                    step = source.send
                    held.append(border.send(held.pop()))
        finally:
            source.close()
        return border.leave(held.pop(), ticket, "result")

    return double


def _async_generator(function: Callable[..., Any], border: Border) -> Any:
    async def double(*args: Any, **kwargs: Any) -> Any:
        args, kwargs, ticket = border.enter(args, kwargs)
        source, held = function(*args, **kwargs), list[Any]([None])
        del args, kwargs
        step = source.asend
        try:
            while True:
                try:
                    held.append(await step(held.pop()))
                except StopAsyncIteration:
                    return
                held.append(border.leave(held.pop(), ticket, "value"))
                try:
                    held.append((yield held.pop()))
                except GeneratorExit:  # the source is closed below
                    raise
                except BaseException as error:  # noqa: BLE001 - whatever is thrown is the source's
                    step = source.athrow
                    held.append(error)
                else:
                    step = source.asend
                    held.append(border.send(held.pop()))
        finally:
            await source.aclose()

    return double
