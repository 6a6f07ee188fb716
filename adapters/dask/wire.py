"""The form in which blocks travel between the processes of `dask.distributed`.

Distributed can send torch's tensors if they are on the host and NumPy has their dtype. For CuPy's
arrays it needs Numba or RMM. All other blocks are sent as payloads: a pickle with the memory beside
it (protocol 5), and a function that makes the array. A process that has not imported interop can
load a payload, because a pickle names its function. Loading also registers the framework in that
process, since the next step may concatenate the blocks.

The functions and classes below are pickled by name. Names and modules must not change.
"""

from __future__ import annotations

import sys
from functools import partial
from pickle import PickleBuffer
from typing import TYPE_CHECKING, Any, Final

from interop import errors

if TYPE_CHECKING:
    from collections.abc import Callable

    Reduced = tuple[Callable[..., Any], tuple[Any, ...]]
    Pack = Callable[[Any], Reduced]
    Setup = Callable[[], None]
    Frames = tuple[dict[str, Any], list[Any]]

_PAYLOAD: Final = "interop"
"""The key in a header that marks a payload."""
_registered: Final[set[type]] = set()
_originals: Final[dict[type, tuple[Any, Any]]] = {}
"""Distributed's own functions that write and read a class."""


# -- what is pickled -------------------------------------------------------------------------------


class Payload:
    """An array on its way, pickled as a function that makes the array, and arguments."""

    def __init__(self, reduced: Reduced) -> None:
        self._reduced = reduced

    def __reduce__(self) -> Reduced:
        return self._reduced


def load_payload(
    _: Any, setup: Setup, function: Callable[..., Any], arguments: tuple[Any, ...]
) -> Any:
    """Make the array of a payload, after the framework has been registered in this process."""
    with errors.reading_payload():
        _check_functions(setup, function)
    setup()
    return function(*arguments)


def _check_functions(*functions: Any) -> None:
    for function in functions:
        if not callable(function):
            msg = f"{function!r:.80} is not a function"
            raise TypeError(msg)


def load_payload_or_lend(
    spacer: Any, setup: Setup, function: Callable[..., Any], arguments: tuple[Any, ...]
) -> Any:
    """Make the array of a payload, in a form that Distributed's own reader accepts too.

    In a process without a registered framework, Distributed passes the result to `torch.tensor`,
    which takes a DLPack producer without a warning.
    """
    registered_before = tuple(_registered.copy())
    x = load_payload(spacer, setup, function, arguments)
    if isinstance(x, registered_before):
        return x
    with errors.reading_payload():
        return _Lent(x)


class _Lent:
    """An array for `torch.tensor`, which copies the memory.

    That happens once in a process, because the framework is registered afterwards.
    """

    def __init__(self, x: Any) -> None:
        self.__dlpack__ = x.__dlpack__
        self.__dlpack_device__ = x.__dlpack_device__


class HeldBlock:
    """A block as a task of a graph, pickled as blocks are sent.

    torch itself cannot pickle all tensors (uint16, float8).
    """

    def __init__(self, block: Any, pack: Pack, setup: Setup) -> None:
        self._block = block
        self._pack = pack
        self._setup = setup

    def __call__(self) -> Any:
        """Return the block."""
        return self._block

    def __reduce__(self) -> Any:
        return load_held_block, (self._pack, self._setup, *self._pack(self._block))


def load_held_block(
    pack: Pack, setup: Setup, function: Callable[..., Any], arguments: tuple[Any, ...]
) -> HeldBlock:
    """Make a block and the task around the block, after registration of the framework."""
    return HeldBlock(load_payload(None, setup, function, arguments), pack, setup)


class Source:
    """An array in the form that Dask slices, with a function that cuts a block from the array."""

    def __init__(self, x: Any, cut: Callable[[Any], Any], meta: Any) -> None:
        self.shape = tuple(x.shape)
        self.dtype = meta.dtype
        self.ndim = len(x.shape)
        self._cut = cut

    def __getitem__(self, index: Any) -> Any:
        # NumPy returns a scalar for the index () of a 0-d array, and an array for an ellipsis.
        return self._cut(index or ...)


# -- registration with Distributed -----------------------------------------------------------------


def register(cls: type, pack: Pack, setup: Setup) -> None:
    """Register a class with Distributed, so that blocks without a serializer go as payloads.

    A class without any serializer in Distributed is pickled already. Without Distributed, nothing
    is done.

    Parameters
    ----------
    cls : type
        The class of the blocks.
    pack : function
        Returns, for an array, a function and the arguments that make the array again.
    setup : function
        Is pickled, and called in another process before its first array is made.
    """
    # Workers load payloads in several threads. There is no lock, which a fork could leave locked:
    # a second registration, at the same time or after one that was not finished, changes nothing.
    if cls not in _registered and "distributed.protocol" in sys.modules:
        _register(cls, pack, setup)
        _registered.add(cls)


def _register(cls: type, pack: Pack, setup: Setup) -> None:
    from distributed.protocol.serialize import (  # noqa: PLC0415 - loaded already
        dask_deserialize,
        dask_serialize,
    )

    try:
        dumps = dask_serialize.dispatch(cls)
        loads = dask_deserialize.dispatch(cls)
    except TypeError:  # no serializer: Distributed pickles the class
        return
    except ImportError:  # the serializer needs Numba or RMM
        dask_serialize.register(cls, _request_pickle)
        return
    # Only the first answer counts. The later ones may be the functions that are registered here.
    dumps, loads = _originals.setdefault(cls, (dumps, loads))
    dask_serialize.register(cls, partial(_dumps, dumps=dumps, pack=pack, setup=setup))
    dask_deserialize.register(cls, partial(_loads, loads=loads))


def _request_pickle(x: Any) -> Any:
    """Raise NotImplementedError, after which Distributed pickles the object."""
    raise NotImplementedError(type(x))


def _dumps(x: Any, *, dumps: Callable[[Any], Any], pack: Pack, setup: Setup) -> Frames:
    """Return the header and the frames of a block, as Distributed's own serializer if possible."""
    try:
        header, frames = dumps(x)
    except MemoryError:
        raise
    except Exception:  # noqa: BLE001 - Distributed's serializer may raise anything
        return _dump_payload(x, pack, setup)
    # With a gradient, the frames hold two arrays, and Distributed's own form stays.
    if "sub-header" not in header or "grad" in header:
        return header, frames
    from distributed.protocol.serialize import deserialize  # noqa: PLC0415

    # Distributed wraps an ndarray here. As a payload, its memory arrives aligned.
    arguments = header["sub-header"], list(map(PickleBuffer, frames))
    inner, frames = _serialize(load_payload, _spacer(x), setup, deserialize, arguments)
    return {**header, "sub-header": inner}, frames


def _dump_payload(x: Any, pack: Pack, setup: Setup) -> Frames:
    """Return a payload, with a header for processes in which the class is not registered.

    There, Distributed's own reader for torch needs all the keys, and a device with a number.
    """
    function, arguments = pack(x)
    inner, frames = _serialize(load_payload_or_lend, _spacer(x), setup, function, arguments)
    device = str(x.device)
    if ":" not in device:
        device = f"{device}:0"
    header = {
        _PAYLOAD: True,
        "sub-header": inner,
        "requires_grad": bool(getattr(x, "requires_grad", False)),
        "device": device,
    }
    return header, frames


def _spacer(x: Any) -> PickleBuffer | None:
    """Return a buffer of one byte to send in front of the memory, or None for a large array.

    Distributed receives the first buffer behind its headers, at any address, and the next ones
    aligned. It cuts buffers that are larger than its shards, and copies all of them when it joins
    the parts, so a spacer would not help there.
    """
    from dask import config, utils  # noqa: PLC0415

    shard = utils.parse_bytes(config.get("distributed.comm.shard"))
    if x.nbytes > shard:
        return None
    return PickleBuffer(bytearray(1))


def _serialize(load: Callable[..., Any], *arguments: Any) -> Any:
    from distributed.protocol.serialize import serialize  # noqa: PLC0415

    # By default, Distributed would send the text of an error in the place of the array.
    return serialize(Payload((load, arguments)), serializers=["pickle"], on_error="raise")


def _loads(header: Any, frames: Any, *, loads: Callable[[Any, Any], Any]) -> Any:
    # Distributed's own serializer has made this header.
    if _PAYLOAD not in header:
        return loads(header, frames)
    from distributed.protocol.serialize import deserialize  # noqa: PLC0415

    with errors.reading_payload():
        x: Any = deserialize(header["sub-header"], frames)
        if header["requires_grad"]:
            return x.requires_grad_()
        return x
