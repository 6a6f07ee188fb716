"""The execution of an export: the framework of the array or of the copy makes the capsule."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from interop import errors
from interop._engine import reading
from interop._identify import registry
from interop._model import layout
from interop._model.plan import Step
from interop._model.verb import Verb
from interop._verbs.consumer import find_stream, holders, lend_copy, why_misaligned
from interop.adapter.streams import LEGACY, UNORDERED, Interface, Stream

if TYPE_CHECKING:
    from interop._model.plan import Plan
    from interop._verbs.export_plan import ExportSource
    from interop.adapter import Device


def make_capsule(
    source: ExportSource, plan: Plan, stream: int | None, max_version: tuple[int, int] | None
) -> tuple[Any, Plan]:
    """Carry out a plan, and return the capsule with the plan.

    The capsule is None if the framework knows no version with a flag for read-only memory. The
    returned plan is another one for an object that was read first: it states the facts of the array
    that came.

    Raises
    ------
    UnsupportedArrayError
        The framework's DLPack raised an exception, or the object that was read has no plain
        numbers.
    """
    x = source.array
    if reading.is_read_first(source.adapter, source.facts):
        x, plan = _read(source, plan)
    elif not plan.zero_copy:
        x = source.adapter.copy(x, plan.device, plan.dtype)
    try:
        if plan.device.is_host and not plan.zero_copy:
            lender = lend_copy(x)
        else:
            lender = lend(source, x, stream)
        return _ask(lender, max_version, plan), plan
    except MemoryError:
        raise
    except Exception as error:  # a framework may raise anything
        reason = f"its framework's DLPack answers {errors.quote(error)}"
        hint = "Convert it to another one first."
        raise source.refusal(errors.UnsupportedArrayError, reason, hint) from error


def _ask(lender: Any, max_version: tuple[int, int] | None, plan: Plan) -> Any:
    """Return a capsule, or None for read-only memory that the capsule could not flag."""
    # An older version has no use for the keyword, and JAX refuses to read 0.x of it.
    if max_version is not None:
        try:
            return lender.__dlpack__(max_version=max_version)
        except (TypeError, NotImplementedError):  # before DLPack 1.0, such as NumPy 2.0
            if plan.readonly:
                return None
    return lender.__dlpack__()


def lend(source: ExportSource, x: Any, stream: int | None) -> Any:
    """Return an object with a ``__dlpack__`` that lends an array to a consumer.

    Parameters
    ----------
    source : ExportSource
        Of which the adapter counts.
    x : array
        An array of this adapter.
    stream : int, optional
        Handle of the consumer's stream; None for the legacy default stream.
    """
    adapter = source.adapter
    here = adapter.describe(x).device
    if here.is_host:
        return adapter.export(x, None)
    own = Stream(UNORDERED)
    if here.kind in adapter.device_kinds:
        own = adapter.current_stream(here)
    unordered = own._replace(ordered=False)
    lender = adapter.export(x, _consumer_stream(stream, here, unordered))
    if isinstance(lender, Interface):
        if hasattr(lender, "__dlpack__"):
            return lender
        return _lend_through_framework(source, lender, stream, here)
    # An unknown consumer keeps nothing but the capsule, so the lease goes into the capsule.
    lease = getattr(lender, "lease", None)
    if lease is None:
        return lender
    # The lease orders the release after the consumer's stream (dlpack#176, decision 0010).
    return adapter.export(adapter.owned(x, lease), unordered)


def _read(source: ExportSource, plan: Plan) -> tuple[Any, Plan]:
    """Read the object, and plan again from the facts of the array that came."""
    operand = registry.identify(source.array)
    is_read = reading.is_read_first(operand.adapter, operand.describe())
    if is_read:
        operand = reading.read(operand.adapter, operand.array, source.facts.framework)
    facts = operand.describe()
    if facts.unsupported:
        read = source._replace(facts=facts)
        raise read.refusal(errors.UnsupportedArrayError, facts.unsupported)
    x = operand.array
    dtype = facts.dtype
    steps = [Step(Verb.READ, "source", facts.device, dtype, facts.nbytes, plan.host_bytes)]
    why_copy = (
        facts.not_shareable
        or layout.why_unusual(facts)
        or why_misaligned(operand.adapter, x, facts)
    )
    # The plan promises new memory, so an object that has memory by now is copied.
    if why_copy or not is_read:
        x = operand.adapter.copy(x, facts.device, facts.dtype)
        steps.append(steps[0]._replace(verb=Verb.COPY, host_bytes=0))
    return x, plan._replace(shape=facts.shape, dtype=dtype, steps=tuple(steps))


def _lend_through_framework(
    source: ExportSource, lender: Interface, stream: int | None, here: Device
) -> Any:
    """Export a CUDA Array Interface through a framework of the device.

    The framework adopts the memory, orders the stream and makes the capsule.
    """
    adapter = next(holders(here), None)
    if adapter is None:
        reason = "it has no DLPack, and no framework with such memory is imported"
        hint = "Import torch or cupy first."
        raise source.refusal(errors.UnsupportedArrayError, reason, hint)
    unordered = adapter.current_stream(here)._replace(ordered=False)
    adopted = adapter.adopt(lender, _consumer_stream(stream, here, unordered))
    return adapter.export(adopted, unordered)


def _consumer_stream(stream: int | None, device: Device, unordered: Stream) -> Stream:
    """Return the stream with the handle that the consumer passed."""
    if stream == UNORDERED:
        return unordered
    # None, and 0 on ROCm, is the default stream in the standard.
    return find_stream(stream or LEGACY, device)
