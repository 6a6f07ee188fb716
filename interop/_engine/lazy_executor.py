"""The executor for plans of lazy arrays that compute nothing now.

The functions that run later, in other processes, are in `interop._engine.wire`.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, cast

from interop import errors
from interop._engine import wire
from interop._identify.operand import Operand
from interop._model import text
from interop._model.verb import Verb

if TYPE_CHECKING:
    from collections.abc import Callable

    from interop._engine.lazy_planner import LazyConversion
    from interop._model.plan import Plan
    from interop._model.request import Request
    from interop.adapter import Adapter
    from interop.adapter.lazy import LazyAdapter

    ConvertNow = Callable[[Any, str, Request], tuple[Any, Plan]]


def execute_lazy(
    conversion: LazyConversion, plan: Plan, x: Any, convert_now: ConvertNow
) -> tuple[Any, Plan]:
    """Carry out a plan of `lazy_planner.plan_lazy` that computes nothing now.

    Return the lazy result, and the plan as it was carried out. `convert_now` converts an array as
    a part of this conversion, and returns the result with its plan.
    """
    whole = conversion.whole
    request = conversion.block.request
    if request.host_copy == "warn":
        # The caller has been warned once, for all blocks.
        request = request._replace(host_copy="allow")
    lazy = cast("LazyAdapter", whole.source if whole.source.lazy else whole.target)
    # Other processes register the blocks when they get them. This process may compute blocks, too.
    wire.register_blocks(lazy.name, conversion.block.target.name)
    if whole.source.lazy:
        return _map(conversion, plan, x, request, convert_now), plan
    if plan.later:
        dataset = wire.Sliced(conversion.origin, lazy.name)
        return _with_chunks(lazy.split_later, dataset, whole.request.chunks), plan
    return _split(conversion, plan, x, request, convert_now)


def _map(
    conversion: LazyConversion, plan: Plan, x: Any, request: Request, convert_now: ConvertNow
) -> Any:
    """Return a lazy array that converts each block when the block is computed."""
    lazy = cast("LazyAdapter", conversion.whole.source)
    target = conversion.block.target
    if plan.steps[-1].verb is Verb.MAP:
        function = partial(
            wire.convert_block,
            lazy=lazy.name,
            to=target.name,
            request=wire.request_to_dict(request),
        )
        # A block without elements is converted now. So Dask knows the class of the results.
        meta, _ = convert_now(conversion.meta, target.name, request)
        x = lazy.map(function, [x], empty_like(target, meta))
    chunks = conversion.whole.request.chunks
    if chunks is None:
        return x
    return _with_chunks(lazy.rechunk, x, chunks)


def _split(
    conversion: LazyConversion, plan: Plan, x: Any, request: Request, convert_now: ConvertNow
) -> tuple[Any, Plan]:
    """Convert an array to the framework of the blocks, and return a lazy array of its parts."""
    whole = conversion.whole
    target = conversion.block.target
    lazy = cast("LazyAdapter", whole.target)
    foreign_class = None
    if whole.facts.framework != whole.source.name:
        foreign_class = whole.facts.framework
    # An operand is not identified again, so a foreign object is opened only once.
    operand = Operand(whole.source, x, foreign_class)
    array, done = convert_now(operand, target.name, request)
    cut = partial(wire.view_block, x=array, framework=target.name)
    meta = empty_like(target, array)
    result = _with_chunks(lazy.split, array, cut, meta, whole.request.chunks)
    if whole.facts.needs_read:
        # The plan for the array that was read counts, and not the plan for the stated facts.
        plan = done._replace(target=plan.target)
    return result, plan


def empty_like(adapter: Adapter, x: Any) -> Any:
    """Return an array without elements and with a NumPy dtype, which lazy frameworks require.

    An array without axes keeps its element.
    """
    ndim = len(adapter.describe(x).shape)
    # An array without axes gets the index `...`. The index `()` would make a scalar of an ndarray.
    index = (slice(0, 0),) * ndim or ...
    return adapter.with_numpy_dtype(adapter.view(x, index))


def _with_chunks(function: Callable[..., Any], *args: Any) -> Any:
    """Call a function of a lazy adapter whose last argument is the value of ``chunks=``.

    Raises
    ------
    InvalidOptionError
        The function cannot read the chunks, or they do not fit the shape of the first argument.
    """
    try:
        return function(*args)
    except (errors.InteropError, MemoryError):
        raise
    # The chunks may be any object, and Dask divides by them: chunks=0 gives a ZeroDivisionError.
    except Exception as error:
        chunks = text.short_repr(args[-1])
        shape = tuple(args[0].shape)
        msg = f"chunks={chunks} does not fit an array of shape {shape}: {error}"
        raise errors.InvalidOptionError(msg) from error
