"""How blocks travel between the processes of `dask.distributed`.

Distributed knows torch's tensors, if they are on the host and NumPy has their dtype; of CuPy's arrays it wants Numba or
RMM. Whatever it can't send goes as a payload: a pickle with the memory beside it (protocol 5), and a function that makes
the array of it. A process that has never heard of us can open it, since a pickle names its function. There, it also
registers the framework: the next thing that is done with a block may be to concatenate it.
"""

from __future__ import annotations

import sys
from functools import partial
from pickle import PickleBuffer
from threading import RLock
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    Reduced = tuple[Callable[..., Any], tuple[Any, ...]]
    Pack = Callable[[Any], Reduced]
    Setup = Callable[[], None]

_PAYLOAD: Final = "interop"
_registered: Final[set[type]] = set()
_lock: Final = RLock()  # workers open payloads in several threads


class Payload:
    """An array on its way. What is pickled is the function that makes it, and its arguments."""

    def __init__(self, reduced: Reduced) -> None:
        self._reduced = reduced

    def __reduce__(self) -> Reduced:
        return self._reduced


def load_payload(
    _: Any, setup: Setup, function: Callable[..., Any], arguments: tuple[Any, ...]
) -> Any:
    """Make the array, in a process that has been told of its framework."""
    setup()
    return function(*arguments)


def load_payload_or_lend(
    spacer: Any, setup: Setup, function: Callable[..., Any], arguments: tuple[Any, ...]
) -> Any:
    """Make the array in a payload; for a reader that knew no payloads, as what torch takes without a warning."""
    known = tuple(_registered)
    x = load_payload(spacer, setup, function, arguments)
    return x if isinstance(x, known) else _Lent(x)


class _Lent:
    """An array for `torch.tensor`, which copies it. That happens once in a process: it is registered by now."""

    def __init__(self, x: Any) -> None:
        self.__dlpack__, self.__dlpack_device__ = x.__dlpack__, x.__dlpack_device__


def register(cls: type, pack: Pack, setup: Setup) -> None:
    """Let Distributed send what it can of a class, and the rest as payloads; what it doesn't know at all is pickled.

    `setup` is pickled: what another process does before it gets the first of these arrays.
    """
    if cls in _registered or "distributed.protocol" not in sys.modules:
        return
    with _lock:
        if cls not in _registered:
            _register(cls, pack, setup)
            _registered.add(cls)


def _register(cls: type, pack: Pack, setup: Setup) -> None:
    from distributed.protocol.serialize import dask_deserialize, dask_serialize  # noqa: PLC0415 - it is loaded

    try:
        dumps, loads = dask_serialize.dispatch(cls), dask_deserialize.dispatch(cls)
    except TypeError:
        return
    except ImportError:  # what it would use isn't here
        dask_serialize.register(cls, _pickled)
        return
    dask_serialize.register(cls, partial(_dumps, dumps=dumps, pack=pack, setup=setup))
    dask_deserialize.register(cls, partial(_loads, loads=loads))


def _pickled(x: Any) -> Any:
    """Refuse, which is how one asks for a pickle."""
    raise NotImplementedError(type(x))


def _dumps(x: Any, *, dumps: Callable[[Any], Any], pack: Pack, setup: Setup) -> Any:
    try:
        header, frames = dumps(x)
    except Exception:  # noqa: BLE001 - whatever it can't do
        reduced = pack(x)
        header, frames = _send(load_payload_or_lend, _spacer(x), setup, *reduced)
        # The rest is for who knows no payloads: torch's own reader, which takes a tensor on a device it must name.
        device = str(x.device)
        device = device if ":" in device else f"{device}:0"
        gradient = bool(getattr(x, "requires_grad", False))
        return {
            _PAYLOAD: True,
            "sub-header": header,
            "requires_grad": gradient,
            "device": device,
        }, frames
    if "sub-header" not in header or "grad" in header:
        return header, frames
    from distributed.protocol.serialize import deserialize  # noqa: PLC0415

    arguments = header["sub-header"], list(map(PickleBuffer, frames))
    inner, frames = _send(load_payload, _spacer(x), setup, deserialize, arguments)
    return {**header, "sub-header": inner}, frames


def _spacer(x: Any) -> PickleBuffer | None:
    """Return a byte that goes in front of the memory.

    Distributed receives the first buffer behind its headers, at any address, and the others aligned. But if they are
    larger than its shards, it copies them to put them together.
    """
    from dask import config, utils  # noqa: PLC0415

    shard = utils.parse_bytes(config.get("distributed.comm.shard"))
    return PickleBuffer(bytearray(1)) if x.nbytes <= shard else None


def _send(opener: Callable[..., Any], *what: Any) -> Any:
    from distributed.protocol.serialize import serialize  # noqa: PLC0415

    return serialize(Payload((opener, what)), serializers=["pickle"], on_error="raise")


def _loads(header: Any, frames: Any, *, loads: Callable[[Any, Any], Any]) -> Any:
    if _PAYLOAD not in header:
        return loads(header, frames)
    from distributed.protocol.serialize import deserialize  # noqa: PLC0415

    x: Any = deserialize(header["sub-header"], frames)
    return x.requires_grad_() if header["requires_grad"] else x
