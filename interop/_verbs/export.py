"""Lend an array to a consumer that interop doesn't know: DLPack that tells the truth.

The plan here has one step at most, a copy in the array's own framework: for what DLPack can't say, or what the consumer
asks for. Everything else is the framework's own capsule, with the flags that it may have left out.
"""

from __future__ import annotations

from contextlib import suppress
from time import perf_counter
from typing import TYPE_CHECKING, Any, Final, NoReturn

from interop import errors
from interop._engine import policy, reading
from interop._engine.parse import parse_request
from interop._identify import registry
from interop._model import dtypes, layout
from interop._model.plan import Plan, Step
from interop._model.reasons import moves, no_copy
from interop._model.verb import Verb
from interop._verbs import dlpack_arguments
from interop._verbs.consumer import find_stream, holders, lend_copy, why_misaligned
from interop._verbs.convert import convert_computed
from interop._watch import watch
from interop.adapter import CPU, LIBRARY, Device, capsule
from interop.adapter.streams import LEGACY, UNORDERED, Interface, Stream

if TYPE_CHECKING:
    from interop._model.request import Request

_MAJOR: Final = 1  # of the DLPack whose capsules have flags
_UNVERSIONED: Final = "a consumer before DLPack 1.0 would write to it all the same"
_UNFLAGGED: Final = "the DLPack of its framework cannot tell the consumer"
_ATTEMPT: Final = "cannot export {source}"
_TARGET: Final = "DLPack"


def export(x: object, /) -> Exported:
    """Wrap an array for a consumer of DLPack that interop doesn't know.

    What consumers get wrong with a framework's own ``__dlpack__`` is seen to: a pending conjugation or negation and
    foreign byte order are resolved, negative strides, strides that are not whole elements and memory that is not
    aligned to whole elements are copied, read-only memory is flagged or copied, and memory on a GPU is ordered for the
    consumer's stream, and not reused before that stream is done with it.

    Parameters
    ----------
    x : array
        Of any known framework, or anything that `convert` takes.

    Returns
    -------
    Exported
        It has ``__dlpack__`` and ``__dlpack_device__``, and may be asked more than once. Host memory also has
        ``__array__``, so that `numpy.asarray` gives an array.

    Raises
    ------
    NotAnArrayError
        It is no array.
    UnsupportedArrayError
        It has no plain numbers to give.
    GradientError
        It requires grad: ``with interop.options(detach=True)`` allows that.

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
    """An array that speaks DLPack, as the Python array API standard (2024.12) specifies it."""

    def __init__(self, x: object) -> None:
        self._origin = x
        operand = registry.identify(x)
        self._source, self._array = operand.adapter, operand.array
        self._facts = facts = operand.describe()
        if reading.is_read_first(self._source, facts):
            self._array = x  # opened again when it is asked for: it may have changed by then
        if facts.unsupported:
            self._refuse(errors.UnsupportedArrayError, facts.unsupported)
        if self._source.lazy:
            reason = f"{facts.needs_read}, and has no memory yet"
            hint = "Pass interop.to_numpy(x), or what else computes it."
            self._refuse(errors.UnsupportedArrayError, reason, hint)
        if facts.gradient and not parse_request({}).detach:
            reason = "it requires grad, and the consumer would cut it off its graph"
            hint = "Export it within interop.options(detach=True) to allow that."
            self._refuse(errors.GradientError, reason, hint)

    def __repr__(self) -> str:
        """Name the array."""
        return f"<{self._facts}, for any consumer of DLPack>"

    def __dlpack_device__(self) -> tuple[int, int]:
        """Return the kind and the id of the device, as DLPack numbers them."""
        if self._facts.device.is_host or self._facts.device.kind == LIBRARY:
            return CPU
        with suppress(Exception):  # what is wrong with the memory, the call for a capsule says
            kind, index = self._lend(self._array, UNORDERED).__dlpack_device__()
            return int(kind), int(index)
        return self._facts.device

    def __dlpack__(
        self,
        *,
        stream: int | None = None,
        max_version: tuple[int, int] | None = None,
        dl_device: tuple[int, int] | None = None,
        copy: bool | None = None,
    ) -> Any:
        """Return a capsule.

        Parameters
        ----------
        stream : int, optional
            The consumer's stream, which waits for what is pending on the array. None is the legacy default one, and
            -1 orders nothing. The other values are those of the standard: on CUDA 1, 2 or a handle, and not 0. The host
            has no streams.
        max_version : pair of int, optional
            The newest DLPack that the consumer knows. Before (1, 0) there is no flag for read-only memory: it is
            copied.
        dl_device : pair of int, optional
            Where the consumer wants the memory.
        copy : bool, optional
            None copies only when needed, True always, False never.

        Raises
        ------
        CopyRequiredError
            ``copy=False``, and it takes a copy.
        UnsupportedArrayError
            The framework can't be on that device, or has no DLPack for this dtype. Both are BufferErrors.
        HostCopyError
            The policy of `options` forbids the copy.
        InvalidOptionError
            An argument has a value that the standard does not allow.
        """
        start = perf_counter()
        version = dlpack_arguments.parse_max_version(max_version)
        request = parse_request({"copy": copy})
        device = self._resolve_device(dlpack_arguments.parse_device(dl_device))
        handle = dlpack_arguments.parse_stream(stream, self._device_of_stream(device))
        is_versioned = version is not None and version[0] >= _MAJOR
        plan = self._plan(device, request, None if is_versioned else _UNVERSIONED)
        policy.enforce(plan, request)
        lent, plan = self._capsule(plan, handle, version if is_versioned else None)
        if plan.readonly and not capsule.is_named(lent, capsule.VERSIONED_NAME):
            plan = self._plan(device, request, _UNFLAGGED)
            lent, plan = self._capsule(plan, handle, None)
        if plan.readonly:
            capsule.add_flags(lent, capsule.READ_ONLY)
        if not plan.zero_copy:
            capsule.add_flags(lent, capsule.IS_COPIED)
        if watch.is_open():
            watch.note(plan, perf_counter() - start)
        return lent

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        """Return an ndarray over the array's host memory, or a copy if NumPy asks for one.

        NumPy calls this for ``numpy.asarray``. Memory on a device is refused, since the call does not say that
        anything is to be downloaded.

        Raises
        ------
        CopyRequiredError
            ``copy=False``, and the ndarray takes a copy.
        HostCopyError
            The memory is on a device.
        """
        start = perf_counter()
        if not self._facts.device.is_host:
            size, device = self._facts.nbytes, self._facts.device
            reason = f"NumPy would copy {size:,} bytes from {device} to the host unasked"
            copy_hint = "Write interop.to_numpy(x) to copy them"
            share_hint = "pass x to a library of that device, by its from_dlpack"
            self._refuse(errors.HostCopyError, reason, f"{copy_hint}, or {share_hint}.")
        if dtype is None:
            return convert_computed(self._origin, "numpy", {"copy": copy, "detach": True})
        array = convert_computed(
            self._origin, "numpy", {"copy": False if copy is False else None, "detach": True}
        )
        if copy is False and array.dtype != dtype:
            reason = f"numpy.asarray takes a copy, because the dtype changes to {dtype}"
            self._refuse(errors.CopyRequiredError, reason, "Leave copy=False out.")
        if array.dtype != dtype and watch.is_open():
            self._note_cast(str(dtype), start)
        return array.astype(dtype, copy=bool(copy))

    def _note_cast(self, dtype: str, start: float) -> None:
        """Report a copy to `interop.watch`, because NumPy has asked for another dtype."""
        facts = self._facts
        size = (
            layout.count(facts) * dtypes.itemsize(dtype) if dtype in dtypes.NAMES else facts.nbytes
        )
        step = Step(Verb.COPY, "source", CPU, dtype, size)
        plan = Plan(
            "numpy",
            "numpy",
            facts.shape,
            CPU,
            CPU,
            dtype,
            (step,),
            f"numpy.asarray asks for {dtype}",
        )
        watch.note(plan, perf_counter() - start)

    def _resolve_device(self, wanted: Device | None) -> Device:
        if wanted is None or wanted == self.__dlpack_device__():
            return CPU if self._facts.device.kind == LIBRARY else self._facts.device
        if wanted.is_host:
            return CPU
        placed = self._source.resolve_device(wanted)
        if isinstance(placed, str):
            self._refuse(errors.UnsupportedArrayError, placed)
        return placed

    def _device_of_stream(self, device: Device) -> Device:
        """Return where the consumer's stream is: where the memory goes, or comes from if that is the host."""
        here = CPU if self._facts.device.kind == LIBRARY else self._facts.device
        return here if device.is_host else device

    def _plan(self, device: Device, request: Request, unflagged: str | None) -> Plan:
        """Decide whether the export takes a copy, and give the reason.

        `unflagged` says why no flag can tell that memory is read-only.
        """
        facts, copy = self._facts, request.copy
        readonly = facts.readonly or layout.overlaps(facts)
        travels = moves(facts.device, device)
        reason = facts.needs_read or facts.not_shareable or travels or layout.why_unusual(facts)
        reason = reason or why_misaligned(self._source, self._array, facts)
        if not reason and readonly and unflagged:
            reason = f"{facts.readonly_reason or 'it is read-only'}, and {unflagged}"
        by_library = device.is_host and (facts.downloads or facts.needs_read is not None)
        if (reason or copy) and not (by_library or facts.device.kind in self._source.device_kinds):
            reason = reason or "copy=True asks for an independent array"
            self._refuse(errors.UnsupportedArrayError, no_copy(reason, facts))
        if reason and copy is False:
            hint = "Leave copy=False out to allow it."
            self._refuse(errors.CopyRequiredError, f"it takes a copy, because {reason}", hint)
        reason = reason or ("copy=True asks for an independent array" if copy else None)
        verb = Verb.COPY
        if not reason:
            verb = Verb.SHARE
        elif travels:
            verb = Verb.MOVE
        elif facts.needs_read:
            verb = Verb.READ
        step = Step(verb, "source", device, facts.dtype, facts.nbytes if reason else 0)
        why = reason or f"the consumer can use the same memory on {device}"
        return Plan(
            facts.framework, "DLPack", facts.shape, facts.device, device, facts.dtype, (step,), why,
            readonly=readonly and not reason,
        )  # fmt: skip

    def _capsule(
        self, plan: Plan, stream: int | None, max_version: tuple[int, int] | None
    ) -> tuple[Any, Plan]:
        """Return a capsule, and the plan that was carried out.

        The plan for an object that was read is made again.
        """
        if reading.is_read_first(self._source, self._facts):
            x, plan = self._read(plan)
        else:
            x = (
                self._array
                if plan.zero_copy
                else self._source.copy(self._array, plan.device, plan.dtype)
            )
        try:
            lent = (
                self._lend(x, stream) if plan.zero_copy or not plan.device.is_host else lend_copy(x)
            )
            # An older version has no use for the keyword, and JAX refuses to read 0.x of it.
            version = {} if max_version is None else {"max_version": max_version}
            return lent.__dlpack__(**version), plan
        except Exception as error:  # noqa: BLE001 - a framework may answer anything
            reason = f"its framework's DLPack answers {errors.quote(error)}"
            hint = "Convert it to another one first."
            self._refuse(errors.UnsupportedArrayError, reason, hint, error)

    def _read(self, plan: Plan) -> tuple[Any, Plan]:
        """Read the object, and insist on numbers: those that came count, not those that were stated."""
        operand = registry.identify(self._array)
        made = reading.is_read_first(operand.adapter, operand.describe())
        if made:
            operand = reading.read(operand.adapter, operand.array, self._facts.framework)
        facts = operand.describe()
        if facts.unsupported:
            raise errors.UnsupportedArrayError(
                facts.unsupported, attempt=_ATTEMPT, source=facts, target=_TARGET
            )
        x, steps = (
            operand.array,
            [Step(Verb.READ, "source", facts.device, facts.dtype, facts.nbytes)],
        )
        unfit = (
            facts.not_shareable
            or layout.why_unusual(facts)
            or why_misaligned(operand.adapter, operand.array, facts)
        )
        if unfit or not made:
            x = operand.adapter.copy(x, facts.device, facts.dtype)
            steps.append(steps[0]._replace(verb=Verb.COPY))
        return x, plan._replace(shape=facts.shape, dtype=facts.dtype, steps=tuple(steps))

    def _lend(self, x: Any, stream: int | None) -> Any:
        """Let the framework export it. A lease goes into the capsule, since this consumer knows of none."""
        source, here = self._source, self._source.describe(x).device
        if here.is_host:
            return source.export(x, None)
        own = source.current_stream(here) if here.kind in source.device_kinds else Stream(UNORDERED)
        unordered = own._replace(ordered=False)
        lent = source.export(
            x, unordered if stream == UNORDERED else find_stream(stream or LEGACY, here)
        )
        if isinstance(lent, Interface):
            return (
                lent
                if hasattr(lent, "__dlpack__")
                else self._lend_through_framework(lent, stream, here)
            )
        lease = getattr(lent, "lease", None)
        return lent if lease is None else source.export(source.owned(x, lease), unordered)

    def _lend_through_framework(self, lent: Interface, stream: int | None, here: Device) -> Any:
        """Export a CUDA Array Interface through a framework of the device.

        The framework adopts the memory, orders the stream and makes the capsule.
        """
        adapter = next(holders(here), None)
        if adapter is None:
            reason = "it has no DLPack, and no framework with such memory is imported"
            hint = "Import torch or cupy first."
            self._refuse(errors.UnsupportedArrayError, reason, hint)
        own = adapter.current_stream(here)._replace(ordered=False)
        adopted = adapter.adopt(
            lent, own if stream == UNORDERED else find_stream(stream or LEGACY, here)
        )
        return adapter.export(adopted, own)

    def _refuse(
        self,
        error: type[errors.InteropError],
        reason: str,
        hint: str | None = None,
        cause: Exception | None = None,
    ) -> NoReturn:
        raise error(
            reason, attempt=_ATTEMPT, source=self._facts, target=_TARGET, hint=hint
        ) from cause
