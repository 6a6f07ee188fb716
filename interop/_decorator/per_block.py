"""Functions that run once for each block of lazy arrays, when the blocks are computed."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, cast

from interop import errors
from interop._decorator import wire
from interop._decorator.block_check import check_independence
from interop._engine import lazy_executor, lazy_planner
from interop._engine.pipeline import convert_by_request
from interop._engine.wire import register_blocks
from interop._identify import registry
from interop._model.context import defaults, using_defaults
from interop._model.request import Request
from interop._trees.tree_converter import Treatment, TreeConverter

if TYPE_CHECKING:
    from collections.abc import Callable

    from interop._decorator.signature import Parameters
    from interop.adapter import Adapter
    from interop.adapter.lazy import LazyAdapter

    Key = int | str  # index of a positional argument, or name of a keyword argument


def per_block(function: Callable[..., Any], parameters: Parameters) -> Callable[..., Any]:
    """Return a wrapper that returns a lazy array if one of the arguments is a lazy array.

    Raises
    ------
    TypeError
        The function is a coroutine or a generator function, which cannot run for a block.
    """
    import inspect  # noqa: PLC0415 - takes longer to import than all of interop

    kinds = inspect.isgeneratorfunction, inspect.iscoroutinefunction, inspect.isasyncgenfunction
    if any(is_kind(function) for is_kind in kinds):
        raise TypeError(
            f"per_block=True needs a plain function, and {parameters.name} is a coroutine or a "
            "generator function. Remove per_block."
        )
    mapper = BlockMapper(function, parameters)

    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        # Tasks of Dask call `wrapper`, because pickle finds it by name, and not `function`.
        return mapper.run(wrapper, args, kwargs)

    return wrapper


class BlockMapper:
    """The part of a wrapper that maps a function over the blocks of lazy arguments.

    Parameters
    ----------
    function : callable
        Runs if no argument is lazy.
    parameters : Parameters
        Parameters of the function.
    """

    def __init__(self, function: Callable[..., Any], parameters: Parameters) -> None:
        self._function = function
        self._parameters = parameters

    def __reduce__(self) -> Any:
        """Reduce to the arguments of the constructor, for functions that are pickled by value."""
        return wire.make_block_mapper, (self._function, self._parameters)

    def run(self, wrapper: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Call the function, or return a lazy array if an argument is lazy."""
        keys = self._find_lazy(args, kwargs)
        if not keys:
            return self._function(*args, **kwargs)
        arrays = list(keys.values())
        lazy = cast("LazyAdapter", registry.adapter_of(type(arrays[0])))
        # The defaults of the caller travel with the call: a task may run anywhere.
        call = BlockCall(wrapper, args, kwargs, tuple(keys), lazy=lazy.name, request=defaults())
        return _map(call, lazy, arrays)

    def _find_lazy(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[Key, Any]:
        """Return the lazy arguments, and refuse a lazy array inside a container."""
        parameters = self._parameters
        pairs = [*parameters.by_position(args), *parameters.by_keyword(kwargs)]
        keys = {key: x for key, x in pairs if registry.is_lazy(type(x))}
        if keys:
            others = [(key, x) for key, x in pairs if key not in keys]
            visitor = TreeConverter(None, Treatment(_refuse_lazy), always_rebuild=False)
            visitor.convert(dict(others), others, parameters.format_argument, parameters.prefix)
        return keys


class BlockCall:
    """A call that gets one block in the place of each lazy argument.

    It can be pickled if the function and the other arguments can be pickled.

    Parameters
    ----------
    function : callable
        The function to call.
    args, kwargs : tuple, dict
        Arguments of the function.
    keys : tuple of int and str
        Indices and names of the lazy arguments.
    lazy : str
        Framework of the lazy arguments.
    request : Request
        Defaults and policy of the caller, which apply in the tasks.
    """

    def __init__(  # noqa: PLR0913 - a call has as many parts
        self,
        function: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        keys: tuple[Key, ...],
        *,
        lazy: str,
        request: Request,
    ) -> None:
        self.__name__ = function.__name__  # Dask names its tasks by it
        self._function = function
        # A task must not hold the whole lazy array: only the block of it is passed.
        self._args = tuple(None if i in keys else x for i, x in enumerate(args))
        self._kwargs = {key: None if key in keys else x for key, x in kwargs.items()}
        self._keys = keys
        self._lazy = lazy
        self._request = request

    def __reduce__(self) -> Any:
        """Reduce to the arguments of the constructor."""
        options = {"lazy": self._lazy, "request": self._request._asdict()}
        parts = self._function, self._args, self._kwargs, self._keys, options
        return wire.make_block_call, parts

    def __call__(self, *blocks: Any) -> Any:
        """Call the function with one block of each lazy argument.

        Raises
        ------
        ShapeError, UnsupportedArrayError
            The result has another shape than the block, or is not an array.
        """
        import numpy as np  # noqa: PLC0415 - importing interop loads no NumPy

        result, shape = self.run(*blocks)
        expected = np.broadcast_shapes(*(tuple(block.shape) for block in blocks))
        if shape != expected:
            raise self._refusal(shape, f"a block of shape {expected}")
        return result

    def run(self, *blocks: Any) -> tuple[Any, tuple[int, ...]]:
        """Call the function, and return the result and the shape. Only `ndim` is checked."""
        result = self._call_function(blocks)
        adapter = self._adapter_of(result)
        register_blocks(self._lazy, adapter.name)
        shape = adapter.describe(result).shape
        ndim = max(block.ndim for block in blocks)
        if len(shape) != ndim:
            raise self._refusal(shape, f"a block with ndim={ndim}")
        return result, shape

    def _call_function(self, blocks: tuple[Any, ...]) -> Any:
        args = list(self._args)
        kwargs = dict(self._kwargs)
        for key, block in zip(self._keys, blocks, strict=True):
            if isinstance(key, int):
                args[key] = block
            else:
                kwargs[key] = block
        with using_defaults(self._request):
            return self._function(*args, **kwargs)

    def _adapter_of(self, result: Any) -> Adapter:
        adapter = registry.adapter_of(type(result))
        if adapter is None or adapter.lazy:
            raise errors.UnsupportedArrayError(
                f"{self.__name__} returned an object of the class {type(result).__name__} for a "
                "block, and per_block=True needs an array",
                hint="Remove per_block.",
            )
        return adapter

    def _refusal(self, shape: tuple[int, ...], block: str) -> errors.ShapeError:
        return errors.ShapeError(
            f"{self.__name__} returned the shape {shape} for {block}, and per_block=True needs the "
            "shape of the block",
            hint="Remove per_block, and pass the function to dask.array.map_blocks with chunks=.",
        )


def _refuse_lazy(x: Any, _: object) -> Any:
    if registry.is_lazy(type(x)):
        raise errors.UnsupportedArrayError(
            "a lazy array inside a container cannot be split into blocks",
            hint="Pass it as an argument of its own.",
        )
    return x


def _map(call: BlockCall, lazy: LazyAdapter, arrays: list[Any]) -> Any:
    """Return a lazy array that consists of the results of the call."""
    blocks = [lazy_planner.block_of(lazy, x) for x in arrays]
    sample = _try_out(call, blocks)
    shapes = [tuple(x.shape) for x in arrays]
    check_independence(call, [lazy.grid(x) for x in arrays], blocks, shapes)
    adapter = cast("Adapter", registry.adapter_of(type(sample)))
    return lazy.map(call, arrays, lazy_executor.empty_like(adapter, sample))


def _try_out(call: BlockCall, blocks: list[tuple[Adapter, Any]]) -> Any:
    """Call the function with small blocks, and return a result with the framework and dtype of all.

    The blocks have one element, because functions such as a maximum fail without elements. If that
    fails, the blocks have no elements.
    """
    try:
        return call.run(*(_of_ones(*block) for block in blocks))[0]
    except MemoryError:
        raise
    except Exception as first:
        try:
            return call.run(*(block for _, block in blocks))[0]
        except MemoryError:
            raise
        except Exception:  # noqa: BLE001 - the error for one element explains more
            first.add_note(
                f"interop called {call.__name__} with blocks of one element and of no elements, to "
                "learn the dtype of the result. Without per_block=True the function can be passed "
                "to dask.array.map_blocks, with dtype= and meta=."
            )
        # Raises `first` again, because the second exception has been handled.
        raise


def _of_ones(adapter: Adapter, block: Any) -> Any:
    """Return a block of one element, with the framework, dtype and device of another block."""
    import numpy as np  # noqa: PLC0415 - importing interop loads no NumPy

    facts = adapter.describe(block)
    ones = np.ones((1,) * len(facts.shape), "float32")
    request = Request(dtype=facts.dtype, device=facts.device, casting="unsafe")
    return convert_by_request(ones, adapter.name, request)
