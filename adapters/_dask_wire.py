"""How blocks travel between the processes of `dask.distributed`.

Distributed knows torch's tensors, if they are on the host and NumPy has their dtype; of CuPy's arrays it wants Numba or
RMM. Whatever it can't send goes as a parcel: a pickle with the memory beside it (protocol 5), and a function that makes
the array of it. A process that has never heard of us can open it, since a pickle names its function.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    Reduced = tuple[Callable[..., Any], tuple[Any, ...]]

_PARCEL: Final = "interop"
_registered: Final[set[type]] = set()


class Parcel:
    """An array on its way. What is pickled is the function that makes it, and its arguments."""

    def __init__(self, reduced: Reduced) -> None:
        self._reduced = reduced

    def __reduce__(self) -> Reduced:
        return self._reduced


def register(cls: type, pack: Callable[[Any], Reduced]) -> None:
    """Let Distributed send what it can of a class, and the rest as parcels; what it doesn't know at all is pickled."""
    if cls in _registered or "distributed.protocol" not in sys.modules:
        return
    from distributed.protocol import dask_deserialize, dask_serialize  # noqa: PLC0415 - if the process has loaded it

    _registered.add(cls)
    try:
        dumps, loads = dask_serialize.dispatch(cls), dask_deserialize.dispatch(cls)
    except TypeError:
        return
    except ImportError:  # what it would use isn't here
        dask_serialize.register(cls, _pickled)
        return
    dask_serialize.register(cls, lambda x: _dumps(x, dumps, pack))
    dask_deserialize.register(cls, lambda header, frames: _loads(header, frames, loads))


def _pickled(x: Any) -> Any:
    """Refuse, which is how one asks for a pickle."""
    raise NotImplementedError(type(x))


def _dumps(x: Any, dumps: Callable[[Any], Any], pack: Callable[[Any], Reduced]) -> Any:
    from distributed.protocol import serialize  # noqa: PLC0415

    try:
        return dumps(x)
    except Exception:  # noqa: BLE001 - whatever it can't do
        function, arguments = pack(x)
        header, frames = serialize(Parcel((function, arguments)), serializers=["pickle"])
        # The rest is for who knows no parcels: torch's own reader, which takes a tensor on a device it must name.
        return {_PARCEL: True, "sub-header": header, "requires_grad": False, "device": f"{arguments[-1]}:0"}, frames


def _loads(header: Any, frames: Any, loads: Callable[[Any, Any], Any]) -> Any:
    from distributed.protocol import deserialize  # noqa: PLC0415

    return deserialize(header["sub-header"], frames) if _PARCEL in header else loads(header, frames)
