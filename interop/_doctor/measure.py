"""The matrix of routes, measured: a small array is converted from every place to every place, and looked at.

A place is a framework and a device that are here. Nothing is believed: the memory is compared, the values are read
back, and each conversion is made twice, by a plan and as it is remembered.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from interop import errors
from interop._doctor.routes import Location, Matrix, MeasuredRoute
from interop._engine.pipeline import convert_by_plan
from interop._identify import registry
from interop._verbs.convert import convert
from interop._verbs.frameworks import devices, frameworks
from interop._verbs.inspection import device_of, framework_of, shares_memory

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from interop._doctor.routes import Kind
    from interop._model.plan import Plan
    from interop._verbs.frameworks import FrameworkInfo
    from interop.adapter import Device


def measure() -> Matrix:
    """Import every framework that is installed, and convert from everywhere to everywhere. Nothing is raised.

    Lazy ones have no memory of their own: they are left out, unless they can't be imported.
    """
    found = [one for one in map(_probe, frameworks()) if not one.lazy]
    placed = [(not d.is_host, d.kind, d.id, one.name, str(d)) for one in found for d in one.devices]
    locations = tuple(Location(name, device) for *_, name, device in sorted(placed))
    absent = {one.name: one.reason for one in found if not one.devices}
    plain = [_Source(str(location), partial(_array, location)) for location in locations]
    special = [_Source(name, partial(_special, name)) for name in _SPECIAL] if locations else []
    return Matrix(
        locations,
        absent,
        tuple(_routes(plain, locations, absent)),
        tuple(_routes(special, locations, absent)),
        tuple(one.name for one in found if one.failed),
    )


# -- frameworks ----------------------------------------------------------------------------------------------------


class _FrameworkStatus(NamedTuple):
    """Where a framework can be; if nowhere, why; and whether that is a failure."""

    name: str
    devices: tuple[Device, ...] = ()
    reason: str = ""
    failed: bool = False
    lazy: bool = False


def _probe(info: FrameworkInfo) -> _FrameworkStatus:
    try:
        adapter = registry.adapter_named(info.name)
        found = devices(adapter)
        return _FrameworkStatus(
            info.name,
            found,
            "" if found else str(adapter.resolve_device(adapter.default_device)),
            lazy=adapter.lazy,
        )
    except errors.FrameworkNotInstalledError as error:
        return _FrameworkStatus(info.name, reason=str(error), failed=info.installed)
    except Exception as error:  # noqa: BLE001 - a framework may fail in any way, and the others are still to be seen
        return _FrameworkStatus(info.name, reason=_describe_error(error), failed=True)


# -- routes --------------------------------------------------------------------------------------------------------


class _Source(NamedTuple):
    """What a route starts from: its name, and what makes an array and tells its values."""

    label: str
    make: Callable[[], tuple[Any, Any]]


def _routes(
    sources: Iterable[_Source], locations: Iterable[Location], absent: dict[str, str]
) -> Iterator[MeasuredRoute]:
    for label, make in sources:
        for location in locations:
            yield _route(label, location, make)
        for name, reason in absent.items():
            yield MeasuredRoute(label, name, "unavailable", reason)


def _route(label: str, location: Location, make: Callable[[], tuple[Any, Any]]) -> MeasuredRoute:
    """Convert twice, by a plan and as it is remembered, and compare the results with the plan."""
    target = str(location)
    try:
        x, values = make()
        first, plan = convert_by_plan(x, location.framework, {"device": location.device}, None)
    except errors.InteropError as error:
        return MeasuredRoute(label, target, "unavailable", _reason(error))
    except Exception as error:  # noqa: BLE001 - whatever else is raised is what we are looking for
        return MeasuredRoute(label, target, "broken", _describe_error(error))
    try:
        second = convert(x, location.framework, device=location.device)
        faults = [
            fault
            for result in (first, second)
            for fault in _faults(x, result, plan, location, values)
        ]
        kind = _kind(x, second, plan)
    except Exception as error:  # noqa: BLE001 - even a refusal: a plan said that it can be done
        return MeasuredRoute(label, target, "broken", _describe_error(error))
    if faults:
        return MeasuredRoute(
            label, target, "broken", ", and ".join(dict.fromkeys(faults)), plan.bytes_copied
        )
    return MeasuredRoute(label, target, kind, plan.reason, plan.bytes_copied)


def _faults(x: Any, result: Any, plan: Plan, location: Location, values: Any) -> Iterator[str]:
    """Find what is not as the plan said."""
    there = Location(framework_of(result), str(device_of(result)))
    if there != location:
        yield f"the result is on {there}"
    if plan.zero_copy and not shares_memory(x, result):
        yield "the plan said zero-copy, but it was copied"
    if not plan.zero_copy and shares_memory(x, result):
        yield "the plan said that it is copied, but it is the same memory"
    if _values(result) != values:
        yield "the values are wrong"


def _kind(x: Any, result: Any, plan: Plan) -> Kind:
    here, there = device_of(x), device_of(result)
    if shares_memory(x, result):
        return "zero-copy"
    if here.is_host != there.is_host or plan.host_bytes:
        return "host copy"
    return "copy" if there.is_host else "device copy"


def _values(x: Any) -> Any:
    import numpy as np  # noqa: PLC0415 - importing interop loads no NumPy

    array: Any = convert(x, np)
    return array.tolist()


def _reason(error: errors.InteropError) -> str:
    """Cut off who could not be converted to what, which the route says itself."""
    text = str(error)
    return text.partition(": ")[2] if text.startswith("cannot convert ") else text


def _describe_error(error: Exception) -> str:
    return errors.quote(error)


# -- arrays --------------------------------------------------------------------------------------------------------


def _array(location: Location) -> tuple[Any, Any]:
    """Make a plain array at a place."""
    x = _base()
    return convert(x, location.framework, device=location.device), x.tolist()


def _special(name: str) -> tuple[Any, Any]:
    """Make one of the special arrays."""
    import numpy as np  # noqa: PLC0415 - importing interop loads no NumPy

    x = _SPECIAL[name](np, _base())
    return x, np.from_dlpack(x).tolist() if isinstance(x, _Foreign) else np.array(x).tolist()


def _base() -> Any:
    import numpy as np  # noqa: PLC0415 - importing interop loads no NumPy

    return aligned(np.arange(32, dtype="float32").reshape(4, 8))  # a dtype that every device has


def aligned(array: Any) -> Any:
    """Copy an ndarray into memory that every framework takes as it lies: aligned to 64 bytes, as XLA wants it."""
    import numpy as np  # noqa: PLC0415 - importing interop loads no NumPy

    memory = np.zeros(array.nbytes + 64, "uint8")
    start = -memory.__array_interface__["data"][0] % 64
    out = np.ndarray(array.shape, array.dtype, memory, start, array.strides)
    out[...] = array
    return out


class _Foreign:
    """An array of no known framework: it speaks DLPack, and nothing else."""

    def __init__(self, x: Any) -> None:
        self.__dlpack__ = x.__dlpack__
        self.__dlpack_device__ = x.__dlpack_device__


def _protected(_: Any, x: Any) -> Any:
    x.flags.writeable = False
    return x


_SPECIAL: Final[dict[str, Callable[[Any, Any], Any]]] = {  # of NumPy and a plain array
    "every second column": lambda _, x: x[:, ::2],
    "negative strides": lambda _, x: x[::-1],
    "read-only": _protected,
    "overlapping elements": lambda np, x: np.lib.stride_tricks.as_strided(
        x, strides=(0, x.itemsize)
    ),
    "swapped bytes": lambda _, x: x.astype(x.dtype.newbyteorder()),
    "not aligned": lambda np, x: np.ndarray(
        x.shape, x.dtype, bytearray(b"." + x.tobytes()), offset=1
    ),
    "bfloat16": lambda np, x: convert(x, np, dtype="bfloat16"),
    "a memoryview": lambda _, x: memoryview(x),
    "only __dlpack__": lambda _, x: _Foreign(x),
}
