"""One side of a copy, and the functions of two sides: dtype, plan, shared memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from interop._engine.executor import execute, make_calls
from interop._engine.planner import make_plan
from interop._identify import registry
from interop._model import dtypes, layout
from interop._model.conversion import Conversion
from interop._model.plan import Plan, Step
from interop._model.request import Request
from interop._model.verb import Verb
from interop._verbs.inspection import shares_memory
from interop.adapter import CPU, Adapter, Facts

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from interop._identify.operand import Operand


_REASON: Final = "copyto writes to existing memory"


class DescribedOperand(NamedTuple):
    """The source or the target of a copy: an array with adapter and facts.

    `copyto` asks the facts of an array many times. An `Operand` describes the array at each call.
    """

    adapter: Adapter
    array: Any
    facts: Facts

    @classmethod
    def of(cls, operand: Operand) -> DescribedOperand:
        """Describe an identified array."""
        return cls(operand.adapter, operand.array, operand.describe())

    def view(self, index: Any) -> Any:
        """Return a view of the array, without the gradient."""
        return self.adapter.view(self.array, index)

    def at(self, index: Any) -> DescribedOperand:
        """Return a view of the array as an operand."""
        part = self.view(index)
        return self._replace(array=part, facts=self.adapter.describe(part))

    @property
    def is_host(self) -> bool:
        """Whether the array is in host memory."""
        return self.facts.device.is_host

    def is_same_framework_and_side(self, other: DescribedOperand) -> bool:
        """Return whether one framework can copy between two arrays without a host transfer."""
        return self.adapter is other.adapter and self.is_host == other.is_host

    def as_ndarray(self) -> DescribedOperand:
        """Return the same host memory as an ndarray, if NumPy can read the memory.

        An array with `not_shareable` facts, such as a pending conjugation, stays as it is. It is
        resolved chunk by chunk: see `host_chunk`.
        """
        if self.adapter.ndarray_native or self.facts.not_shareable:
            return self
        return self._replace(adapter=numpy_adapter(), array=self.adapter.export_host(self.array))

    def host_chunk(self, index: Any) -> NDArray[Any]:
        """Return a part of host memory as an ndarray that NumPy reads correctly.

        Only what NumPy cannot read is copied: see `as_ndarray`.
        """
        part = self.view(index)
        if self.adapter.ndarray_native:
            return part
        return self.adapter.export_host(self.adapter.copy(part, CPU, self.facts.dtype))


def plan_copy(source: DescribedOperand, target: DescribedOperand) -> Plan:
    """Return the plan for writing a source of the shape of the target."""
    start = source.facts
    end = target.facts
    dtype = end.dtype
    if source.is_host != target.is_host:
        # The plan counts the bytes that travel, in the dtype of the pinned buffers.
        dtype = transfer_dtype(source, target)
    size = layout.count(end) * dtypes.itemsize(dtype)
    verb = Verb.COPY
    if start.device != end.device:
        verb = Verb.MOVE
    travel = size if source.is_host != target.is_host else 0
    steps = [Step(verb, "target", end.device, end.dtype, size, travel)]
    if source.adapter.lazy:
        whole = start.nbytes
        steps.insert(0, Step(Verb.COMPUTE, "source", start.device, start.dtype, whole, whole))
    return Plan(
        start.framework,
        end.framework,
        end.shape,
        start.device,
        end.device,
        end.dtype,
        tuple(steps),
        _REASON,
    )


def transfer_dtype(source: DescribedOperand, target: DescribedOperand) -> str:
    """Return the dtype that travels between the host and a device, so that few bytes travel.

    The device casts if the dtype on the host is smaller, and if the framework of the device has
    that dtype. Otherwise the host casts.

    The planner's rule (`shared_dtype`) differs for dtypes of equal size: there the device casts.
    Here the host casts, because it reads or writes each buffer anyway.
    """
    if target.is_host:
        return _travelling_dtype(source, target)
    return _travelling_dtype(target, source)


def _travelling_dtype(on_device: DescribedOperand, on_host: DescribedOperand) -> str:
    dtype = on_host.facts.dtype
    is_smaller = dtypes.itemsize(dtype) < dtypes.itemsize(on_device.facts.dtype)
    if is_smaller and not on_device.adapter.why_no_dtype(dtype):
        return dtype
    return on_device.facts.dtype


def share_on_device(source: DescribedOperand, target: DescribedOperand) -> Any:
    """Return device memory of one framework as an array of the target framework.

    The memory is shared if the target framework has the dtype, and cast otherwise. The policy has
    been enforced before, so this function asks nothing.
    """
    dtype = None
    if target.adapter.why_no_dtype(source.facts.dtype):
        dtype = target.facts.dtype
    # `Destination` has checked the cast and the gradient. The source is only read.
    request = Request(dtype=dtype, detach=True, readonly="share", casting="unsafe")
    conversion = Conversion(source.facts, source.adapter, target.adapter, request)
    return execute(make_calls(make_plan(conversion), conversion), source.array)


def share_memory_in_different_layouts(source: DescribedOperand, target: DescribedOperand) -> bool:
    """Return whether two arrays share memory, but not element by element.

    If each element of the source is at the address of the same element of the target, the copy is
    safe in any order.
    """
    if source.facts.device != target.facts.device:
        return False
    if not shares_memory(source.array, target.array):
        return False
    # Views of the same elements, such as `dst` itself, are safe. Nothing else is examined, because
    # an exact answer needs the order in which each framework copies.
    return _layout_key(source) != _layout_key(target)


def _layout_key(operand: DescribedOperand) -> tuple[Any, ...]:
    """Return the values that decide which element is at which address, and how bytes are read."""
    facts = operand.facts
    # The stride of an axis of length 1 moves to no element.
    strides = [s for s, n in zip(facts.strides, facts.shape, strict=True) if n > 1]
    return operand.adapter.address(operand.array), facts.dtype, strides, facts.not_shareable


def numpy_adapter() -> Adapter:
    """Return the adapter of NumPy, which reads and writes host memory for all frameworks."""
    return registry.adapter_named("numpy")
