"""The export of arrays to DLPack consumers that interop does not know.

Consumers get the capsule of the array's own framework. This capsule is corrected: memory that
DLPack cannot describe is copied, and flags that the framework left out are added.
"""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING, Any, Final

from interop import errors
from interop._engine import events, reading
from interop._engine.parse import parse_request
from interop._identify import registry
from interop._model import policy
from interop._verbs import dlpack_arguments
from interop._verbs.convert import convert_computed
from interop._verbs.export_capsule import lend, make_capsule
from interop._verbs.export_plan import ExportSource, plan_cast, plan_export
from interop.adapter import CPU, capsule
from interop.adapter.streams import UNORDERED

if TYPE_CHECKING:
    from interop._model.plan import Plan
    from interop.adapter import Device

_MAJOR: Final = 1  # major version of DLPack whose capsules have flags
_UNVERSIONED: Final = "a consumer before DLPack 1.0 would write to it all the same"
_UNFLAGGED: Final = "the DLPack of its framework cannot tell the consumer"


def export(x: object, /) -> Exported:
    """Wrap an array for any consumer of DLPack.

    The wrapper corrects what consumers get wrong with the ``__dlpack__`` of a framework:

    - A pending conjugation or negation and a foreign byte order are resolved in a copy.
    - Memory with negative strides, with strides that are not multiples of the element size, or
      without alignment to the element size is copied.
    - Read-only memory is flagged as read-only, or copied if the consumer cannot read the flag.
    - Memory on a GPU is ordered on the consumer's stream, and not reused before this stream is
      done with it.

    Parameters
    ----------
    x : array
        An array of any known framework, or any object that `convert` accepts.

    Returns
    -------
    Exported
        An object with ``__dlpack__`` and ``__dlpack_device__``, which consumers can call several
        times. For host memory also with ``__array__``, for `numpy.asarray`.

    Raises
    ------
    NotAnArrayError
        `x` is not an array.
    UnsupportedArrayError
        `x` has no plain numbers, or is a lazy array.
    GradientError
        `x` requires grad. ``with interop.options(detach=True)`` allows the export.

    Examples
    --------
    >>> import numpy as np, interop
    >>> a = np.arange(3)
    >>> b = np.from_dlpack(interop.export(a))  # any library's from_dlpack
    >>> interop.shares_memory(a, b)
    True
    """
    return Exported(x)


class Exported:
    """An array with the DLPack protocol of the Python array API standard (2024.12)."""

    def __init__(self, x: object) -> None:
        self._origin = x
        operand = registry.identify(x)
        facts = operand.describe()
        array = operand.array
        if reading.is_read_first(operand.adapter, facts):
            array = x  # opened again for each capsule, because the object may change
        self._source = source = ExportSource(operand.adapter, array, facts)
        if facts.unsupported:
            raise source.refusal(errors.UnsupportedArrayError, facts.unsupported)
        if operand.adapter.lazy:
            reason = f"{facts.needs_read}, and has no memory yet"
            hint = "Pass interop.to_numpy(x), or what else computes it."
            raise source.refusal(errors.UnsupportedArrayError, reason, hint)
        # Without keywords, only `options(detach=True)` around this call can allow it.
        if facts.gradient and not parse_request({}).detach:
            reason = "it requires grad, and the consumer would cut it off its graph"
            hint = "Export it within interop.options(detach=True) to allow that."
            raise source.refusal(errors.GradientError, reason, hint)

    def __repr__(self) -> str:
        """Name the array."""
        return f"<{self._source.facts}, for any consumer of DLPack>"

    def __dlpack_device__(self) -> tuple[int, int]:
        """Return the kind and the id of the device in the numbers of DLPack."""
        facts = self._source.facts
        if self._source.device.is_host:
            return CPU
        # The framework numbers its device itself. If that fails, `__dlpack__` raises the error.
        with errors.ignored_refusals:
            # Unordered, because a question about the device must not make a stream wait.
            lender = lend(self._source, self._source.array, UNORDERED)
            kind, index = lender.__dlpack_device__()
            return int(kind), int(index)
        return facts.device

    def __dlpack__(
        self,
        *,
        stream: int | None = None,
        max_version: tuple[int, int] | None = None,
        dl_device: tuple[int, int] | None = None,
        copy: bool | None = None,
    ) -> Any:
        """Return a DLPack capsule.

        Parameters
        ----------
        stream : int, optional
            Handle of the consumer's stream, which waits for pending work on the array. None is the
            legacy default stream, and -1 orders nothing. On CUDA, 1 and 2 are the legacy and the
            per-thread default stream, and 0 is not allowed. Memory on the host has no streams.
        max_version : pair of int, optional
            The newest version of DLPack that the consumer knows. Before (1, 0) there is no flag
            for read-only memory, so read-only memory is copied.
        dl_device : pair of int, optional
            The device where the consumer wants the memory.
        copy : bool, optional
            None copies only if necessary, True always, False never.

        Returns
        -------
        capsule
            A PyCapsule over the memory of the array, or of a copy.

        Raises
        ------
        CopyRequiredError
            ``copy=False``, and a copy is necessary.
        UnsupportedArrayError
            The framework has no such device, or no DLPack for this dtype. This error is also a
            BufferError, as the standard requires.
        HostCopyError
            The policy of `options` forbids the copy.
        InvalidOptionError
            An argument has a value that the standard does not allow.
        """
        start = perf_counter()
        # The standard's rules for the arguments apply before anything is done (decision 0033).
        version = dlpack_arguments.parse_max_version(max_version)
        request = parse_request({"copy": copy})
        device = self._resolve_device(dlpack_arguments.parse_device(dl_device))
        # The stream is of the device where the memory is used: the source of a copy to the host.
        stream_device = self._source.device if device.is_host else device
        handle = dlpack_arguments.parse_stream(stream, stream_device)
        is_versioned = version is not None and version[0] >= _MAJOR
        if not is_versioned:
            version = None
        unflagged = None if is_versioned else _UNVERSIONED
        plan = plan_export(self._source, device, request, unflagged)
        # The policy is asked before `make_capsule`, which makes a copy if the plan has one.
        policy.enforce(plan, request)
        lent, plan = make_capsule(self._source, plan, handle, version)
        if plan.readonly and not capsule.is_named(lent, capsule.VERSIONED_NAME):
            # The framework knows no versions or ignores them, so its capsule has no flags.
            plan = plan_export(self._source, device, request, _UNFLAGGED)
            lent, plan = make_capsule(self._source, plan, handle, None)
        _add_flags(lent, plan)
        if events.watches:
            events.notify(plan, perf_counter() - start)
        return lent

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        """Return an ndarray over the array's host memory, or a copy if NumPy asks for one.

        NumPy calls this method for ``numpy.asarray``. Memory on a device is refused, because this
        call does not ask for a download.

        Raises
        ------
        CopyRequiredError
            ``copy=False``, and a copy is necessary.
        HostCopyError
            The memory is on a device.
        """
        start = perf_counter()
        self._check_on_host()
        # The constructor has checked the gradient, so `detach=True` drops nothing unasked.
        if dtype is None:
            return convert_computed(self._origin, "numpy", {"copy": copy, "detach": True})
        # With copy=True, the cast below makes the copy.
        shared_copy = False if copy is False else None
        array = convert_computed(self._origin, "numpy", {"copy": shared_copy, "detach": True})
        if array.dtype != dtype:
            if copy is False:
                reason = f"numpy.asarray takes a copy, because the dtype changes to {dtype}"
                hint = "Leave copy=False out."
                raise self._source.refusal(errors.CopyRequiredError, reason, hint)
            if events.watches:
                self._note_cast(str(dtype), start)
        return array.astype(dtype, copy=bool(copy))

    def _check_on_host(self) -> None:
        """Refuse memory on a device for `numpy.asarray`."""
        facts = self._source.facts
        if facts.device.is_host:
            return
        reason = f"NumPy would copy {facts.nbytes:,} bytes from {facts.device} to the host unasked"
        hint = (
            "Write interop.to_numpy(x) to copy them, or pass x to a library of that device, by its "
            "from_dlpack."
        )
        if not facts.device.can_share:
            hint = "Write interop.to_numpy(x) to copy them."
        raise self._source.refusal(errors.HostCopyError, reason, hint)

    def _note_cast(self, dtype: str, start: float) -> None:
        """Report the copy to `interop.watch` that a cast by NumPy makes."""
        events.notify(plan_cast(self._source.facts, dtype), perf_counter() - start)

    def _resolve_device(self, wanted: Device | None) -> Device:
        """Return the device for the memory, by default the current device."""
        # Consumers repeat this pair, whose numbers come from the framework and not from interop.
        if wanted is None or wanted == self.__dlpack_device__():
            return self._source.device
        if wanted.is_host:
            return CPU
        device = self._source.adapter.resolve_device(wanted)
        if isinstance(device, str):
            raise self._source.refusal(errors.UnsupportedArrayError, device)
        if not device.can_share:
            reason = f"interop orders work on CUDA and ROCm only, and not on {device}"
            hint = "Leave dl_device= out, or pass (1, 0) for a copy on the host."
            raise self._source.refusal(errors.UnsupportedArrayError, reason, hint)
        return device


def _add_flags(lent: Any, plan: Plan) -> None:
    """Set the flags of a capsule, which some frameworks leave out."""
    if plan.readonly:
        capsule.add_flags(lent, capsule.READ_ONLY)
    if not plan.zero_copy:
        capsule.add_flags(lent, capsule.IS_COPIED)
