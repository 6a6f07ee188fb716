"""Functions and classes that processes send each other by name, for example by `dask.distributed`.

The tasks and the blocks of a lazy array are pickled. A pickle holds the qualified name of each
function and class, and the other process looks that name up. A process with another version of
interop, or a file that was written last year, must find the same name. Therefore:

- Names in this module never move and never change. `tests/test_wire.py` checks that pickles of lazy
  arrays name only modules called `wire` and the public names.
- Arguments are plain data: strings, numbers, dicts and arrays. The keywords of a conversion travel
  as a dict of the fields of `Request`.
- A new argument needs a default, so that old pickles can still be called.

A process may import this module first and alone.
"""

from __future__ import annotations

from functools import partial
from importlib import import_module
from types import NoneType
from typing import TYPE_CHECKING, Any, cast

from interop import errors
from interop._engine.parse import parse_values
from interop._identify import registry
from interop._model.request import Request
from interop.adapter.device import Device
from interop.adapter.dtypes import dtype_name
from interop.adapter.streams import Stream

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from interop.adapter import Adapter
    from interop.adapter.lazy import LazyAdapter


# -- tasks -------------------------------------------------------------------------------------


def convert_block(block: Any, *, lazy: str, to: str, request: Mapping[str, Any]) -> Any:
    """Convert a block of a lazy array, in the process that computes the block.

    Parameters
    ----------
    block : array
        An array of any framework.
    lazy, to : str
        Names of the lazy framework and of the framework of the result.
    request : mapping
        The fields of `Request` that differ from their defaults, from `request_to_dict`.
    """
    register_blocks(lazy, to)
    return _convert(block, to, request_from_dict(request))


def view_block(index: Any, *, x: Any, framework: str) -> Any:
    """Return the block of an array at a tuple of slices, as a view."""
    adapter = registry.adapter_named(framework)
    with errors.reading_payload():
        return adapter.view(x, index)


class Sliced:
    """A dataset that is read and checked slice by slice, when blocks are computed.

    Each slice is checked like an array that is converted. Dask trusts the dtype of the whole, so a
    block of another dtype would give wrong sums.
    """

    def __init__(self, x: Any, to: str) -> None:
        self.shape = x.shape
        self.dtype = x.dtype
        self.ndim = len(x.shape)
        self.chunks = getattr(x, "chunks", None)
        self._x = x
        self._to = to

    def __getitem__(self, index: Any) -> Any:
        """Read a slice.

        Raises
        ------
        UnsupportedArrayError
            The slice is masked, has no plain numbers, or has another dtype than the dataset states.
        """
        part = self._x[index]
        facts = registry.identify(part).describe()
        reason = facts.unsupported
        stated = dtype_name(self.dtype)
        if not reason and facts.dtype != stated:
            hint = f'interop.convert(interop.to_numpy(x), "{self._to}")'
            reason = errors.Reason(
                f"its dtype was stated as {stated}", f"Read it as a whole before: {hint}."
            )
        if reason:
            raise errors.UnsupportedArrayError(
                reason,
                attempt="cannot convert a block, {source}, to {target}",
                source=facts,
                target=self._to,
            )
        return part


# -- blocks ------------------------------------------------------------------------------------


def register_blocks(lazy: str, to: str) -> None:
    """Tell a lazy framework, in this process, how to concatenate, measure and send blocks."""
    adapter = cast("LazyAdapter", registry.adapter_named(lazy))
    inner = registry.adapter_named(to)
    with errors.reading_payload():
        adapter.register_block_type(inner, pack, partial(register_blocks, lazy, to))


def pack(x: Any) -> tuple[Callable[..., Any], tuple[Any, ...]]:
    """Return a function that makes an equal array in another process, and its arguments.

    The arguments are the memory as an ndarray that pickle can send without a copy, the dtype of the
    ndarray, and the names of the framework and of the device.
    """
    adapter = cast("Adapter", registry.adapter_of(type(x)))
    # The memory is only read. So gradients and read-only memory need no refusal.
    array = _convert(x, "numpy", Request(detach=True, readonly="share"))
    if not array.flags.c_contiguous:
        array = array.copy("C")
    bits = array
    if array.dtype.isbuiltin != 1:
        bits = array.view(f"u{array.dtype.itemsize}")  # pickle copies dtypes such as bfloat16
    return unpack, (bits, array.dtype, adapter.name, str(adapter.describe(x).device))


def unpack(bits: Any, dtype: Any, to: str, device: str) -> Any:
    """Make the array that `pack` was given, over the memory that has arrived."""
    with errors.reading_payload():
        # Memory that has arrived may be read-only. It is not copied once more for that reason.
        request = Request(device=Device.parse(device), readonly="share")
        # With the class, because `view` would take a class of arrays for the class of the result.
        array = bits.view(dtype, type(bits))
    return _convert(array, to, request)


# -- inside ------------------------------------------------------------------------------------


def request_to_dict(request: Request) -> dict[str, Any]:
    """Return the fields of a request that differ from the defaults."""
    fields = request._asdict()
    defaults_of_fields = Request._field_defaults
    # The test is `is not`, because a value may define ==. To send a default does no harm.
    return {name: x for name, x in fields.items() if x is not defaults_of_fields[name]}


def request_from_dict(fields: Mapping[str, Any]) -> Request:
    """Return the request with these fields, after a check of their names and values."""
    with errors.reading_payload():
        # A stream has been parsed already, and is not one of the values that a user writes.
        stream = fields.get("stream")
        if not isinstance(stream, (Stream, NoneType)):
            raise TypeError(f"stream={stream!r:.80}")
        parsed = parse_values({name: x for name, x in fields.items() if name != "stream"})
        return Request(**parsed, stream=stream)


def _convert(x: Any, to: str, request: Request) -> Any:
    # The pipeline stands above this module, because it makes lazy arrays with the functions above.
    # It is reached by its name, so that this module can be imported alone.
    pipeline: Any = import_module("interop._engine.pipeline")
    return pipeline.convert_by_request(x, to, request)
