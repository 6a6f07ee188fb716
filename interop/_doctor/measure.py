"""Measure the routes: convert a small array from every location to every location.

A location is a framework with one of its devices on this machine. The measurement does not rely on
the plan: memory is compared, and values are read back. Each conversion is made twice, because the
second one may take the fast path.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from interop import errors
from interop._doctor import samples
from interop._doctor.routes import Location, Matrix, MeasuredRoute
from interop._engine.pipeline import convert_by_plan
from interop._identify import registry
from interop._verbs.convert import convert
from interop._verbs.frameworks import devices, frameworks
from interop._verbs.inspection import device_of, framework_of, shares_memory

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from interop._doctor.routes import Kind
    from interop._doctor.samples import Sample
    from interop._model.plan import Plan
    from interop._verbs.frameworks import FrameworkInfo
    from interop.adapter import Device


def measure() -> Matrix:
    """Import every installed framework and measure the routes between all locations.

    Nothing is raised. Lazy frameworks have no memory, so they are left out. A lazy framework that
    cannot be imported is still listed as failed.
    """
    found = [status for status in map(_probe, frameworks()) if not status.lazy]
    locations = _locations(found)
    absent = {status.name: status.reason for status in found if not status.devices}
    plain = [_Source(str(location), partial(samples.plain, location)) for location in locations]
    special = []
    if locations:
        special = [_Source(name, partial(samples.special, name)) for name in samples.SPECIAL]
    return Matrix(
        locations,
        absent,
        tuple(_routes(plain, locations, absent)),
        tuple(_routes(special, locations, absent)),
        tuple(status.name for status in found if status.failed),
    )


# -- frameworks ------------------------------------------------------------------------------------


class _FrameworkStatus(NamedTuple):
    """The devices of a framework; if there are none, the reason, and whether that is a failure."""

    name: str
    devices: tuple[Device, ...] = ()
    reason: str = ""
    failed: bool = False
    lazy: bool = False


def _probe(info: FrameworkInfo) -> _FrameworkStatus:
    """Import a framework and list its devices."""
    try:
        adapter = registry.adapter_named(info.name)
        found = devices(adapter)
        reason = ""
        if not found:
            reason = str(adapter.resolve_device(adapter.default_device))
        return _FrameworkStatus(info.name, found, reason, lazy=adapter.lazy)
    # A framework that is not installed is no fault. One that cannot be imported is.
    except errors.FrameworkNotInstalledError as error:
        return _FrameworkStatus(info.name, reason=str(error), failed=info.installed)
    except Exception as error:  # noqa: BLE001 - any failure goes into the report
        return _FrameworkStatus(info.name, reason=errors.quote(error), failed=True)


def _locations(found: Iterable[_FrameworkStatus]) -> tuple[Location, ...]:
    """Return all locations: first the host, then device after device."""
    pairs = [(device, status.name) for status in found for device in status.devices]
    # The host comes first, so that the tables start with the routes that all machines have.
    pairs.sort(key=lambda pair: (not pair[0].is_host, pair[0].kind, pair[0].id, pair[1]))
    return tuple(Location(name, str(device)) for device, name in pairs)


# -- routes ----------------------------------------------------------------------------------------


class _Source(NamedTuple):
    """The source of a route: a label and a function that makes the array."""

    label: str
    make: Callable[[], Sample]


def _routes(
    sources: Iterable[_Source], locations: Iterable[Location], absent: dict[str, str]
) -> Iterator[MeasuredRoute]:
    for source in sources:
        for location in locations:
            yield _route(source, location)
        for name, reason in absent.items():
            yield MeasuredRoute(source.label, name, "unavailable", reason)


def _route(source: _Source, location: Location) -> MeasuredRoute:
    """Convert once by a plan and once as users do, and compare both results with the plan."""
    label = source.label
    target = str(location)
    try:
        sample = source.make()
        keywords = {"device": location.device}
        first, plan = convert_by_plan(sample.array, location.framework, keywords, None)
    except errors.InteropError as error:
        return MeasuredRoute(label, target, "unavailable", _reason(error))
    except Exception as error:  # noqa: BLE001 - any other exception is a fault
        return MeasuredRoute(label, target, "broken", errors.quote(error))
    try:
        second = convert(sample.array, location.framework, device=location.device)
        faults = [
            *_faults(sample, first, plan, location),
            *_faults(sample, second, plan, location),
        ]
        kind = _kind(sample.array, second, plan)
    except Exception as error:  # noqa: BLE001 - so is a refusal after a plan
        return MeasuredRoute(label, target, "broken", errors.quote(error))
    if faults:
        reason = ", and ".join(dict.fromkeys(faults))
        return MeasuredRoute(label, target, "broken", reason, plan.bytes_copied)
    return MeasuredRoute(label, target, kind, plan.reason, plan.bytes_copied)


def _faults(sample: Sample, result: Any, plan: Plan, location: Location) -> Iterator[str]:
    """Yield each difference between a result and the plan."""
    found = Location(framework_of(result), str(device_of(result)))
    if found != location:
        yield f"the result is on {found}"
    shared = shares_memory(sample.array, result)
    if plan.zero_copy and not shared:
        yield "the plan says zero-copy, but the array was copied"
    if not plan.zero_copy and shared:
        yield "the plan says copy, but the memory is shared"
    if _values(result) != sample.values:
        yield "the values are wrong"


def _kind(x: Any, result: Any, plan: Plan) -> Kind:
    if shares_memory(x, result):
        return "zero-copy"
    end_on_host = device_of(result).is_host
    # Between two devices, a route may still pass through the host. The plan counts these bytes.
    if device_of(x).is_host != end_on_host or plan.host_bytes:
        return "host copy"
    if end_on_host:
        return "copy"
    return "device copy"


def _values(x: Any) -> Any:
    import numpy as np  # noqa: PLC0415 - importing interop loads no NumPy

    array: Any = convert(x, np)
    return array.tolist()


def _reason(error: errors.InteropError) -> str:
    """Return the reason and the hint of an error, without the source and the target."""
    if error.reason is None:
        return str(error)
    return errors.join_sentences(error.reason, error.hint)
