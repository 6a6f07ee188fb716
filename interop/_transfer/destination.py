"""Where `copyto` writes: whether it may, what may be written there, and what the policy says. Here, nothing is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from interop import errors
from interop._engine import lazy_planner, policy, reading
from interop._identify import registry
from interop._model import dtypes, layout
from interop._model.plan import Plan, Step
from interop._model.verb import Verb
from interop._transfer.staging import DescribedOperand, shared, transfer_dtype
from interop._verbs.inspection import shares_memory
from interop.adapter import CPU, LIBRARY, Facts
from interop.adapter.dtypes import dtype_name

if TYPE_CHECKING:
    from interop._identify.operand import Operand
    from interop._model.request import Request

_WRITABLE_HINT = "Pass an array that can be written to."
_REASON = "copyto writes to memory that is there"


class Destination:
    """The memory of `dst`, with what the caller permits.

    Attributes
    ----------
    facts : Facts
        Of `dst`.
    plan : Plan or None
        What is done, made of the first array that is admitted: it stands for all of them.
    """

    def __init__(self, target: DescribedOperand, request: Request) -> None:
        self.facts = target.facts
        self.plan: Plan | None = None
        self._target = target
        self._request = request

    @classmethod
    def open(cls, dst: Any, request: Request) -> Destination:
        """Find out whose memory it is.

        Raises
        ------
        NotAnArrayError
        """
        return cls(_described(registry.identify(dst)), request)

    def full(self) -> DescribedOperand:
        """Return all of it."""
        return self._target

    def view(self, index: Any) -> DescribedOperand:
        """Return a part of it by basic slices."""
        return self._target.at(index)

    def refusal(
        self,
        error: type[errors.InteropError],
        source: Facts | str,
        reason: str,
        hint: str | None = None,
    ) -> errors.InteropError:
        """Return the error that names source, target, reason and hint."""
        return error(
            reason,
            attempt="cannot copy {source} into {target}",
            source=source,
            target=self.facts,
            hint=hint,
        )

    def validate_source(self, operand: Operand, target: DescribedOperand) -> DescribedOperand:
        """Check an array that is to be written to a part of `dst`, and read it if it has to be.

        Raises
        ------
        UnsupportedArrayError, ShapeError, GradientError, HostCopyError
        """
        source = _described(operand)
        if reading.is_read_first(source.adapter, source.facts) and not source.adapter.lazy:
            source = self._read(source)
        self._check(source, target.facts.shape)
        self._enforce_policy(source)
        opened = self._opened(source)
        if source.adapter.lazy:
            self._check(opened, target.facts.shape)
        if _are_entangled(opened, target):
            reason = (
                "both share memory in different layouts, and writing would change what is still to "
                "be read"
            )
            hint = (
                f'Copy the source first: interop.convert(src, "{opened.adapter.name}", copy=True).'
            )
            raise self.refusal(errors.UnsupportedArrayError, source.facts, reason, hint)
        return opened

    def _read(self, source: DescribedOperand) -> DescribedOperand:
        """Read an object, unless the policy forbids writing an array with the stated facts.

        The array that was read is checked afterwards.
        """
        self._check_numbers(source.facts)
        self._enforce_policy(source)
        return self._opened(source)

    def validate_lazy(self, operand: Operand) -> Facts:
        """Check what is computed part by part, by what it says of itself."""
        source = _described(operand)
        self._check(source, self.facts.shape)
        self._enforce_policy(source)
        return source.facts

    def validate_dataset(self, x: Any) -> Facts:
        """Check what is read as it is sliced, by what it says of itself."""
        numpy, class_name = registry.adapter_named("numpy"), type(x).__name__
        dtype, problem = dtype_name(x.dtype), None
        if dtype not in dtypes.NAMES:
            problem = errors.Reason(
                f"its dtype {x.dtype} is none of plain numbers",
                "Convert it first, and pass pieces.",
            )
        facts = Facts(class_name, x.shape, dtype, CPU, unsupported=problem)
        source = DescribedOperand(numpy, None, facts)
        self._check(source, self.facts.shape)
        self._enforce_policy(source)
        return facts

    def check(self, source: Facts | str) -> None:
        """Insist that `dst` can be written to; `source` is for the message.

        Raises
        ------
        UnsupportedArrayError
        """
        if reason := _why_unwritable(self._target):
            raise self.refusal(errors.UnsupportedArrayError, source, reason)

    def check_shape_is_known(self, source: Facts) -> None:
        """Insist on a shape that is known before anything is computed.

        Raises
        ------
        ShapeError
        """
        if not lazy_planner.is_known(source):
            reason = f"its shape {source.shape} is not known before it is computed"
            hint = "Call its compute_chunk_sizes() first."
            raise self.refusal(errors.ShapeError, source, reason, hint)

    # -- one array -----------------------------------------------------------------------------------------------

    def _check(self, source: DescribedOperand, shape: tuple[int, ...]) -> None:
        """Ask all that facts can answer, in the order of `convert`: numbers, shape, dtype, gradient."""
        facts = source.facts
        self._check_numbers(facts)
        self.check_shape_is_known(facts)
        if facts.shape != shape:
            reason = f"the shapes {facts.shape} and {shape} differ, and nothing is broadcast"
            hint = "Pass one of that shape."
            raise self.refusal(errors.ShapeError, facts, reason, hint)
        if problem := self._why_not_these_numbers(source):
            raise self.refusal(errors.UnsupportedArrayError, facts, problem)
        if facts.gradient and not self._request.detach:
            reason = "it requires grad, and only its values would be written"
            hint = "Pass detach=True to allow it."
            raise self.refusal(errors.GradientError, facts, reason, hint)

    def _check_numbers(self, facts: Facts) -> None:
        self.check(facts)
        if facts.unsupported:
            raise self.refusal(errors.UnsupportedArrayError, facts, facts.unsupported)

    def _why_not_these_numbers(self, source: DescribedOperand) -> str | None:
        start, end = source.facts.dtype, self.facts.dtype
        if self._request.casting == "same_kind" and (lost := dtypes.lost_numbers(start, end)):
            return errors.Reason(lost, 'Pass casting="unsafe" to accept that.')
        if source.is_in_same_memory(self._target) or not (source.is_host or self._target.is_host):
            return None
        numpy = registry.adapter_named(
            "numpy"
        )  # the form in which all that touches the host crosses
        return numpy.why_no_dtype(start) or numpy.why_no_dtype(end)

    def _enforce_policy(self, source: DescribedOperand) -> None:
        """Ask the policy: once for all, when the first array travels between the host and a device."""
        plan = self._plan_for(source)
        if self.plan is None or plan.host_bytes > self.plan.host_bytes:
            policy.enforce(plan, self._request)
            self.plan = plan

    def _plan_for(self, source: DescribedOperand) -> Plan:
        start, here = source.facts, self.facts
        dtype = (
            here.dtype
            if source.is_host == self._target.is_host
            else transfer_dtype(source, self._target)
        )
        size = layout.count(here) * dtypes.itemsize(dtype)
        step = Step(
            Verb.MOVE if start.device != here.device else Verb.COPY,
            "target",
            here.device,
            here.dtype,
            size,
        )
        computed = [
            Step(Verb.COMPUTE, "source", start.device, start.dtype, start.nbytes)
        ] * source.adapter.lazy
        names, steps = (start.framework, here.framework), (*computed, step)
        return Plan(*names, here.shape, start.device, here.device, here.dtype, steps, _REASON)

    def _opened(self, source: DescribedOperand) -> DescribedOperand:
        """Read what has to be read; let the framework of `dst` share what none can be asked for."""
        if reading.is_read_first(source.adapter, source.facts):
            return _described(reading.read(source.adapter, source.array, source.facts.framework))
        if source.facts.needs_read:
            return _described(
                registry.identify(source.adapter.copy(source.array, CPU, source.facts.dtype))
            )
        if source.facts.device.kind in source.adapter.device_kinds:
            return source
        return _described(registry.identify(shared(source, self._target)))


def _described(operand: Operand) -> DescribedOperand:
    return DescribedOperand(operand.adapter, operand.array, operand.describe())


def _why_unwritable(target: DescribedOperand) -> str | None:  # noqa: PLR0911 - a list of reasons
    facts = target.facts
    if facts.unsupported:
        return errors.Reason.of(facts.unsupported).with_prefix("dst has no plain numbers: ")
    if facts.device.kind == LIBRARY:
        return errors.Reason(
            f"only its library can write to memory on {facts.device}",
            "Make a new array: interop.convert_like(src, dst).",
        )
    if facts.needs_read:
        return errors.Reason(
            f"{facts.needs_read}, so dst has no memory to write to", "Pass an array that has."
        )
    if facts.device.kind not in target.adapter.device_kinds:
        return errors.Reason(
            f"{facts.framework} can't be asked to write",
            f"Convert dst to a framework of {facts.device} first.",
        )
    if facts.readonly_reason:
        return errors.Reason(f"dst may be read-only: {facts.readonly_reason}", _WRITABLE_HINT)
    if facts.readonly:
        return errors.Reason("dst is read-only", _WRITABLE_HINT)
    if layout.overlaps(facts):
        return errors.Reason(
            "elements of dst overlap in memory, and can't all keep their values",
            "Pass an array that has its own.",
        )
    if facts.not_shareable and not target.adapter.ndarray_native:
        return errors.Reason(
            f"in dst, {facts.not_shareable}", "Pass the array that it is a view of."
        )
    return None


def _are_entangled(source: DescribedOperand, target: DescribedOperand) -> bool:
    """Whether what is written changes what is still to be read: the same memory, other than element by element."""
    if source.facts.device != target.facts.device or not shares_memory(source.array, target.array):
        return False
    return _layout_key(source) != _layout_key(target)


def _layout_key(operand: DescribedOperand) -> tuple[Any, ...]:
    facts = operand.facts
    steps = [s for s, n in zip(facts.strides, facts.shape, strict=True) if n > 1]
    return operand.adapter.address(operand.array), facts.dtype, steps, facts.not_shareable
