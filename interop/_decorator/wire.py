"""Stable names for pickles of decorated functions. Each function here rebuilds one object.

A pickle names the function that rebuilds an object by module and name, and another version of
interop may load the pickle. So a function in this module keeps its name and its place, and a new
parameter needs a default. The classes that these functions make can be renamed and moved.

The imports are inside the functions because the modules of those classes import this module.
"""
# ruff: noqa: PLC0415 - see above

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from interop import errors

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable, Mapping
    from inspect import Parameter

    from interop._decorator.decorated import Decorated
    from interop._decorator.per_block import BlockCall, BlockMapper
    from interop._decorator.signature import Parameters
    from interop._decorator.wrap import Boundary


def decorate(options: Mapping[str, Any], function: Any) -> Decorated:
    """Decorate a function with the arguments of `implemented_in`, by name."""
    from interop._decorator.decorated import decorate_by_call
    from interop._decorator.settings import load

    with errors.reading_payload():
        return decorate_by_call(load(options), function)


def make_boundary(options: Mapping[str, Any], parameters: Parameters) -> Boundary:
    """Make the boundary of a function that is pickled by value."""
    from interop._decorator.decorated import make_boundary
    from interop._decorator.settings import load

    with errors.reading_payload():
        return make_boundary(load(options), parameters)


def make_parameters(name: str, known: dict[str, Parameter], only: Any) -> Parameters:
    """Make the parameters of a function that is pickled by value."""
    from interop._decorator.signature import Parameters

    with errors.reading_payload():
        return Parameters(name, known, only)


def make_block_mapper(function: Callable[..., Any], parameters: Parameters) -> BlockMapper:
    """Make the mapper over blocks of a function that is pickled by value."""
    from interop._decorator.per_block import BlockMapper

    with errors.reading_payload():
        _check_calls(function, ())
        return BlockMapper(function, parameters)


def make_block_call(
    function: Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    keys: tuple[int | str, ...],
    options: Mapping[str, Any],
) -> BlockCall:
    """Make the call of a function with one block of each lazy array, which a Dask worker runs."""
    from interop._decorator.per_block import BlockCall
    from interop._engine.wire import request_from_dict

    with errors.reading_payload():
        _check_calls(function, keys, {*range(len(args)), *kwargs})
        request = request_from_dict(options["request"])
        return BlockCall(function, args, kwargs, keys, lazy=options["lazy"], request=request)


def _check_calls(function: Any, keys: Iterable[Any], known: Container[Any] = ()) -> None:
    if not callable(function) or any(key not in known for key in keys):
        msg = f"no call of {function!r:.80} with {keys!r:.80}"
        raise TypeError(msg)
