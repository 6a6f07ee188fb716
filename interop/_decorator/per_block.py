"""A function that is run for each block of lazy arrays, when that is computed."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, cast

from interop import errors
from interop._decorator.block_check import check_independence
from interop._engine import lazy_planner
from interop._engine.context import defaults, scope
from interop._engine.pipeline import convert_by_request
from interop._identify import registry
from interop._model.request import Request
from interop._trees.convert_tree import Walk

if TYPE_CHECKING:
    from collections.abc import Callable

    from interop._decorator.signature import Parameters
    from interop.adapter import Adapter
    from interop.adapter.lazy import LazyAdapter


def per_block(function: Callable[..., Any], parameters: Parameters) -> Callable[..., Any]:
    """Return a function's wrapper, which is lazy as soon as one of its arguments is.

    Raises
    ------
    TypeError
        It is a coroutine or a generator, which can't be run for a block.
    """
    import inspect  # noqa: PLC0415 - takes longer to import than all of interop

    kinds = inspect.isgeneratorfunction, inspect.iscoroutinefunction, inspect.isasyncgenfunction
    if any(is_kind(function) for is_kind in kinds):
        msg = f"per_block=True runs plain functions, and {parameters.name} is a coroutine or a generator. Leave it out."
        raise TypeError(msg)

    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        keys = _find(args, kwargs, parameters)
        if not keys:
            return function(*args, **kwargs)
        arrays = list(keys.values())
        lazy = cast("LazyAdapter", registry.adapter_of(type(arrays[0])))
        return _map(BlockCall(wrapper, args, kwargs, tuple(keys), lazy.name), lazy, arrays)

    return wrapper


class BlockCall:
    """A call whose lazy arguments are still to come, a block of each: picklable, if the function and the others are.

    Parameters
    ----------
    function : callable
    args : tuple
    kwargs : dict
    keys : tuple of int and str
        Indices and names of the arguments that are missing.
    lazy : str
        Whose blocks they are.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        keys: Any,
        lazy: str,
    ) -> None:
        self.__name__ = function.__name__  # so are the tasks called
        self._function = function
        self._args = tuple(None if i in keys else x for i, x in enumerate(args))
        self._kwargs = {key: None if key in keys else x for key, x in kwargs.items()}
        self._keys = keys
        self._lazy = lazy
        self._request = defaults()  # what the caller permits

    def __call__(self, *blocks: Any) -> Any:
        """Call the function with blocks, in the order of the places.

        Raises
        ------
        ShapeError, UnsupportedArrayError
            What it returns is no array, or of another shape than the block.
        """
        import numpy as np  # noqa: PLC0415 - importing interop loads no NumPy

        result, shape = self.run(*blocks)
        wanted = np.broadcast_shapes(*(tuple(block.shape) for block in blocks))
        if shape != wanted:
            raise self._refusal(shape, f"a block of shape {wanted}")
        return result

    def run(self, *blocks: Any) -> tuple[Any, tuple[int, ...]]:
        """Call the function, and return the result and its shape, of which only the dimensions are checked."""
        args: Any = list(self._args)
        kwargs: Any = dict(self._kwargs)
        for key, block in zip(self._keys, blocks, strict=True):
            (args if isinstance(key, int) else kwargs)[key] = block
        with scope(self._request):
            result = self._function(*args, **kwargs)
        adapter = self._adapter_of(result)
        lazy_planner.register_blocks(self._lazy, adapter.name, convert_by_request)
        shape, ndim = adapter.describe(result).shape, max(block.ndim for block in blocks)
        if len(shape) != ndim:
            raise self._refusal(shape, f"a block of {ndim} dimension{'s' * (ndim != 1)}")
        return result, shape

    def _adapter_of(self, result: Any) -> Adapter:
        adapter = registry.adapter_of(type(result))
        if adapter is None or adapter.lazy:
            what = f"an object of the class {type(result).__name__}"
            reason = (
                f"{self.__name__} returned {what} for a block, and per_block=True needs an array"
            )
            raise errors.UnsupportedArrayError(reason, hint="Leave it out.")
        return adapter

    def _refusal(self, shape: tuple[int, ...], block: str) -> errors.ShapeError:
        return errors.ShapeError(
            f"{self.__name__} returned the shape {shape} for {block}, and per_block=True needs the "
            "same",
            hint="Without it, the function can be passed to dask.array.map_blocks, with chunks=.",
        )


def _find(
    args: tuple[Any, ...], kwargs: dict[str, Any], parameters: Parameters
) -> dict[int | str, Any]:
    """Return the lazy ones among the arguments. Where one is in a container, it is refused."""
    pairs = [*parameters.by_position(args), *parameters.by_keyword(kwargs)]
    keys = {key: x for key, x in pairs if registry.is_lazy(type(x))}
    if keys:
        others = [(key, x) for key, x in pairs if key not in keys]
        Walk(None, _refuse, always_rebuild=False).start(
            dict(others), others, parameters.format_argument, parameters.prefix
        )
    return keys


def _refuse(x: Any, _: object) -> Any:
    if registry.is_lazy(type(x)):
        reason = "a lazy array in a container can't be cut into blocks"
        raise errors.UnsupportedArrayError(reason, hint="Pass it as an argument of its own.")
    return x


def _map(call: BlockCall, lazy: LazyAdapter, arrays: list[Any]) -> Any:
    blocks = [lazy_planner.block_of(lazy, x) for x in arrays]
    made = _try_out(call, blocks)
    shapes = [tuple(x.shape) for x in arrays]
    check_independence(call, [lazy.grid(x) for x in arrays], blocks, shapes)
    adapter = cast("Adapter", registry.adapter_of(type(made)))
    return lazy.map(call, arrays, lazy_planner.meta_of(adapter, made))


def _try_out(call: BlockCall, blocks: list[tuple[Adapter, Any]]) -> Any:
    """Call the function with blocks of one element, else of none: as is what it returns, so will be all that it will.

    For many a function (a maximum) no element is too few.
    """
    try:
        return call.run(*(_of_ones(*block) for block in blocks))[0]
    except Exception as first:
        try:
            return call.run(*(block for _, block in blocks))[0]
        except Exception:  # noqa: BLE001 - what was said of one element is the better reason
            first.add_note(
                f"interop called {call.__name__} with blocks of one element and of none, to see what it returns. "
                f"Without per_block=True it can be passed to dask.array.map_blocks, with dtype= and meta=."
            )
        raise


def _of_ones(adapter: Adapter, block: Any) -> Any:
    import numpy as np  # noqa: PLC0415 - importing interop loads no NumPy

    facts = adapter.describe(block)
    request = Request(dtype=facts.dtype, device=facts.device, casting="unsafe")
    return convert_by_request(np.ones((1,) * len(facts.shape), "float32"), adapter.name, request)
