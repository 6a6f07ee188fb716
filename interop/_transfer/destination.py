"""The target of `copyto`, and the checks that each source must pass before it is written."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from interop import errors
from interop._engine import lazy_planner, reading
from interop._identify import registry
from interop._model import dtypes, policy
from interop._transfer.operand import (
    DescribedOperand,
    numpy_adapter,
    plan_copy,
    share_memory_in_different_layouts,
    share_on_device,
)
from interop._transfer.writable import why_not_writable
from interop.adapter import CPU, Facts
from interop.adapter.dtypes import dtype_name

if TYPE_CHECKING:
    from interop._identify.operand import Operand
    from interop._model.plan import Plan
    from interop._model.request import Request


class Destination:
    """The memory of `dst`, with the policy and the keywords of the call.

    Attributes
    ----------
    facts : Facts
        The facts of `dst`.
    plan : Plan or None
        The plan for the source. For several sources, the one with the most bytes between the host
        and a device. None before the first source.
    """

    def __init__(self, target: DescribedOperand, request: Request) -> None:
        self.facts = target.facts
        self.plan: Plan | None = None
        self._target = target
        self._request = request

    @classmethod
    def open(cls, dst: Any, request: Request) -> Destination:
        """Identify and describe `dst`.

        Raises
        ------
        NotAnArrayError
        """
        return cls(DescribedOperand.of(registry.identify(dst)), request)

    def full(self) -> DescribedOperand:
        """Return the whole array."""
        return self._target

    def view(self, index: Any) -> DescribedOperand:
        """Return a part of the array, by basic slices."""
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

    # -- checks of the three kinds of sources ------------------------------------------------------

    def validate_source(self, operand: Operand, target: DescribedOperand) -> DescribedOperand:
        """Check an array that is written to a part of `dst`, and read the array if necessary.

        Returns
        -------
        DescribedOperand
            An array whose memory can be copied.

        Raises
        ------
        UnsupportedArrayError, ShapeError, GradientError, HostCopyError
        """
        source = DescribedOperand.of(operand)
        if reading.is_read_first(source.adapter, source.facts) and not source.adapter.lazy:
            # The array may differ from the stated facts, so the checks follow the read.
            source = self._read(source)
        self._check_source(source, target.facts.shape)
        self._enforce_policy(source)
        # Before the array is opened, because opening may compute the array.
        opened = self._open_source(source)
        if source.adapter.lazy:
            # The computed array may differ from the stated facts.
            self._check_source(opened, target.facts.shape)
        self._check_addresses(opened)
        if share_memory_in_different_layouts(opened, target):
            reason = (
                "both share memory in different layouts, so values would be overwritten before "
                "they are read"
            )
            copy = f'interop.convert(src, "{opened.adapter.name}", copy=True)'
            hint = f"Copy the source first: {copy}."
            raise self.refusal(errors.UnsupportedArrayError, source.facts, reason, hint)
        return opened

    def _check_addresses(self, source: DescribedOperand) -> None:
        """Refuse two arrays on a device without addresses: nobody knows whether they overlap."""
        device = self.facts.device
        if source.facts.device == device and not device.has_addresses:
            reason = f"memory on {device} has no addresses, and both may share memory"
            hint = "Copy it with their own library."
            raise self.refusal(errors.UnsupportedArrayError, source.facts, reason, hint)

    def validate_lazy(self, operand: Operand) -> Facts:
        """Check a lazy array, which is computed part by part, and return the stated facts."""
        source = DescribedOperand.of(operand)
        self._check_source(source, self.facts.shape)
        self._enforce_policy(source)
        return source.facts

    def validate_dataset(self, x: Any) -> Facts:
        """Check a dataset, which is read part by part, and return the stated facts."""
        dtype = dtype_name(x.dtype)
        problem = None
        if dtype not in dtypes.NAMES:
            problem = errors.Reason(
                f"its dtype {x.dtype} is not numeric",
                "Convert the dataset to numbers, and pass an iterable of chunks.",
            )
        facts = Facts(type(x).__name__, x.shape, dtype, CPU, unsupported=problem)
        # NumPy stands for the library of the dataset, because slices are read as ndarrays.
        source = DescribedOperand(numpy_adapter(), None, facts)
        self._check_source(source, self.facts.shape)
        self._enforce_policy(source)
        return facts

    def check_writable(self, source: Facts | str) -> None:
        """Insist on a `dst` that can be written to. The error names the source.

        Raises
        ------
        UnsupportedArrayError
        """
        if reason := why_not_writable(self._target):
            raise self.refusal(errors.UnsupportedArrayError, source, reason)

    def check_shape_is_known(self, source: Facts) -> None:
        """Insist on a shape that is known before the computation.

        Raises
        ------
        ShapeError
        """
        if not lazy_planner.is_known(source):
            reason = f"its shape {source.shape} is not known before the computation"
            hint = "Call its compute_chunk_sizes() first."
            raise self.refusal(errors.ShapeError, source, reason, hint)

    # -- steps of these checks ---------------------------------------------------------------------

    def _check_source(self, source: DescribedOperand, shape: tuple[int, ...]) -> None:
        """Check all facts, in the order of `convert`: numbers, shape, dtype, gradient."""
        facts = source.facts
        self._check_numbers(facts)
        self.check_shape_is_known(facts)
        if facts.shape != shape:
            reason = f"the shapes {facts.shape} and {shape} differ, and copyto does not broadcast"
            hint = f"Pass an array of shape {shape}."
            raise self.refusal(errors.ShapeError, facts, reason, hint)
        if problem := self._why_no_cast(source):
            raise self.refusal(errors.UnsupportedArrayError, facts, problem)
        if facts.gradient and not self._request.detach:
            reason = "it requires grad, and only its values would be written"
            hint = "Pass detach=True to allow it."
            raise self.refusal(errors.GradientError, facts, reason, hint)

    def _check_numbers(self, facts: Facts) -> None:
        self.check_writable(facts)
        if facts.unsupported:
            raise self.refusal(errors.UnsupportedArrayError, facts, facts.unsupported)

    def _why_no_cast(self, source: DescribedOperand) -> str | None:
        """Return the reason why the dtype of a source cannot be written to `dst`, or None."""
        start = source.facts.dtype
        end = self.facts.dtype
        if self._request.casting == "same_kind" and (lost := dtypes.lost_numbers(start, end)):
            return errors.Reason(lost, 'Pass casting="unsafe" to accept that.')
        between_devices = not source.is_host and not self._target.is_host
        if between_devices or source.is_same_framework_and_side(self._target):
            return None
        # All other copies pass through an ndarray, so NumPy must have both dtypes.
        numpy = numpy_adapter()
        return numpy.why_no_dtype(start) or numpy.why_no_dtype(end)

    def _enforce_policy(self, source: DescribedOperand) -> None:
        """Ask the policy about a transfer, unless a larger transfer of this call was allowed."""
        # An iterable may have thousands of arrays, and one warning is enough for all of them.
        plan = plan_copy(source, self._target)
        if self.plan is None or plan.host_bytes > self.plan.host_bytes:
            policy.enforce(plan, self._request)
            self.plan = plan

    def _read(self, source: DescribedOperand) -> DescribedOperand:
        """Read an object, unless the stated facts are refused already.

        The array that was read is checked afterwards.
        """
        self._check_numbers(source.facts)
        self._enforce_policy(source)
        return self._open_source(source)

    def _open_source(self, source: DescribedOperand) -> DescribedOperand:
        """Return an array whose memory the adapter of the array can copy.

        Objects that must be read are read. Memory on a device that the source framework cannot
        copy from is shared with the framework of `dst`.
        """
        facts = source.facts
        if reading.is_read_first(source.adapter, facts):
            operand = reading.read(source.adapter, source.array, facts.framework)
        elif facts.needs_read:
            array = source.adapter.copy(source.array, CPU, facts.dtype)
            operand = registry.identify(array)
        elif facts.device.kind in source.adapter.device_kinds:
            return source
        else:
            operand = registry.identify(share_on_device(source, self._target))
        return DescribedOperand.of(operand)
