"""Lend an array to a consumer that interop doesn't know: DLPack that tells the truth.

The plan here has one step at most, a copy in the array's own framework: for what DLPack can't say, or what the consumer
asks for. Everything else is the framework's own capsule, with the flags that it may have left out.
"""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING, Any, Final, NoReturn

from interop import _layout, _policy, _reading, _registry, _watch, capsule, errors
from interop._options import make_wish
from interop._plan import Plan, Step
from interop._planner import moves
from interop.adapter import CPU, LIBRARY, Device
from interop.handoff import LEGACY, PER_THREAD, UNORDERED, Interface, Stream

if TYPE_CHECKING:
    from collections.abc import Iterator

    from interop._plan import Verb
    from interop.adapter import Adapter

_MAJOR: Final = 1  # of the DLPack whose capsules have flags


def export(x: object, /) -> Exported:
    """Wrap an array for a consumer of DLPack that interop doesn't know.

    What consumers get wrong with a framework's own ``__dlpack__`` is seen to: a pending conjugation or negation and
    foreign byte order are resolved, read-only memory is flagged or copied, and memory on a GPU is ordered for the
    consumer's stream, and not reused before that stream is done with it.

    Parameters
    ----------
    x : array
        Of any known framework, or anything that `convert` takes.

    Returns
    -------
    Exported
        It has ``__dlpack__`` and ``__dlpack_device__``, and may be asked more than once.

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
        found = _registry.identify(x)
        self._source, self._array = found.adapter, found.array
        self._facts = facts = found.describe()
        if _reading.is_read_first(self._source, facts):
            self._array = x  # opened again when it is asked for: it may have changed by then
        if facts.unsupported:
            self._refuse(errors.UnsupportedArrayError, facts.unsupported)
        if self._source.lazy:
            reason = f"{facts.materialises}, and has no memory yet. Pass interop.to_numpy(x), or what else computes it."
            self._refuse(errors.UnsupportedArrayError, reason)
        if facts.gradient and not make_wish({}).detach:
            reason = "it requires grad, and the consumer would cut it off its graph."
            self._refuse(errors.GradientError, f"{reason} Export it within interop.options(detach=True) to allow that.")

    def __repr__(self) -> str:
        """Name the array."""
        return f"<{self._facts}, for any consumer of DLPack>"

    def __dlpack_device__(self) -> tuple[int, int]:
        """Return the kind and the id of the device, as DLPack numbers them."""
        if self._facts.device.is_host or self._facts.device.kind == LIBRARY:
            return CPU
        kind, index = self._lend(self._array, UNORDERED).__dlpack_device__()
        return int(kind), int(index)

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
            -1 orders nothing. The host has none.
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
        """
        start = perf_counter()
        versioned = max_version is not None and max_version[0] >= _MAJOR
        plan = self._plan(self._place(dl_device), copy, versioned=versioned)
        _policy.permit(plan, make_wish({}))
        lent, plan = self._capsule(plan, stream, max_version)
        if plan.readonly:
            capsule.add_flags(lent, capsule.READ_ONLY)
        if not plan.zero_copy:
            capsule.add_flags(lent, capsule.IS_COPIED)
        if _watch.is_open():
            _watch.note(plan, perf_counter() - start)
        return lent

    def _place(self, asked: tuple[int, int] | None) -> Device:
        if asked is None or tuple(map(int, asked)) == self.__dlpack_device__():
            return CPU if self._facts.device.kind == LIBRARY else self._facts.device
        if (wanted := Device(*map(int, asked))).is_host:
            return CPU
        placed = self._source.place(wanted)
        if isinstance(placed, str):
            self._refuse(errors.UnsupportedArrayError, placed)
        return placed

    def _plan(self, device: Device, copy: bool | None, *, versioned: bool) -> Plan:
        """Decide whether it takes a copy, and why."""
        facts = self._facts
        readonly = facts.readonly or _layout.overlaps(facts)
        travels = moves(facts.device, device)
        reason = facts.materialises or facts.obstacle or travels
        if not reason and readonly and not versioned:
            why = facts.readonly_reason or "it is read-only"
            reason = f"{why}, and a consumer before DLPack 1.0 would write to it all the same"
        if reason and copy is False:
            msg = f"it takes a copy, because {reason}. Leave copy=False out to allow it."
            self._refuse(errors.CopyRequiredError, msg)
        reason = reason or ("copy=True asks for an independent array" if copy else None)
        verb: Verb = "share" if not reason else "move" if travels else "read" if facts.materialises else "copy"
        step = Step(verb, "source", device, facts.dtype, facts.nbytes if reason else 0)
        why = reason or f"the consumer can use the same memory on {device}"
        return Plan(
            facts.framework, "DLPack", facts.shape, facts.device, device, facts.dtype, (step,), why,
            readonly=readonly and not reason,
        )  # fmt: skip

    def _capsule(self, plan: Plan, stream: int | None, max_version: tuple[int, int] | None) -> tuple[Any, Plan]:
        """Return a capsule, and what was done: a plan for an object that was read is made again."""
        if _reading.is_read_first(self._source, self._facts):
            x, plan = self._read(plan)
        else:
            x = self._array if plan.zero_copy else self._source.copy(self._array, plan.device, plan.dtype)
        try:
            lent: Any = x if plan.device.is_host and not plan.zero_copy else self._lend(x, stream)
            return lent.__dlpack__(max_version=max_version), plan
        except Exception as error:  # noqa: BLE001 - a framework may answer anything
            reason = f"its framework's DLPack answers {type(error).__name__}: {error}. Convert it to another one first."
            self._refuse(errors.UnsupportedArrayError, reason, error)

    def _read(self, plan: Plan) -> tuple[Any, Plan]:
        """Read the object, and insist on numbers: those that came count, not those that were stated."""
        found = _registry.identify(self._array)
        made = _reading.is_read_first(found.adapter, found.describe())
        if made:
            found = _reading.read(found.adapter, found.array, self._facts.framework)
        facts = found.describe()
        if facts.unsupported:
            msg = f"cannot export {facts}: {facts.unsupported}"
            raise errors.UnsupportedArrayError(msg)
        x, steps = found.array, [Step("read", "source", facts.device, facts.dtype, facts.nbytes)]
        if facts.obstacle or not made:
            x = found.adapter.copy(x, facts.device, facts.dtype)
            steps.append(steps[0]._replace(verb="copy"))
        return x, plan._replace(shape=facts.shape, dtype=facts.dtype, steps=tuple(steps))

    def _lend(self, x: Any, stream: int | None) -> Any:
        """Let the framework export it. A lease goes into the capsule, since this consumer knows of none."""
        source, here = self._source, self._source.describe(x).device
        if here.is_host:
            return source.export(x, None)
        own = source.current_stream(here) if here.kind in source.holds else Stream(UNORDERED)
        unordered = own._replace(ordered=False)
        lent = source.export(x, unordered if stream == UNORDERED else _stream(stream or LEGACY, here))
        if isinstance(lent, Interface):
            return lent if hasattr(lent, "__dlpack__") else self._lend_through_framework(lent, stream, here)
        lease = getattr(lent, "lease", None)
        return lent if lease is None else source.export(source.owned(x, lease), unordered)

    def _lend_through_framework(self, lent: Interface, stream: int | None, here: Device) -> Any:
        """Let a framework of the device adopt the CUDA Array Interface: it orders the stream and makes the capsule."""
        adapter = next(_holders(here), None)
        if adapter is None:
            reason = "it has no DLPack, and no framework with such memory is imported. Import torch or cupy first."
            self._refuse(errors.UnsupportedArrayError, reason)
        own = adapter.current_stream(here)._replace(ordered=False)
        adopted = adapter.adopt(lent, own if stream == UNORDERED else _stream(stream or LEGACY, here))
        return adapter.export(adopted, own)

    def _refuse(self, error: type[errors.InteropError], reason: str, cause: Exception | None = None) -> NoReturn:
        raise error(f"cannot export {self._facts}: {reason}") from cause


def _stream(handle: int, device: Device) -> Stream:
    """Find the object that keeps a stream alive: it is likely the current one of the framework that asks."""
    current = (adapter.current_stream(device) for adapter in _holders(device))
    known = next((stream for stream in current if stream.handle == handle), None)
    return known or Stream(handle, lasts=handle in (LEGACY, PER_THREAD))


def _holders(device: Device) -> Iterator[Adapter]:
    """Yield the imported frameworks that can have memory on a device in this process."""
    for adapter in _registry.loaded_adapters():
        if device.kind in adapter.holds and not isinstance(adapter.place(device), str):
            yield adapter
